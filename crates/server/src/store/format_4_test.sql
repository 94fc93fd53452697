-- A store of format 4 with a grant that is bound and one that is over, for the test of its migration.
PRAGMA journal_mode = WAL;
PRAGMA user_version = 4;

CREATE TABLE newest_key (
    one         INTEGER PRIMARY KEY CHECK (one = 1),
    version     INTEGER NOT NULL,
    fingerprint BLOB NOT NULL
) STRICT;

CREATE TABLE users (
    subject        TEXT PRIMARY KEY,
    name           TEXT NOT NULL UNIQUE,
    password_hash  TEXT NOT NULL,
    totp           BLOB,
    totp_last_step INTEGER,
    locale         TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE clients (
    id            TEXT PRIMARY KEY,
    name          TEXT NOT NULL,
    redirect_uris TEXT NOT NULL,
    secret_hash   BLOB,
    own_scope     TEXT,
    settings      TEXT NOT NULL,
    resources     TEXT,
    post_logout_uris TEXT
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
    keys           BLOB NOT NULL,
    uses           INTEGER,
    answer_lost    INTEGER NOT NULL,
    bound_to       BLOB,
    resources      TEXT,
    user_agent     TEXT,
    address        TEXT,
    authenticated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX grants_of ON grants (subject);

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
    grant_id     BLOB,
    bound_to     BLOB,
    resources    TEXT,
    user_agent   TEXT,
    address      TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE devices (
    name         BLOB PRIMARY KEY,
    hash         BLOB NOT NULL,
    client       TEXT NOT NULL,
    scope        TEXT NOT NULL,
    expires_at   INTEGER NOT NULL,
    interval     INTEGER NOT NULL,
    polled_at    INTEGER,
    denied       INTEGER NOT NULL,
    subject      TEXT,
    signed_in_at INTEGER,
    grant_id     BLOB,
    resources    TEXT,
    user_agent   TEXT,
    address      TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE pushed (
    hash       BLOB PRIMARY KEY,
    client     TEXT NOT NULL,
    request    TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO grants VALUES
    (x'09090909090909090909090909090909', 'ada', 'app', 'openid profile', 1000, NULL, 7, 3000, NULL, NULL, x'02aaaaaaaaaaaaaaaa00', NULL, 0,
     x'0303030303030303030303030303030303030303030303030303030303030303', 'https://a.example/', 'Pilotlight', '192.0.2.1', 1000),
    (x'01010101010101010101010101010101', 'ada', 'app', 'openid profile', 2000, 9000, 0, 2000, 4000, 'reuse', x'', 5, 1,
     NULL, NULL, 'Pilotlight', '192.0.2.1', 1500);
