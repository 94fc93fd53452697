-- A store as the first release made and left it, for the test of its migration.
PRAGMA journal_mode = WAL;
PRAGMA user_version = 1;

CREATE TABLE keys (
    one     INTEGER PRIMARY KEY CHECK (one = 1),
    mac     BLOB NOT NULL,
    signing BLOB NOT NULL
) STRICT;

CREATE TABLE users (
    subject       TEXT PRIMARY KEY,
    name          TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE clients (
    id            TEXT PRIMARY KEY,
    name          TEXT NOT NULL,
    redirect_uris TEXT NOT NULL,    -- one a line
    secret_hash   BLOB
) STRICT, WITHOUT ROWID;

CREATE TABLE grants (
    id             BLOB PRIMARY KEY,
    subject        TEXT NOT NULL,
    client         TEXT NOT NULL,
    scope          TEXT NOT NULL,
    created_at     INTEGER NOT NULL,
    ends_at        INTEGER,
    generation     INTEGER NOT NULL,
    rotated_at     INTEGER NOT NULL,
    last_key       BLOB,            -- SHA-256 of the Idempotency-Key of the last rotation
    previous_key   BLOB,            -- and of the one before
    revoked_at     INTEGER,
    revoked_reason TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE codes (
    hash         BLOB PRIMARY KEY,
    client       TEXT NOT NULL,
    redirect_uri TEXT NOT NULL,
    challenge    TEXT NOT NULL,
    nonce        TEXT,
    subject      TEXT NOT NULL,
    scope        TEXT NOT NULL,
    signed_in_at INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    spent        INTEGER NOT NULL,
    grant_id     BLOB
) STRICT, WITHOUT ROWID;

INSERT INTO keys VALUES (1, x'5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a', x'a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5');
INSERT INTO grants VALUES
    (x'01010101010101010101010101010101', 'ada', 'app', 'openid', 1000, NULL, 3, 2000,
     x'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',
     x'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb', NULL, NULL),
    (x'02020202020202020202020202020202', 'ada', 'app', 'openid', 1000, 5000, 0, 2000, NULL, NULL, 3000, 'reuse');
