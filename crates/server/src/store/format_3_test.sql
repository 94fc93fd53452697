-- A store of format 3 with one row of each kind that format 4 changed, for the test of its migration.
PRAGMA journal_mode = WAL;
PRAGMA user_version = 3;

CREATE TABLE newest_key (           -- which of the server's keys was the newest when it last started; not the key itself
    one         INTEGER PRIMARY KEY CHECK (one = 1),
    version     INTEGER NOT NULL,
    fingerprint BLOB NOT NULL
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
    secret_hash   BLOB,
    own_scope     TEXT,             -- what it may do in its own name
    settings      TEXT NOT NULL     -- with spaces between them
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
    revoked_at     INTEGER,
    revoked_reason TEXT,
    keys           BLOB NOT NULL,   -- of the last rotations, the newest first: 1 and half of SHA-256 of the Idempotency-Key, or 0
    uses           INTEGER,
    answer_lost    INTEGER NOT NULL
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

CREATE TABLE devices (              -- requests of devices, which a person answers elsewhere
    name         BLOB PRIMARY KEY,  -- SHA-256 of the user's code
    hash         BLOB NOT NULL,     -- SHA-256 of the device's code
    client       TEXT NOT NULL,
    scope        TEXT NOT NULL,
    expires_at   INTEGER NOT NULL,
    interval     INTEGER NOT NULL,  -- seconds
    polled_at    INTEGER,
    denied       INTEGER NOT NULL,
    subject      TEXT,
    signed_in_at INTEGER,
    grant_id     BLOB
) STRICT, WITHOUT ROWID;

CREATE TABLE pushed (               -- pushed authorization requests
    hash       BLOB PRIMARY KEY,    -- SHA-256 of the request_uri
    client     TEXT NOT NULL,
    request    TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO users VALUES ('1', 'ada', 'hash');
INSERT INTO clients VALUES ('app', 'App', 'http://127.0.0.1/callback', NULL, NULL, 'device');
INSERT INTO grants VALUES
    (x'01010101010101010101010101010101', '1', 'app', 'openid', 1000, NULL, 3, 2000, NULL, NULL, x'00', 9, 1);
INSERT INTO codes VALUES
    (x'0505050505050505050505050505050505050505050505050505050505050505', 'app', 'http://127.0.0.1/callback', 'c', 'n',
     '1', 'openid', 1000, 61000, 0, NULL);
INSERT INTO devices VALUES
    (x'0707070707070707070707070707070707070707070707070707070707070707',
     x'0808080808080808080808080808080808080808080808080808080808080808', 'app', 'openid', 601000, 5, NULL, 0, NULL, NULL, NULL);
