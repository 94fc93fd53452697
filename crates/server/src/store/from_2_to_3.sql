-- Format 2 knew neither what clients may do in their own name, nor devices, nor pushed requests.
ALTER TABLE clients ADD COLUMN own_scope TEXT;
ALTER TABLE clients ADD COLUMN settings TEXT NOT NULL DEFAULT '';

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
    grant_id     BLOB
) STRICT, WITHOUT ROWID;

CREATE TABLE pushed (
    hash       BLOB PRIMARY KEY,
    client     TEXT NOT NULL,
    request    TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
