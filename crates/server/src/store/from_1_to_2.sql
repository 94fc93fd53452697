-- Format 1 knew two keys of a grant, and had the server's own keys in the clear. Those stay in the table `keys` until they
-- are durable in the key file.
CREATE TABLE newest_key (
    one         INTEGER PRIMARY KEY CHECK (one = 1),
    version     INTEGER NOT NULL,
    fingerprint BLOB NOT NULL
) STRICT;

ALTER TABLE grants ADD COLUMN keys BLOB NOT NULL DEFAULT x'';
ALTER TABLE grants ADD COLUMN uses INTEGER;
ALTER TABLE grants ADD COLUMN answer_lost INTEGER NOT NULL DEFAULT 0;
UPDATE grants SET keys = CAST(
    CASE WHEN last_key IS NULL THEN x'00' ELSE x'01' || substr(last_key, 1, 16) END ||
    CASE WHEN previous_key IS NULL THEN x'00' ELSE x'01' || substr(previous_key, 1, 16) END AS BLOB);
ALTER TABLE grants DROP COLUMN last_key;
ALTER TABLE grants DROP COLUMN previous_key;
