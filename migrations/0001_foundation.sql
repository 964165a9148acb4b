-- Valid on SQLite and PostgreSQL. Ids are UUIDv7 as text, times milliseconds UTC, booleans 0 or 1.
-- Sort and search columns are folded by the program and compared by bytes ("binary").

create table settings (
  key text primary key not null,
  value text not null,
  updated_at bigint not null
);

-- Rows that transactions update to take their turn where a rule spans several rows.
create table locks (
  name text primary key not null,
  taken bigint not null
);
insert into locks (name, taken) values ('owners', 0), ('managers', 0);

-- How many rows of a table are not deleted, kept by those who change it: a list of 100,000 shows
-- its total without counting.
create table counts (
  name text primary key not null,
  value bigint not null
);
insert into counts (name, value) values ('users', 0), ('groups', 0);

create table operators (
  id text primary key not null,
  email text not null,
  email_folded text not null,
  name text not null,
  role text not null,
  password_hash text not null,
  -- Sealed, both. The pending one becomes the seed when a code of it was entered.
  totp_seed_sealed text,
  totp_pending_seed_sealed text,
  totp_confirmed_at bigint,
  -- The last time step whose code was used: no code works twice.
  totp_last_step bigint,
  disabled_at bigint,
  created_at bigint not null,
  signed_in_at bigint,
  version bigint not null,
  constraint operators_role_check check (role in ('owner', 'administrator', 'auditor'))
);
create unique index operators_email_key on operators (email_folded);

create table recovery_codes (
  operator_id text not null references operators (id) on delete cascade,
  code_hash text not null,
  used_at bigint,
  constraint recovery_codes_pkey primary key (operator_id, code_hash)
);

create table sessions (
  id_hash text primary key not null,
  -- The public name, by which its owner may end it.
  key text not null,
  operator_id text references operators (id) on delete cascade,
  address text not null,
  user_agent text not null,
  record text not null,
  created_at bigint not null,
  seen_at bigint not null,
  idle_expires_at bigint not null,
  expires_at bigint not null
);
create unique index sessions_key_key on sessions (key);
create index sessions_operator_idx on sessions (operator_id, seen_at);
create index sessions_expires_idx on sessions (expires_at);

create table throttles (
  key text primary key not null,
  failures bigint not null,
  blocked_until bigint not null,
  updated_at bigint not null
);
create index throttles_updated_idx on throttles (updated_at);

create table audit_heads (
  id bigint primary key not null,
  sequence bigint not null,
  hash text not null
);
insert into audit_heads (id, sequence, hash) values (1, 0, '');

create table audit_events (
  sequence bigint not null,
  at bigint not null,
  actor_kind text not null,
  actor_id text,
  actor_name text not null,
  action text not null,
  subject_kind text not null,
  subject_id text not null,
  subject_name text not null,
  before_json text,
  after_json text,
  address text,
  search text not null,
  hash text not null,
  constraint audit_events_pkey primary key (sequence)
);
create index audit_events_subject_idx on audit_events (subject_kind, subject_id, sequence);
create index audit_events_actor_idx on audit_events (actor_id, sequence);
create index audit_events_action_idx on audit_events (action, sequence);

create table users (
  id text collate "binary" primary key not null,
  source_anchor text not null,
  source text not null,
  user_name text not null,
  user_name_folded text collate "binary" not null,
  display_name text not null,
  display_name_folded text collate "binary" not null,
  given_name text not null,
  surname text not null,
  mail text not null,
  job_title text not null,
  department text not null,
  department_folded text collate "binary" not null,
  company_name text not null,
  office_location text not null,
  mobile_phone text not null,
  business_phone text not null,
  street_address text not null,
  city text not null,
  state text not null,
  postal_code text not null,
  country text not null,
  usage_location text not null,
  preferred_language text not null,
  employee_id text not null,
  -- Deferred, since an import brings people before those they report to.
  manager_id text references users (id) deferrable initially deferred,
  -- Folded, cut to 500 bytes.
  search text not null,
  enabled bigint not null,
  created_at bigint not null,
  updated_at bigint not null,
  deleted_at bigint,
  version bigint not null
);
create unique index users_source_anchor_key on users (source_anchor);
create unique index users_user_name_key on users (user_name_folded) where deleted_at is null;
-- With the search text, so that a search reads the index alone until a row fits.
create index users_display_name_idx on users (display_name_folded, id, search) where deleted_at is null;
create index users_disabled_idx on users (display_name_folded, id) where enabled = 0 and deleted_at is null;
create index users_source_idx on users (source, display_name_folded, id) where deleted_at is null;
create index users_department_idx on users (department_folded, id) where deleted_at is null;
create index users_updated_idx on users (updated_at, id) where deleted_at is null;
create index users_manager_idx on users (manager_id);
create index users_deleted_user_name_idx on users (user_name_folded) where deleted_at is not null;
create index users_deleted_idx on users (deleted_at, id) where deleted_at is not null;

create table groups (
  id text collate "binary" primary key not null,
  name text not null,
  name_folded text collate "binary" not null,
  description text not null,
  search text not null,
  created_at bigint not null,
  updated_at bigint not null,
  deleted_at bigint,
  version bigint not null
);
create unique index groups_name_key on groups (name_folded) where deleted_at is null;
create index groups_deleted_idx on groups (deleted_at, id) where deleted_at is not null;

create table memberships (
  group_id text collate "binary" not null references groups (id) on delete cascade,
  user_id text collate "binary" not null references users (id) on delete cascade,
  created_at bigint not null,
  constraint memberships_pkey primary key (group_id, user_id)
);
create index memberships_user_idx on memberships (user_id, group_id);

-- An uploaded file: its rows as read, then what they would do, then done.
create table imports (
  id text collate "binary" primary key not null,
  file_name text not null,
  -- reading, checked, applied or discarded.
  state text not null,
  -- How columns were understood, as the page wrote it.
  mapping text not null,
  creates bigint not null,
  updates bigint not null,
  unchanged bigint not null,
  refused bigint not null,
  created_by text not null,
  created_at bigint not null,
  ended_at bigint
);
create index imports_created_idx on imports (created_at, id);

-- Apart from the import, whose row an applying transaction holds.
create table import_progress (
  import_id text collate "binary" primary key not null references imports (id) on delete cascade,
  done bigint not null,
  total bigint not null
);

create table import_rows (
  import_id text collate "binary" not null references imports (id) on delete cascade,
  line bigint not null,
  user_name text not null,
  user_name_folded text collate "binary" not null,
  display_name text not null,
  -- Who gets this id if nobody has the user name yet.
  new_user_id text collate "binary" not null,
  source_anchor text not null,
  user_id text collate "binary" not null,
  -- What the row says, as JSON; null when it cannot be read as a user.
  input text,
  -- The fields of a refused row as they stand in the file, as JSON.
  original text,
  outcome text not null,
  reasons text not null,
  changes text not null,
  constraint import_rows_pkey primary key (import_id, line)
);
create index import_rows_outcome_idx on import_rows (import_id, outcome, line);
create index import_rows_user_name_idx on import_rows (import_id, user_name_folded);

-- Users as they will be.
create table import_users (
  import_id text collate "binary" not null references imports (id) on delete cascade,
  line bigint not null,
  user_id text collate "binary" not null,
  -- 0 for a new user.
  version bigint not null,
  source_anchor text not null,
  enabled bigint not null,
  manager_id text collate "binary",
  user_name text not null,
  display_name text not null,
  given_name text not null,
  surname text not null,
  mail text not null,
  job_title text not null,
  department text not null,
  company_name text not null,
  office_location text not null,
  mobile_phone text not null,
  business_phone text not null,
  street_address text not null,
  city text not null,
  state text not null,
  postal_code text not null,
  country text not null,
  usage_location text not null,
  preferred_language text not null,
  employee_id text not null,
  user_name_folded text collate "binary" not null,
  display_name_folded text collate "binary" not null,
  department_folded text collate "binary" not null,
  search text not null,
  constraint import_users_pkey primary key (import_id, line)
);

create table import_groups (
  import_id text collate "binary" not null references imports (id) on delete cascade,
  name_folded text collate "binary" not null,
  name text not null,
  group_id text collate "binary" not null,
  constraint import_groups_pkey primary key (import_id, name_folded)
);

create table import_memberships (
  import_id text collate "binary" not null references imports (id) on delete cascade,
  line bigint not null,
  name_folded text collate "binary" not null,
  user_id text collate "binary" not null,
  constraint import_memberships_pkey primary key (import_id, line, name_folded)
);
