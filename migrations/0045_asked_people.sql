-- Accounts whose per-user MFA was read are searched and sorted by name, and counted by state.
alter table mfa_states add column name_folded text collate "binary" not null default '';
update mfa_states set name_folded = lower(name);
create index mfa_states_name_idx on mfa_states (application_id, name_folded, object_id);
create index mfa_states_tally_idx on mfa_states (application_id, state, administrator);
