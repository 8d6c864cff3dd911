-- Contents that jobs are made of: snapshots of the test library, uploaded archives, and what files of the
-- library were before.

create table blobs (
    -- BLAKE3 of the content, hexadecimal.
    hash text primary key,
    bytes integer not null,
    -- zip, tar.gz or tar.zst: what an agent can unpack. Null for a file of the library.
    format text,
    -- Null while its parts are still being written.
    stored_us integer,
    -- When somebody made use of it last; what nobody names any more is kept for a while from then on.
    used_us integer not null
);

create index blobs_by_use on blobs (used_us);

-- Pieces of a content, in their order, each packed if that makes it smaller. They are written one by one, so
-- that a large content never holds up the other writers, and read one by one, so that it never fills the memory.
create table blob_parts (
    hash text not null references blobs (hash) on delete cascade,
    number integer not null,
    data blob not null,
    primary key (hash, number)
);

create table library_versions (
    id integer primary key autoincrement,
    path text not null,
    hash text not null references blobs (hash),
    bytes integer not null,
    uploaded_us integer not null,
    uploaded_by text not null
);

create index library_versions_by_path on library_versions (path, id);
create index library_versions_by_hash on library_versions (hash);
