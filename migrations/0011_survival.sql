-- A row that nothing depends on: writing to it shows whether the database can be written.
insert into locks (name, taken) values ('health', 0);

-- What was sent to a tenant and never answered, nor could be read back in the same run: it may have
-- happened. Looked up in what the tenant shows before its user is planned again.
create table unanswered (
    application_id text collate "binary" not null constraint unanswered_application_fkey references applications (id),
    user_id text collate "binary" not null,
    run_id text collate "binary" not null,
    sequence bigint not null,
    body text not null,
    constraint unanswered_pkey primary key (application_id, user_id, run_id, sequence)
);
