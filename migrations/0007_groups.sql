-- Groups of the directory that an application pushes into its tenant, and the tenant's groups.

-- A license that goes to a pushed group can be given by the group itself.
alter table grants add column by_group bigint not null default 0;

create table pushed_groups (
    application_id text collate "binary" not null constraint pushed_groups_application_fkey references applications (id),
    group_id text collate "binary" not null,
    -- The tenant's group; null until it is created or linked.
    object_id text collate "binary",
    -- Whether Signpost created it.
    created bigint not null,
    -- 0: no longer chosen; the row goes when what was to be done is done.
    wanted bigint not null,
    -- keep, remove_members or delete_group.
    on_removal text not null,
    -- Empty, create or leave_out: what was chosen where the tenant knows the name already.
    decision text not null,
    -- What the directory said when the tenant's group was last brought to it.
    written_name text not null,
    written_description text not null,
    -- When the members of the tenant's group were read; null: they are not known.
    members_read_at bigint,
    -- The group is looked at again while the two differ.
    revision bigint not null,
    settled_revision bigint not null,
    -- What operators choose waits for Sync Users or the schedule: a revision that is not beyond
    -- this one starts no run.
    quiet_revision bigint not null default 0,
    state text not null,
    -- JSON: what stands in the way, and what the last run did.
    blockers text,
    last_outcome text,
    last_run text collate "binary",
    attempts bigint not null,
    due_at bigint,
    chosen_at bigint not null,
    chosen_by text not null,
    constraint pushed_groups_pkey primary key (application_id, group_id)
);
create index pushed_groups_group_idx on pushed_groups (group_id);
create unique index pushed_groups_object_key on pushed_groups (application_id, object_id)
    where object_id is not null;

create table tenant_groups (
    application_id text collate "binary" not null constraint tenant_groups_application_fkey references applications (id),
    object_id text collate "binary" not null,
    name_folded text collate "binary" not null,
    mail_nickname text collate "binary" not null,
    -- The whole group as JSON.
    properties text not null,
    observed_round bigint not null,
    constraint tenant_groups_pkey primary key (application_id, object_id)
);
create index tenant_groups_name_idx on tenant_groups (application_id, name_folded, object_id);
create index tenant_groups_nickname_idx on tenant_groups (application_id, mail_nickname);

-- Only of groups that are pushed.
create table tenant_members (
    application_id text collate "binary" not null constraint tenant_members_application_fkey references applications (id),
    group_object_id text collate "binary" not null,
    member_object_id text collate "binary" not null,
    observed_round bigint not null,
    constraint tenant_members_pkey primary key (application_id, group_object_id, member_object_id)
);

create table group_readings (
    application_id text collate "binary" not null constraint group_readings_pkey primary key
        constraint group_readings_application_fkey references applications (id),
    -- Carries Microsoft's token in its address, so it is sealed like a secret.
    delta_link_sealed text,
    round bigint not null,
    read_at bigint
);

create table plan_groups (
    run_id text collate "binary" not null constraint plan_groups_run_fkey references runs (id) on delete cascade,
    group_id text collate "binary" not null,
    name text not null,
    revision bigint not null,
    state_after text not null,
    blockers text,
    -- Whether the row of the group goes once its actions are done.
    ends bigint not null,
    actions bigint not null,
    settled bigint not null,
    constraint plan_groups_pkey primary key (run_id, group_id)
);

-- Memberships that Signpost gave and somebody else took back.
create table membership_drifts (
    application_id text collate "binary" not null constraint membership_drifts_application_fkey references applications (id),
    group_id text collate "binary" not null,
    user_id text collate "binary" not null,
    -- open, or what was decided: accept, revert or ignore.
    state text not null,
    found_at bigint not null,
    decided_by text,
    decided_at bigint,
    constraint membership_drifts_pkey primary key (application_id, group_id, user_id)
);
create index membership_drifts_state_idx on membership_drifts (application_id, state, user_id, group_id);

create index ownership_membership_idx on ownership (application_id, key, object_id)
    where kind = 'membership';

create index tenant_actions_subject_idx on tenant_actions (run_id, subject_kind, subject_id, sequence);
