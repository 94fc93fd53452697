//! The tables of `vault.db`, word for word as SQLite keeps them: a file with any other schema is not opened.
//!
//! Format 1 knew one cipher and summed up all rows in each transaction. Format 2 names the cipher of a data key, has room
//! for longer nonces and for more protectors, and keeps its log ahead of the file.

/// "PLVT": marks the file as a vault of ours.
pub(super) const APPLICATION_ID: i32 = 0x504C_5654;

/// The format this code writes; `user_version` of the file, and what it takes to read it.
pub(super) const FORMAT: u32 = 2;

/// The oldest format this code reads, and brings forward.
pub(super) const OLDEST: u32 = 1;

/// Status of a DEK that seals.
pub(super) const ACTIVE: i64 = 1;

/// Status of a DEK that only opens, while a rekey is under way.
pub(super) const OPENS_ONLY: i64 = 2;

/// Protector of slots by which the active DEK opens the one before it.
pub(super) const BY_DEK: &str = "dek";

/// Kind of a record that is a grant.
pub(super) const GRANT: i64 = 1;

/// Phase of an attempt that may have been sent.
pub(super) const BEGUN: i64 = 1;

/// Name and definition of a table.
pub(super) type Table = (&'static str, &'static str);

/// Every table, in the order of their names.
pub(super) const TABLES: [Table; 5] =
    [("attempt", ATTEMPT), ("dek", DEK), ("dek_slot", DEK_SLOT), ("token", TOKEN), ("vault", VAULT)];

/// The tables of format 1.
pub(super) const TABLES_1: [Table; 5] =
    [("attempt", ATTEMPT), ("dek", DEK_1), ("dek_slot", DEK_SLOT_1), ("token", TOKEN_1), ("vault", VAULT_1)];

const ATTEMPT: &str = "CREATE TABLE attempt(
  record_id BLOB PRIMARY KEY REFERENCES token(record_id) ON DELETE CASCADE,
  attempt_id BLOB NOT NULL CHECK(length(attempt_id)=16),
  from_seq INTEGER NOT NULL CHECK(from_seq>0),
  started_ms INTEGER NOT NULL,
  boot_id TEXT CHECK(length(boot_id)<=64),
  pid INTEGER,
  phase INTEGER NOT NULL CHECK(phase IN(1,2,3)),
  mac BLOB NOT NULL CHECK(length(mac)=32)
) STRICT, WITHOUT ROWID";

const DEK: &str = "CREATE TABLE dek(
  dek_id INTEGER PRIMARY KEY CHECK(dek_id BETWEEN 1 AND 2147483647),
  status INTEGER NOT NULL CHECK(status IN(1,2)),
  alg INTEGER NOT NULL,
  kcv BLOB NOT NULL CHECK(length(kcv)=16),
  created_at INTEGER NOT NULL
) STRICT";

const DEK_SLOT: &str = "CREATE TABLE dek_slot(
  dek_id INTEGER NOT NULL REFERENCES dek(dek_id) ON DELETE CASCADE,
  slot_id BLOB NOT NULL CHECK(length(slot_id)=16),
  protector TEXT NOT NULL CHECK(protector IN('os-keystore','portal','passphrase','recovery-code','tpm2','secure-enclave','dek')),
  kek_ref TEXT NOT NULL CHECK(length(kek_ref) BETWEEN 1 AND 256),
  alg INTEGER NOT NULL,
  params BLOB NOT NULL CHECK(length(params)<=1024),
  nonce BLOB NOT NULL CHECK(length(nonce) IN(12,24)),
  ct BLOB NOT NULL CHECK(length(ct)=48),
  PRIMARY KEY(dek_id,slot_id)
) STRICT, WITHOUT ROWID";

const TOKEN: &str = "CREATE TABLE token(
  record_id BLOB PRIMARY KEY CHECK(length(record_id)=16),
  kind INTEGER NOT NULL,
  dek_id INTEGER NOT NULL REFERENCES dek(dek_id),
  alg INTEGER NOT NULL,
  seq INTEGER NOT NULL CHECK(seq>0),
  nonce BLOB NOT NULL CHECK(length(nonce) IN(12,24)),
  ct BLOB NOT NULL CHECK(length(ct) BETWEEN 272 AND 66000)
) STRICT, WITHOUT ROWID";

const VAULT: &str = "CREATE TABLE vault(
  id INTEGER PRIMARY KEY CHECK(id=1),
  vault_id BLOB NOT NULL CHECK(length(vault_id)=16),
  format INTEGER NOT NULL,
  epoch INTEGER NOT NULL CHECK(epoch>0),
  dek_id INTEGER NOT NULL REFERENCES dek(dek_id),
  state_nonce BLOB NOT NULL CHECK(length(state_nonce) IN(12,24)),
  state_ct BLOB NOT NULL CHECK(length(state_ct) BETWEEN 272 AND 1040)
) STRICT";

const DEK_1: &str = "CREATE TABLE dek(
  dek_id INTEGER PRIMARY KEY CHECK(dek_id BETWEEN 1 AND 2147483647),
  status INTEGER NOT NULL CHECK(status IN(1,2)),
  kcv BLOB NOT NULL CHECK(length(kcv)=16),
  created_at INTEGER NOT NULL
) STRICT";

const DEK_SLOT_1: &str = "CREATE TABLE dek_slot(
  dek_id INTEGER NOT NULL REFERENCES dek(dek_id) ON DELETE CASCADE,
  slot_id BLOB NOT NULL CHECK(length(slot_id)=16),
  protector TEXT NOT NULL CHECK(protector IN('os-keystore','portal','passphrase','tpm2','secure-enclave')),
  kek_ref TEXT NOT NULL CHECK(length(kek_ref) BETWEEN 1 AND 256),
  alg INTEGER NOT NULL,
  params BLOB NOT NULL CHECK(length(params)<=1024),
  nonce BLOB NOT NULL CHECK(length(nonce)=12),
  ct BLOB NOT NULL CHECK(length(ct)=48),
  PRIMARY KEY(dek_id,slot_id)
) STRICT, WITHOUT ROWID";

const TOKEN_1: &str = "CREATE TABLE token(
  record_id BLOB PRIMARY KEY CHECK(length(record_id)=16),
  kind INTEGER NOT NULL,
  dek_id INTEGER NOT NULL REFERENCES dek(dek_id),
  alg INTEGER NOT NULL,
  seq INTEGER NOT NULL CHECK(seq>0),
  nonce BLOB NOT NULL CHECK(length(nonce)=12),
  ct BLOB NOT NULL CHECK(length(ct) BETWEEN 272 AND 66000)
) STRICT, WITHOUT ROWID";

const VAULT_1: &str = "CREATE TABLE vault(
  id INTEGER PRIMARY KEY CHECK(id=1),
  vault_id BLOB NOT NULL CHECK(length(vault_id)=16),
  format INTEGER NOT NULL,
  epoch INTEGER NOT NULL CHECK(epoch>0),
  dek_id INTEGER NOT NULL REFERENCES dek(dek_id),
  state_nonce BLOB NOT NULL CHECK(length(state_nonce)=12),
  state_ct BLOB NOT NULL CHECK(length(state_ct) BETWEEN 272 AND 1040)
) STRICT";
