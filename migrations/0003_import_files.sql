-- The file of an import in pieces, as base64: kept until a day after the import ended, so that
-- columns can be corrected and refused rows given back.
create table import_files (
  import_id text collate "binary" not null references imports (id) on delete cascade,
  piece bigint not null,
  content text not null,
  constraint import_files_pkey primary key (import_id, piece)
);
