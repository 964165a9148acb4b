-- Readiness: how each check came out, what operators answer for, and what accounts ask for.

-- How the application proves itself: by its secret, or by its current certificate.
alter table connections add column credential text not null default 'secret';

create table connection_certificates (
    id text collate "binary" not null constraint connection_certificates_pkey primary key,
    application_id text collate "binary" not null constraint connection_certificates_application_fkey references applications (id),
    -- next: made, and perhaps not known to the tenant yet. current: in use.
    state text not null,
    -- DER as base64; its key never leaves.
    certificate text not null,
    private_key_sealed text not null,
    not_after bigint not null,
    made_at bigint not null,
    constraint connection_certificates_state_key unique (application_id, state)
);

create table readiness_checks (
    application_id text collate "binary" not null constraint readiness_checks_application_fkey references applications (id),
    check_key text collate "binary" not null,
    state text not null,
    -- The check as JSON.
    body text not null,
    checked_at bigint not null,
    constraint readiness_checks_pkey primary key (application_id, check_key)
);

-- What a check was before: one row for each time its state or sentence changed.
create table readiness_history (
    application_id text collate "binary" not null constraint readiness_history_application_fkey references applications (id),
    check_key text collate "binary" not null,
    since bigint not null,
    state text not null,
    sentence text not null,
    constraint readiness_history_pkey primary key (application_id, check_key, since)
);

create table readiness_waivers (
    application_id text collate "binary" not null constraint readiness_waivers_application_fkey references applications (id),
    check_key text collate "binary" not null,
    -- The state it was given for: it covers nothing worse.
    state text not null,
    reason text not null,
    waived_by text not null,
    waived_at bigint not null,
    constraint readiness_waivers_pkey primary key (application_id, check_key)
);

-- What an operator looked up where Microsoft shows it to nobody else.
create table readiness_marks (
    application_id text collate "binary" not null constraint readiness_marks_application_fkey references applications (id),
    mark text collate "binary" not null,
    marked_by text not null,
    marked_at bigint not null,
    constraint readiness_marks_pkey primary key (application_id, mark)
);

-- What Signpost is to do with the tenant, as a list of words in JSON.
alter table applications add column features text;

-- The reading of what each account's own settings ask for: one at a time per application, by a
-- lease that another process takes over when its holder gives no sign of life.
create table account_readings (
    application_id text collate "binary" not null constraint account_readings_pkey primary key
        constraint account_readings_application_fkey references applications (id),
    -- Counts readings: an account of an older round is gone from the tenant.
    round bigint not null,
    -- waiting, listing, reading, registrations, done or failed.
    phase text not null,
    failure text,
    -- What people have registered, as JSON; or why it could not be read, and the permission.
    registrations text,
    registrations_failure text,
    registrations_missing text,
    asked_by text not null,
    asked_at bigint not null,
    finished_at bigint,
    holder text not null,
    lease_until bigint not null,
    fence bigint not null
);

create table mfa_states (
    application_id text collate "binary" not null constraint mfa_states_application_fkey references applications (id),
    object_id text collate "binary" not null,
    name text not null,
    administrator bigint not null,
    -- disabled, enabled, enforced or unreadable; empty: not read in this round.
    state text not null,
    failure text,
    round bigint not null,
    read_at bigint,
    constraint mfa_states_pkey primary key (application_id, object_id)
);
create index mfa_states_state_idx on mfa_states (application_id, state, object_id);
