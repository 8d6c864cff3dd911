-- For how long jobs are kept, and how their logs are.

-- Whether the pieces of its log were joined into few.
alter table jobs add column log_joined integer not null default 0;

-- Only a job that is over has an end.
create index jobs_by_end on jobs (finished_us) where finished_us is not null;
create index jobs_to_join on jobs (finished_us) where finished_us is not null and log_joined = 0;
