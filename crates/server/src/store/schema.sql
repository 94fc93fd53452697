-- Format 5. Times are milliseconds since the Unix epoch. No token, code, password or key stands here in the clear.
CREATE TABLE newest_key (           -- which of the server's keys was the newest when it last started; not the key itself
    one         INTEGER PRIMARY KEY CHECK (one = 1),
    version     INTEGER NOT NULL,
    fingerprint BLOB NOT NULL
) STRICT;

CREATE TABLE users (
    subject        TEXT PRIMARY KEY,
    name           TEXT NOT NULL UNIQUE,
    password_hash  TEXT NOT NULL,
    totp           BLOB,            -- sealed
    totp_last_step INTEGER,
    locale         TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE clients (
    id            TEXT PRIMARY KEY,
    name          TEXT NOT NULL,
    redirect_uris TEXT NOT NULL,    -- one a line
    secret_hash   BLOB,
    own_scope     TEXT,             -- what it may do in its own name
    settings      TEXT NOT NULL,    -- with spaces between them
    resources     TEXT,             -- one a line
    post_logout_uris TEXT           -- one a line
) STRICT, WITHOUT ROWID;

CREATE TABLE grants (               -- what of a grant stays as it began
    id             BLOB PRIMARY KEY,
    n              INTEGER NOT NULL,-- its row in states
    subject        TEXT NOT NULL,
    client         TEXT NOT NULL,
    scope          TEXT NOT NULL,
    created_at     INTEGER NOT NULL,
    ends_at        INTEGER,
    uses           INTEGER,
    resources      TEXT,            -- one a line, '' for this server; NULL for none
    user_agent     TEXT,            -- where the person signed in
    address        TEXT,
    authenticated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE states (               -- what rotations and revocation change: narrow rows, so that few pages are written
    n              INTEGER PRIMARY KEY,
    generation     INTEGER NOT NULL,
    rotated_at     INTEGER NOT NULL,
    revoked_at     INTEGER,
    revoked_reason TEXT,
    keys           BLOB NOT NULL,   -- of the last rotations, the newest first: 2 and a quarter of SHA-256 of the Idempotency-Key, or 0
    answer_lost    INTEGER NOT NULL,
    bound_to       BLOB             -- SHA-256 thumbprint of a public key
) STRICT;

CREATE TRIGGER a_grants_state_goes_with_it AFTER DELETE ON grants BEGIN
    DELETE FROM states WHERE n = OLD.n;
END;

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
    bound_to     BLOB,              -- these four as of grants and states
    resources    TEXT,
    user_agent   TEXT,
    address      TEXT
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
    grant_id     BLOB,
    resources    TEXT,              -- these three as of grants
    user_agent   TEXT,
    address      TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE pushed (               -- pushed authorization requests
    hash       BLOB PRIMARY KEY,    -- SHA-256 of the request_uri
    client     TEXT NOT NULL,
    request    TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
