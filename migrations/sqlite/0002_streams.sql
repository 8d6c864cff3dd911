-- Runs that are reported while they go on. Their row in runs is made when they are opened; what is not
-- merged into columns yet is here.

create table streams (
    run integer primary key references runs (id) on delete cascade,
    -- The opening as it was sent, packed, and its hash.
    opening blob not null,
    open_hash blob not null,
    -- When its worker was heard last. pulse counts how often: clocks are set back, it never is.
    heard_us integer not null,
    pulse integer not null,
    -- The last progress that was told, packed.
    progress blob not null,
    batch_count integer not null,
    -- What all batches together took as JSON.
    bytes integer not null,
    -- Null while it goes on and after it was lost. The row of a finished run is kept for a day, so that the
    -- same finish can be sent again.
    finish_hash blob
);

create index streams_by_finish on streams (heard_us) where finish_hash is not null;

create table stream_batches (
    run integer not null references streams (run) on delete cascade,
    number integer not null,
    batch_id text not null,
    -- Cases, packed; and of each a short hash with what it counts as.
    cases blob not null,
    marks blob not null,
    primary key (run, number)
);
