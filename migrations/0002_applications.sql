-- Applications: who has them, the way into their tenant, and what the tenant was seen to hold.

create table applications (
    id text collate "binary" not null constraint applications_pkey primary key,
    name text not null,
    name_folded text collate "binary" not null,
    -- all_users, assigned or rule; the rule as JSON.
    access_type text not null,
    access_rule text,
    policy text not null,
    -- Counts changes that concern everyone: settings, grants, mapping, who is in scope.
    desired_revision bigint not null,
    -- Set by the first sync; before it nothing starts by itself.
    first_synced_at bigint,
    created_at bigint not null,
    updated_at bigint not null,
    deleted_at bigint,
    version bigint not null
);
create unique index applications_name_key on applications (name_folded) where deleted_at is null;

create table assignments (
    id text collate "binary" not null constraint assignments_pkey primary key,
    application_id text collate "binary" not null constraint assignments_application_fkey references applications (id),
    -- user or group, and its id.
    principal_kind text not null,
    principal_id text collate "binary" not null,
    created_at bigint not null,
    created_by text not null,
    constraint assignments_application_principal_key unique (application_id, principal_kind, principal_id)
);
create index assignments_principal_idx on assignments (principal_id, application_id);

create table connections (
    application_id text collate "binary" not null constraint connections_pkey primary key
        constraint connections_application_fkey references applications (id),
    cloud text not null,
    domain text not null,
    tenant_id text not null,
    client_id text not null,
    secret_sealed text,
    secret_saved_at bigint,
    state text not null,
    findings text not null,
    checked_at bigint,
    -- Carries Microsoft's token in its address, so it is sealed like a secret.
    delta_link_sealed text,
    full_read_at bigint,
    -- The round of the last full read that was begun.
    round bigint not null,
    -- Failed runs in a row; no run starts by itself before retry_at.
    failures bigint not null,
    retry_at bigint
);

create table products (
    application_id text collate "binary" not null constraint products_application_fkey references applications (id),
    sku_id text collate "binary" not null,
    body text not null,
    position bigint not null,
    constraint products_pkey primary key (application_id, sku_id)
);

create table grants (
    id text collate "binary" not null constraint grants_pkey primary key,
    application_id text collate "binary" not null constraint grants_application_fkey references applications (id),
    sku_id text collate "binary" not null,
    -- Empty: everyone who has the application.
    group_id text collate "binary" not null,
    disabled_plans text not null,
    position bigint not null,
    constraint grants_application_sku_group_key unique (application_id, sku_id, group_id)
);
create index grants_group_idx on grants (group_id, application_id);

create table mappings (
    application_id text collate "binary" not null constraint mappings_application_fkey references applications (id),
    attribute text not null,
    template text not null,
    constraint mappings_pkey primary key (application_id, attribute)
);

create table signing_keys (
    id text collate "binary" not null constraint signing_keys_pkey primary key,
    application_id text collate "binary" not null constraint signing_keys_application_fkey references applications (id),
    private_key_sealed text not null,
    -- DER as base64.
    certificate text not null,
    not_before bigint not null,
    not_after bigint not null,
    -- current, next or retired.
    state text not null,
    created_at bigint not null
);
create unique index signing_keys_application_state_key on signing_keys (application_id, state)
    where state in ('current', 'next');

create table accounts (
    application_id text collate "binary" not null constraint accounts_application_fkey references applications (id),
    object_id text collate "binary" not null,
    upn_folded text collate "binary" not null,
    immutable_id text collate "binary",
    mail_folded text collate "binary",
    display_folded text collate "binary" not null,
    enabled bigint not null,
    synced bigint not null,
    deleted bigint not null,
    -- The whole observation as JSON, and its digest: equal digests are equal accounts.
    properties text not null,
    digest text not null,
    observed_round bigint not null,
    observed_at bigint not null,
    constraint accounts_pkey primary key (application_id, object_id)
);
create index accounts_upn_idx on accounts (application_id, upn_folded);
create index accounts_immutable_id_idx on accounts (application_id, immutable_id);
create index accounts_mail_idx on accounts (application_id, mail_folded);

create table role_holders (
    application_id text collate "binary" not null constraint role_holders_application_fkey references applications (id),
    object_id text collate "binary" not null,
    constraint role_holders_pkey primary key (application_id, object_id)
);

create table links (
    application_id text collate "binary" not null constraint links_application_fkey references applications (id),
    user_id text collate "binary" not null,
    object_id text collate "binary" not null,
    method text not null,
    linked_at bigint not null,
    constraint links_pkey primary key (application_id, user_id),
    constraint links_application_object_key unique (application_id, object_id)
);
create index links_user_idx on links (user_id);

create table ownership (
    application_id text collate "binary" not null constraint ownership_application_fkey references applications (id),
    object_id text collate "binary" not null,
    -- account, license, membership, attribute or block.
    kind text not null,
    key text not null,
    value text not null,
    since bigint not null,
    run_id text collate "binary",
    constraint ownership_pkey primary key (application_id, object_id, kind, key)
);

create table snapshots (
    run_id text collate "binary" not null,
    user_id text collate "binary" not null,
    application_id text collate "binary" not null constraint snapshots_application_fkey references applications (id),
    object_id text collate "binary" not null,
    -- The observation and what was owned, as JSON, before the run's first removal.
    body text not null,
    taken_at bigint not null,
    constraint snapshots_pkey primary key (run_id, user_id)
);
create index snapshots_user_idx on snapshots (application_id, user_id, taken_at);

create table provisioning (
    application_id text collate "binary" not null constraint provisioning_application_fkey references applications (id),
    user_id text collate "binary" not null,
    -- A user is looked at again while the two differ.
    revision bigint not null,
    settled_revision bigint not null,
    state text not null,
    removed_at bigint,
    last_outcome text,
    last_run text collate "binary",
    -- When an action was last applied; a plan made before is too old.
    applied_at bigint,
    attempts bigint not null,
    due_at bigint,
    desired_name text collate "binary",
    constraint provisioning_pkey primary key (application_id, user_id)
);
create index provisioning_dirty_idx on provisioning (application_id, user_id)
    where revision <> settled_revision;
create index provisioning_due_idx on provisioning (application_id, due_at)
    where due_at is not null;
create index provisioning_user_idx on provisioning (user_id);
create index provisioning_desired_name_idx on provisioning (application_id, desired_name);

create table decisions (
    application_id text collate "binary" not null constraint decisions_application_fkey references applications (id),
    user_id text collate "binary" not null,
    -- Empty: leave the user out.
    object_id text collate "binary" not null,
    decided_by text not null,
    decided_at bigint not null,
    constraint decisions_pkey primary key (application_id, user_id)
);

create table runs (
    id text collate "binary" not null constraint runs_pkey primary key,
    application_id text collate "binary" not null constraint runs_application_fkey references applications (id),
    run_trigger text not null,
    scope text not null,
    mode text not null,
    -- Empty: not limited to one user.
    only_user text collate "binary" not null,
    state text not null,
    requested_by text not null,
    approved_by text,
    approved_at bigint,
    users bigint not null,
    in_sync bigint not null,
    blocked bigint not null,
    actions bigint not null,
    removals bigint not null,
    applied bigint not null,
    failed bigint not null,
    skipped bigint not null,
    plan_hash text,
    -- The application's desired revision when planning began.
    plan_revision bigint,
    waits_for text,
    failure text,
    cancel_requested bigint not null,
    created_at bigint not null,
    started_at bigint,
    planned_at bigint,
    finished_at bigint,
    lease_holder text,
    lease_until bigint,
    heartbeat_at bigint,
    -- Counts claims: what an earlier holder still writes is refused.
    fence bigint not null
);
create index runs_application_idx on runs (application_id, id);
create index runs_state_idx on runs (state, id);
-- The same wish twice is one run.
create unique index runs_queued_key on runs (application_id, scope, mode, only_user)
    where state = 'queued' and approved_at is null;
-- One run at a time touches a tenant, whatever the number of processes.
create unique index runs_active_key on runs (application_id)
    where state in ('planning', 'applying');

create table plan_users (
    run_id text collate "binary" not null constraint plan_users_run_fkey references runs (id) on delete cascade,
    user_id text collate "binary" not null,
    display_name text not null,
    disposition text not null,
    -- The provisioning state that holds once the user's actions are done.
    state_after text not null,
    object_id text collate "binary",
    -- How the link is to be recorded; empty when there is nothing to record.
    link_method text,
    revision bigint not null,
    -- Ledger lines that the link brings, what adoption keeps, and what stands in the way, as JSON.
    owned text,
    kept text,
    blockers text,
    -- Whether a person has to choose.
    needs_choice bigint not null,
    removed_at bigint,
    due_at bigint,
    desired_name text collate "binary",
    actions bigint not null,
    -- Whether the outcome has reached the user's provisioning row.
    settled bigint not null,
    constraint plan_users_pkey primary key (run_id, user_id)
);
create index plan_users_blocked_idx on plan_users (run_id, user_id) where blockers is not null;
create index plan_users_user_idx on plan_users (user_id);

create table actions (
    run_id text collate "binary" not null constraint actions_run_fkey references runs (id) on delete cascade,
    sequence bigint not null,
    user_id text collate "binary" not null,
    object_id text collate "binary",
    kind text not null,
    body text not null,
    reason text not null,
    removal bigint not null,
    -- planned, sent, applied, failed or skipped.
    state text not null,
    -- Problems first: 0 failed, 1 skipped, 2 planned or sent, 3 applied.
    rank bigint not null,
    outcome text,
    request_id text,
    changed_at bigint not null,
    constraint actions_pkey primary key (run_id, sequence)
);
create index actions_rank_idx on actions (run_id, rank, sequence);
create index actions_user_idx on actions (run_id, user_id, sequence);
