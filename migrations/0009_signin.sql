-- Signing in: who owes a second factor by group, whose picture the login page shows, and mail.

-- What a group's members owe, in place of what the application says of everybody.
create table sign_on_group_policies (
    application_id text collate "binary" not null
        constraint sign_on_group_policies_application_fkey references applications (id),
    group_id text collate "binary" not null
        constraint sign_on_group_policies_group_fkey references groups (id) on delete cascade,
    factor_policy text not null,
    created_at bigint not null,
    constraint sign_on_group_policies_pkey primary key (application_id, group_id)
);
create index sign_on_group_policies_group_idx on sign_on_group_policies (group_id);

create table sign_on_logos (
    application_id text collate "binary" not null constraint sign_on_logos_pkey primary key
        constraint sign_on_logos_application_fkey references applications (id),
    -- A PNG that the program made of what was uploaded, as base64.
    body text not null,
    -- Names these bytes: browsers keep them for good under it.
    digest text not null,
    width bigint not null,
    height bigint not null,
    updated_at bigint not null
);

-- One row at most: the server that takes our mail.
create table mail_settings (
    id text primary key not null,
    host text not null,
    port bigint not null,
    -- tls, starttls or none; none on this machine only.
    security text not null,
    user_name text not null,
    password_sealed text,
    password_saved_at bigint,
    sender text not null,
    -- Whether people who forgot their password may have a link mailed.
    mails_resets bigint not null,
    updated_at bigint not null,
    version bigint not null
);

-- Mail on its way, and for some weeks what became of it.
create table mails (
    id text collate "binary" primary key not null,
    -- test, invitation or reset.
    kind text not null,
    user_id text collate "binary" constraint mails_user_fkey references users (id) on delete cascade,
    recipient text not null,
    subject text not null,
    -- Holds links that set a password: gone once the mail is sent or given up.
    body_sealed text,
    -- waiting, sent or failed.
    state text not null,
    tries bigint not null,
    -- Not before; moved on by whoever sends it now, so that nobody else does.
    next_at bigint not null,
    expires_at bigint not null,
    problem text not null,
    created_at bigint not null,
    ended_at bigint
);
create index mails_waiting_idx on mails (next_at, id) where state = 'waiting';
create index mails_created_idx on mails (created_at, id);
create index mails_user_idx on mails (user_id, created_at);

-- What people typed who forgot their password: known or not, all wait in the same line.
create table password_requests (
    id text collate "binary" primary key not null,
    user_name_sealed text not null,
    address text not null,
    created_at bigint not null
);
create index password_requests_created_idx on password_requests (created_at, id);
