-- Runs, their cases as columns, their failures as rows, and the counters that answer what is asked often.
-- Times are microseconds since 1970, hashes 16 bytes of BLAKE3, flags 0 or 1.

create table projects (
    id integer primary key,
    name text not null unique,
    run_count integer not null
);

-- The dictionary of nodeids. Project 0 stands for all projects together.
-- Unique by hash: a nodeid may be longer than an index entry of PostgreSQL.
create table tests (
    id integer primary key,
    project_id integer not null,
    hash blob not null,
    nodeid text not null,
    unique (project_id, hash)
);

create table runs (
    id integer primary key autoincrement,
    run_id text not null unique,
    content_hash blob not null,
    worker_id text not null,
    project text not null,
    branch text not null,
    commit_id text not null,
    status text not null,
    complete integer not null,
    timestamp_us integer not null,
    received_us integer not null,
    passed integer not null,
    failed integer not null,
    error integer not null,
    skipped integer not null,
    total integer not null,
    duration_s real not null,
    pass_rate real not null
);

create index runs_by_project on runs (project, id);
create index runs_by_branch on runs (branch, id);
create index runs_by_worker on runs (worker_id, id);
create index runs_by_status on runs (status, id);
create index runs_by_project_branch on runs (project, branch, id);
create index runs_by_project_worker on runs (project, worker_id, id);
create index runs_by_project_status on runs (project, status, id);
create index runs_by_commit on runs (commit_id);
create index runs_by_timestamp on runs (timestamp_us);

-- Which tests a run had and where they are defined; shared by all runs of the same tests.
create table layouts (
    hash blob primary key,
    data blob not null
);

-- What only the answer about one run needs. layout and columns are null when no cases were sent.
create table run_bodies (
    run integer primary key references runs (id) on delete cascade,
    layout blob references layouts (hash),
    columns blob,
    details blob not null
);

-- Texts that tests produced, each distinct one once.
create table texts (
    hash blob primary key,
    data blob not null
);

-- Every bad case of a run, exactly; for runs without cases, the failures as they were sent.
-- message is null when it is empty or short enough to stand in the columns.
create table failures (
    run integer not null references runs (id) on delete cascade,
    position integer not null,
    test integer not null references tests (id),
    listed integer not null,
    duration_s real,
    setup_s real,
    call_s real,
    teardown_s real,
    message blob,
    primary key (run, position)
) without rowid;

create index failures_by_test on failures (test, run);

-- Everything that went wrong inside a case, in order.
create table case_failures (
    run integer not null references runs (id) on delete cascade,
    position integer not null,
    ordinal integer not null,
    phase blob not null,
    outcome integer,
    context blob,
    message blob,
    traceback blob,
    stdout blob,
    stderr blob,
    log blob,
    primary key (run, position, ordinal)
) without rowid;

-- In how many runs a test failed. scope is its project, 0 for all projects together.
create table failure_counts (
    test integer primary key references tests (id),
    scope integer not null,
    fail_count integer not null
);

create index failure_counts_top on failure_counts (scope, fail_count desc, test);

create table workers (
    worker_id text primary key,
    run_count integer not null,
    pass_rate_sum real not null,
    last_seen_us integer not null
);

create index workers_by_last_seen on workers (last_seen_us desc);
