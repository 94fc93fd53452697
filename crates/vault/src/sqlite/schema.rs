//! The tables of `vault.db`, word for word as SQLite keeps them: a file with any other schema is not opened.

/// "PLVT": marks the file as a vault of ours.
pub(super) const APPLICATION_ID: i32 = 0x504C_5654;

/// The format this code writes; `user_version` of the file.
pub(super) const FORMAT: u32 = 1;

/// The oldest format this code reads.
pub(super) const MIN_FORMAT: u32 = 1;

/// Status of a DEK that seals; 2 will be one that only opens.
pub(super) const ACTIVE: i64 = 1;

/// Kind of a record that is a grant.
pub(super) const GRANT: i64 = 1;

/// Phase of an attempt that may have been sent.
pub(super) const BEGUN: i64 = 1;

/// Name and definition of every table.
pub(super) const TABLES: [(&str, &str); 5] = [
    (
        "attempt",
        "CREATE TABLE attempt(
  record_id BLOB PRIMARY KEY REFERENCES token(record_id) ON DELETE CASCADE,
  attempt_id BLOB NOT NULL CHECK(length(attempt_id)=16),
  from_seq INTEGER NOT NULL CHECK(from_seq>0),
  started_ms INTEGER NOT NULL,
  boot_id TEXT CHECK(length(boot_id)<=64),
  pid INTEGER,
  phase INTEGER NOT NULL CHECK(phase IN(1,2,3)),
  mac BLOB NOT NULL CHECK(length(mac)=32)
) STRICT, WITHOUT ROWID",
    ),
    (
        "dek",
        "CREATE TABLE dek(
  dek_id INTEGER PRIMARY KEY CHECK(dek_id BETWEEN 1 AND 2147483647),
  status INTEGER NOT NULL CHECK(status IN(1,2)),
  kcv BLOB NOT NULL CHECK(length(kcv)=16),
  created_at INTEGER NOT NULL
) STRICT",
    ),
    (
        "dek_slot",
        "CREATE TABLE dek_slot(
  dek_id INTEGER NOT NULL REFERENCES dek(dek_id) ON DELETE CASCADE,
  slot_id BLOB NOT NULL CHECK(length(slot_id)=16),
  protector TEXT NOT NULL CHECK(protector IN('os-keystore','portal','passphrase','tpm2','secure-enclave')),
  kek_ref TEXT NOT NULL CHECK(length(kek_ref) BETWEEN 1 AND 256),
  alg INTEGER NOT NULL,
  params BLOB NOT NULL CHECK(length(params)<=1024),
  nonce BLOB NOT NULL CHECK(length(nonce)=12),
  ct BLOB NOT NULL CHECK(length(ct)=48),
  PRIMARY KEY(dek_id,slot_id)
) STRICT, WITHOUT ROWID",
    ),
    (
        "token",
        "CREATE TABLE token(
  record_id BLOB PRIMARY KEY CHECK(length(record_id)=16),
  kind INTEGER NOT NULL,
  dek_id INTEGER NOT NULL REFERENCES dek(dek_id),
  alg INTEGER NOT NULL,
  seq INTEGER NOT NULL CHECK(seq>0),
  nonce BLOB NOT NULL CHECK(length(nonce)=12),
  ct BLOB NOT NULL CHECK(length(ct) BETWEEN 272 AND 66000)
) STRICT, WITHOUT ROWID",
    ),
    (
        "vault",
        "CREATE TABLE vault(
  id INTEGER PRIMARY KEY CHECK(id=1),
  vault_id BLOB NOT NULL CHECK(length(vault_id)=16),
  format INTEGER NOT NULL,
  epoch INTEGER NOT NULL CHECK(epoch>0),
  dek_id INTEGER NOT NULL REFERENCES dek(dek_id),
  state_nonce BLOB NOT NULL CHECK(length(state_nonce)=12),
  state_ct BLOB NOT NULL CHECK(length(state_ct) BETWEEN 272 AND 1040)
) STRICT",
    ),
];
