-- A change of settings concerns everyone, and waits for Sync Users or the schedule: a user whose
-- revision is not beyond this one starts no run.
alter table provisioning add column quiet_revision bigint not null default 0;
