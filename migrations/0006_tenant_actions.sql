-- Changes to a tenant itself: what was asked, the actions of the plan, and the values they replace.

-- What is asked of the tenant, as JSON; empty: the run is about users.
alter table runs add column request text not null default '';
drop index runs_queued_key;
-- The same wish twice is one run.
create unique index runs_queued_key on runs (application_id, scope, mode, only_user, request)
    where state = 'queued' and approved_at is null;

create table tenant_actions (
    run_id text collate "binary" not null constraint tenant_actions_run_fkey references runs (id) on delete cascade,
    sequence bigint not null,
    -- What is changed: its kind, its id among its kind, its name when the plan was made.
    subject_kind text collate "binary" not null,
    subject_id text collate "binary" not null,
    subject_name text not null,
    kind text not null,
    body text not null,
    reason text not null,
    removal bigint not null,
    -- planned, sent, applied, failed or skipped.
    state text not null,
    outcome text,
    request_id text,
    changed_at bigint not null,
    constraint tenant_actions_pkey primary key (run_id, sequence)
);
create index tenant_actions_open_idx on tenant_actions (run_id, sequence)
    where state in ('planned', 'sent');

-- Values that Signpost replaced in the tenant, so that they can be put back.
create table kept_values (
    application_id text collate "binary" not null constraint kept_values_application_fkey references applications (id),
    subject_kind text collate "binary" not null,
    subject_id text collate "binary" not null,
    subject_name text not null,
    -- As JSON: what it was before the first change, and what Signpost last left there.
    value_before text not null,
    value_after text not null,
    run_id text collate "binary" not null,
    taken_at bigint not null,
    put_back_at bigint,
    constraint kept_values_pkey primary key (application_id, subject_kind, subject_id)
);
