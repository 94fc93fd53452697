-- Format 4 kept what rotations change in the rows of grants themselves.
CREATE TABLE states (
    n              INTEGER PRIMARY KEY,
    generation     INTEGER NOT NULL,
    rotated_at     INTEGER NOT NULL,
    revoked_at     INTEGER,
    revoked_reason TEXT,
    keys           BLOB NOT NULL,
    answer_lost    INTEGER NOT NULL,
    bound_to       BLOB
) STRICT;

CREATE TABLE split (
    id             BLOB PRIMARY KEY,
    n              INTEGER NOT NULL,
    subject        TEXT NOT NULL,
    client         TEXT NOT NULL,
    scope          TEXT NOT NULL,
    created_at     INTEGER NOT NULL,
    ends_at        INTEGER,
    uses           INTEGER,
    resources      TEXT,
    user_agent     TEXT,
    address        TEXT,
    authenticated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Ids are unique, so both count alike.
INSERT INTO states
    SELECT row_number() OVER (ORDER BY created_at, id), generation, rotated_at, revoked_at, revoked_reason, keys, answer_lost, bound_to
    FROM grants;
INSERT INTO split
    SELECT id, row_number() OVER (ORDER BY created_at, id), subject, client, scope, created_at, ends_at, uses, resources, user_agent,
        address, authenticated_at
    FROM grants;

DROP TABLE grants;
ALTER TABLE split RENAME TO grants;
CREATE INDEX grants_of ON grants (subject);
CREATE TRIGGER a_grants_state_goes_with_it AFTER DELETE ON grants BEGIN
    DELETE FROM states WHERE n = OLD.n;
END;
