-- Links that let an operator choose a password once: a new operator, or one who is helped back in.

create table operator_links (
    token_hash text collate "binary" not null constraint operator_links_pkey primary key,
    -- One at a time: a new one ends the one before.
    operator_id text not null constraint operator_links_operator_key unique
        constraint operator_links_operator_fkey references operators (id) on delete cascade,
    created_at bigint not null,
    expires_at bigint not null
);
create index operator_links_expires_idx on operator_links (expires_at);
