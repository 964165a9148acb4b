-- What operators steer by hand: the schedule, dates of leaving, restoring, drift, and who waits.

-- How often a tenant is looked at, and read in full; nothing starts by itself while paused.
alter table applications add column look_minutes bigint not null default 60;
alter table applications add column full_hours bigint not null default 24;
alter table applications add column paused_at bigint;
alter table applications add column paused_by text;
-- Products given instead of others when those have no seat left: sku to list of skus, as JSON.
alter table applications add column fallbacks text not null default '{}';

-- Until then nothing is taken from the user's account.
alter table provisioning add column held_until bigint;
-- Since when the user waits for a seat: whoever waits is served before newcomers.
alter table provisioning add column waits_since bigint;
update provisioning set waits_since = 0 where last_outcome like '%"no_seats"%';
create index provisioning_waits_idx on provisioning (application_id, waits_since, user_id)
    where waits_since is not null;
create index provisioning_leavers_idx on provisioning (application_id, user_id)
    where removed_at is not null;

-- The wish to bring back what an account held, until a plan has done it.
create table restorations (
    application_id text collate "binary" not null constraint restorations_application_fkey references applications (id),
    user_id text collate "binary" not null,
    -- The run whose snapshot is brought back; empty: only out of Microsoft's deleted items.
    run_id text collate "binary" not null,
    -- The user's revision when it was asked for: an older plan does not fulfil it.
    revision bigint not null,
    asked_by text not null,
    asked_at bigint not null,
    constraint restorations_pkey primary key (application_id, user_id)
);

-- Attributes that somebody else changed in the tenant.
create table drifts (
    application_id text collate "binary" not null constraint drifts_application_fkey references applications (id),
    user_id text collate "binary" not null,
    attribute text collate "binary" not null,
    -- What Signpost last left there, and what was found; empty: nothing.
    ours text not null,
    tenant text not null,
    -- open, or what was decided: accept, revert or ignore.
    state text not null,
    found_at bigint not null,
    decided_by text,
    decided_at bigint,
    constraint drifts_pkey primary key (application_id, user_id, attribute)
);
create index drifts_state_idx on drifts (application_id, state, user_id, attribute);

-- An account that takes somebody's mail address is looked up by it.
create index users_mail_idx on users (lower(mail)) where deleted_at is null;
