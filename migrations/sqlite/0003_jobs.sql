-- Jobs: what is to be run, who runs it, and what became of it.
-- Times are microseconds since 1970, flags 0 or 1.

-- What only so many jobs may use at a time. Its row is locked by whoever queues a job for it or hands one
-- out: that keeps the order.
create table environments (
    name text primary key,
    description text not null,
    capacity integer not null
);

insert into environments (name, description, capacity)
with recursive numbers (number) as (
    select 1 union all select number + 1 from numbers where number < 100
)
select cast(number as text), '', 1 from numbers;

insert into environments (name, description, capacity)
values ('run_suite', 'Suites on demand (POST /run_suite), one at a time', 1);

-- Who asks for jobs. Written every few seconds at most.
create table agents (
    name text primary key,
    -- The only project that it may have jobs of; null when it may have all.
    project text,
    -- A JSON object of texts.
    labels text not null,
    slots integer not null,
    version text not null,
    seen_us integer not null
);

create index agents_by_seen on agents (seen_us);

create table jobs (
    id integer primary key autoincrement,
    uuid text not null unique,
    kind text not null,
    project text not null,
    username text not null,
    environment text,
    -- Which of the places of its environment it holds; null while it holds none.
    slot integer,
    -- A JSON object of texts.
    labels text not null,
    -- Whether a runner of the task contract can have it.
    is_task integer not null,
    -- A short hash of environment, project, labels and is_task: jobs of one lane can be had by the same
    -- agents, so that only the first of each has to be looked at.
    lane text not null,
    -- The lane while the job waits, null otherwise: what waits is found without asking for a state, which
    -- SQLite would look up by another index.
    waits_in text,
    priority integer not null,
    timeout_s integer not null,
    attempts_max integer not null,
    wait_max_s integer not null,
    state text not null,
    error_kind text,
    error text,
    cancel_requested integer not null,
    -- Nobody sees it any more; it is deleted when it is over.
    forgotten integer not null,
    created_us integer not null,
    -- When it began to wait; and, while it waits, until when.
    queued_us integer not null,
    give_up_us integer,
    started_us integer,
    finished_us integer,
    -- How often it was begun, and how many of these count towards attempts_max.
    attempt_number integer not null,
    attempts_counted integer not null,
    agent text,
    run_id text,
    exit_code integer,
    log_bytes integer not null,
    rerun_of integer,
    -- The snapshot or archive that its source names.
    source_blob text,
    -- What is only shown and handed out, packed JSON: source, tests, args, env.
    spec blob not null
);

-- Never two jobs on one place, whatever the masters do.
create unique index jobs_by_slot on jobs (environment, slot) where slot is not null;
create index jobs_by_lane on jobs (waits_in, priority desc, id) where waits_in is not null;
create index jobs_by_queue on jobs (environment, priority desc, id) where waits_in is not null;
create index jobs_by_give_up on jobs (give_up_us) where give_up_us is not null;
create index jobs_by_state on jobs (state, id);
create index jobs_by_project on jobs (project, id);
create index jobs_by_username on jobs (username, id);
create index jobs_by_kind on jobs (kind, id);
create index jobs_by_environment on jobs (environment, id);
create index jobs_by_agent on jobs (agent, id);
create index jobs_by_rerun on jobs (rerun_of, id) where rerun_of is not null;
create index jobs_by_blob on jobs (source_blob) where source_blob is not null;
create index jobs_forgotten on jobs (id) where forgotten = 1;

-- An agent had a job. The id is the fencing token: never used twice, by no job.
create table attempts (
    id integer primary key autoincrement,
    job integer not null references jobs (id) on delete cascade,
    number integer not null,
    agent text not null,
    run_id text not null,
    leased_us integer not null,
    -- How often the agent was heard: clocks are set back, this never is.
    pulse integer not null,
    -- Milliseconds of silence after which it is lost.
    lease_ms integer not null,
    -- It took too long, and its agent is not heard any more.
    overdue integer not null,
    -- Bytes of its log as the agent counts them.
    log_bytes integer not null,
    ended_us integer,
    ending text,
    error_kind text,
    error text,
    exit_code integer,
    unique (job, number)
);

-- Never two agents with one job.
create unique index attempts_going_on on attempts (job) where ended_us is null;

create table steps (
    attempt integer not null references attempts (id) on delete cascade,
    -- Its place among the steps.
    position integer not null,
    started_us integer not null,
    finished_us integer,
    text text not null,
    primary key (attempt, position)
);

create table transitions (
    job integer not null references jobs (id) on delete cascade,
    number integer not null,
    state text not null,
    at_us integer not null,
    -- The number of the attempt that it belongs to, 0 before the first.
    attempt integer not null,
    why text not null,
    primary key (job, number)
);

-- The log of a job: pieces that follow on one another, over all of its attempts.
create table job_logs (
    job integer not null references jobs (id) on delete cascade,
    start integer not null,
    bytes blob not null,
    primary key (job, start)
);
