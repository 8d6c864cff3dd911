-- Who may do what, and who did what.
-- Of secrets only hashes are kept: 32 bytes of BLAKE3, which is enough for what is random; Argon2 for passwords.
-- Scopes are words with a space in between. Without a project, every project may be seen.

create table tokens (
    id integer primary key autoincrement,
    name text not null,
    hash blob not null,
    scopes text not null,
    project text,
    created_us integer not null,
    expires_us integer,
    revoked_us integer,
    used_us integer
);

-- The name of a token that was revoked is free again.
create unique index tokens_by_name on tokens (name) where revoked_us is null;

create table accounts (
    id integer primary key autoincrement,
    name text not null unique,
    password text not null,
    scopes text not null,
    project text,
    created_us integer not null
);

-- A row a login and a refresh. All that came of one login are a family.
create table sessions (
    id integer primary key autoincrement,
    family text not null,
    account integer not null references accounts (id) on delete cascade,
    access_hash blob not null unique,
    access_until_us integer not null,
    refresh_hash blob not null unique,
    refresh_until_us integer not null,
    -- 1 once its refresh token was used.
    refreshed integer not null
);

create index sessions_by_family on sessions (family);
create index sessions_by_account on sessions (account, id);
create index sessions_by_end on sessions (refresh_until_us);

create table audit (
    id integer primary key autoincrement,
    at_us integer not null,
    who text not null,
    action text not null,
    target text not null,
    status integer not null,
    address text not null,
    request_id text not null
);

create index audit_by_time on audit (at_us);
create index audit_by_who on audit (who, id);
