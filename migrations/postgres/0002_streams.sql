-- Runs that are reported while they go on. Their row in runs is made when they are opened; what is not
-- merged into columns yet is here.

create table streams (
    run bigint primary key references runs (id) on delete cascade,
    -- The opening as it was sent, packed, and its hash.
    opening bytea not null,
    open_hash bytea not null,
    -- When its worker was heard last. pulse counts how often: clocks are set back, it never is.
    heard_us bigint not null,
    pulse bigint not null,
    -- The last progress that was told, packed.
    progress bytea not null,
    batch_count bigint not null,
    -- What all batches together took as JSON.
    bytes bigint not null,
    -- Null while it goes on and after it was lost. The row of a finished run is kept for a day, so that the
    -- same finish can be sent again.
    finish_hash bytea
);

create index streams_by_finish on streams (heard_us) where finish_hash is not null;

create table stream_batches (
    run bigint not null references streams (run) on delete cascade,
    number bigint not null,
    batch_id text collate "C" not null,
    -- Cases, packed; and of each a short hash with what it counts as.
    cases bytea not null,
    marks bytea not null,
    primary key (run, number)
);
