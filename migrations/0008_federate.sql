-- Federating a domain: whom it may leave behind, who signs people in, what was checked, and the
-- time in which it has to be confirmed.

-- Accounts that may stay as they are: they cannot sign in once the domain is federated.
create table immutable_id_waivers (
    application_id text collate "binary" not null
        constraint immutable_id_waivers_application_fkey references applications (id),
    object_id text collate "binary" not null,
    -- The account's name then.
    user_name text not null,
    waived_by text not null,
    waived_at bigint not null,
    constraint immutable_id_waivers_pkey primary key (application_id, object_id)
);

-- Another identity provider instead of Signpost's own.
create table identity_providers (
    application_id text collate "binary" not null constraint identity_providers_pkey primary key
        constraint identity_providers_application_fkey references applications (id),
    issuer text not null,
    sign_in text not null,
    sign_out text not null,
    -- Empty, each: none.
    active_sign_in text not null,
    metadata_exchange text not null,
    -- DER as base64.
    certificate text not null,
    next_certificate text not null,
    updated_at bigint not null,
    version bigint not null
);

-- What was found when it was last looked whether the domain can be federated, as JSON.
create table federation_checks (
    application_id text collate "binary" not null constraint federation_checks_pkey primary key
        constraint federation_checks_application_fkey references applications (id),
    results text not null,
    checked_at bigint not null
);

-- Domains that Signpost federated by itself.
create table federations (
    application_id text collate "binary" not null constraint federations_pkey primary key
        constraint federations_application_fkey references applications (id),
    domain text not null,
    -- The provider's: a domain that has another one is somebody else's.
    issuer text not null,
    -- confirming, confirmed or reverted.
    state text not null,
    run_id text collate "binary" not null,
    tester text not null,
    federated_at bigint not null,
    confirm_until bigint not null,
    confirmed_at bigint,
    confirmed_by text,
    reverted_at bigint,
    -- Who was the last to get a token from Signpost before it was confirmed: the tester, if they came.
    signed_in_as text,
    signed_in_at bigint,
    -- Why the last attempt to revert did not succeed.
    trouble text,
    -- No attempt to revert by itself before.
    retry_at bigint not null,
    attempts bigint not null,
    constraint federations_state_check check (state in ('confirming', 'confirmed', 'reverted'))
);
create index federations_overdue_idx on federations (confirm_until) where state = 'confirming';

-- Since when a key signs, and when somebody first signed in by it.
alter table signing_keys add column switched_at bigint;
alter table signing_keys add column used_at bigint;
