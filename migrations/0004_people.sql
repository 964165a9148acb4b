-- Users' own sign-in: what they prove themselves with, and where they are signed in.

create table sign_on_settings (
    application_id text collate "binary" not null constraint sign_on_settings_pkey primary key
        constraint sign_on_settings_application_fkey references applications (id),
    protocol text not null,
    mfa_behavior text not null,
    factor_policy text not null,
    -- For how long a device may go without the second factor; 0 for none.
    device_days bigint not null,
    title text not null,
    colour text not null,
    updated_at bigint not null,
    version bigint not null
);

create table user_credentials (
    user_id text collate "binary" not null constraint user_credentials_pkey primary key
        constraint user_credentials_user_fkey references users (id) on delete cascade,
    password_hash text,
    password_changed_at bigint,
    -- Sealed, both. The pending one becomes the seed when a code of it was entered.
    totp_seed_sealed text,
    totp_pending_seed_sealed text,
    totp_confirmed_at bigint,
    -- The last time step whose code was used: no code works twice.
    totp_last_step bigint,
    -- Counts new passwords and factors: a sign-in that began before one starts over.
    version bigint not null
);

create table user_recovery_codes (
    user_id text collate "binary" not null
        constraint user_recovery_codes_user_fkey references users (id) on delete cascade,
    code_hash text not null,
    used_at bigint,
    constraint user_recovery_codes_pkey primary key (user_id, code_hash)
);

create table passkeys (
    id text collate "binary" not null constraint passkeys_pkey primary key,
    user_id text collate "binary" not null
        constraint passkeys_user_fkey references users (id) on delete cascade,
    -- What the authenticator calls it, as base64.
    credential_id text collate "binary" not null constraint passkeys_credential_key unique,
    -- The public key and its counter, as JSON. No secret is in it.
    body text not null,
    name text not null,
    created_at bigint not null,
    used_at bigint
);
create index passkeys_user_idx on passkeys (user_id, created_at);

-- Links that let a user set a password once: an invitation, or a forgotten password.
create table one_time_links (
    token_hash text collate "binary" not null constraint one_time_links_pkey primary key,
    -- One at a time: a new one ends the one before.
    user_id text collate "binary" not null constraint one_time_links_user_key unique
        constraint one_time_links_user_fkey references users (id) on delete cascade,
    purpose text not null,
    created_at bigint not null,
    expires_at bigint not null
);

create table user_sessions (
    id_hash text collate "binary" not null constraint user_sessions_pkey primary key,
    -- The public name, by which its owner may end it.
    key text collate "binary" not null constraint user_sessions_key_key unique,
    user_id text collate "binary" not null
        constraint user_sessions_user_fkey references users (id) on delete cascade,
    address text not null,
    user_agent text not null,
    -- When the user proved who they are, and when by a second factor in this session.
    authenticated_at bigint not null,
    factor_at bigint,
    created_at bigint not null,
    seen_at bigint not null,
    idle_expires_at bigint not null,
    expires_at bigint not null
);
create index user_sessions_user_idx on user_sessions (user_id, seen_at);
create index user_sessions_expires_idx on user_sessions (expires_at);

-- Devices that need no second factor for some days.
create table remembered_devices (
    token_hash text collate "binary" not null constraint remembered_devices_pkey primary key,
    key text collate "binary" not null constraint remembered_devices_key_key unique,
    user_id text collate "binary" not null
        constraint remembered_devices_user_fkey references users (id) on delete cascade,
    user_agent text not null,
    created_at bigint not null,
    expires_at bigint not null
);
create index remembered_devices_user_idx on remembered_devices (user_id, created_at);

-- Requests that wait for somebody to sign in: one request, one answer.
create table sign_ins (
    id_hash text collate "binary" not null constraint sign_ins_pkey primary key,
    -- Null: for the user's own page.
    application_id text collate "binary"
        constraint sign_ins_application_fkey references applications (id),
    -- The request as JSON; empty once it was answered.
    request text not null,
    -- The id that the asker gave its message, where the protocol has one.
    message_id text collate "binary",
    -- The browser that may go on with it; null until one has come.
    browser_hash text collate "binary",
    -- Who gave the right password in it and owes a second factor.
    user_id text collate "binary"
        constraint sign_ins_user_fkey references users (id) on delete cascade,
    authenticated_at bigint,
    credentials_version bigint not null,
    -- A challenge to a passkey, as JSON.
    challenge text,
    created_at bigint not null,
    expires_at bigint not null,
    finished_at bigint
);
create index sign_ins_browser_idx on sign_ins (browser_hash);
create index sign_ins_message_idx on sign_ins (application_id, message_id);
create index sign_ins_created_idx on sign_ins (created_at);
create index sign_ins_expires_idx on sign_ins (expires_at);
