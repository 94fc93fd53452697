-- Format 3 knew neither keys and resources that grants are bound to, nor where people signed in, nor second factors.
ALTER TABLE users ADD COLUMN totp BLOB;
ALTER TABLE users ADD COLUMN totp_last_step INTEGER;
ALTER TABLE users ADD COLUMN locale TEXT;

ALTER TABLE clients ADD COLUMN resources TEXT;
ALTER TABLE clients ADD COLUMN post_logout_uris TEXT;

ALTER TABLE grants ADD COLUMN bound_to BLOB;
ALTER TABLE grants ADD COLUMN resources TEXT;
ALTER TABLE grants ADD COLUMN user_agent TEXT;
ALTER TABLE grants ADD COLUMN address TEXT;
ALTER TABLE grants ADD COLUMN authenticated_at INTEGER NOT NULL DEFAULT 0;
UPDATE grants SET authenticated_at = created_at;
CREATE INDEX grants_of ON grants (subject);

ALTER TABLE codes ADD COLUMN bound_to BLOB;
ALTER TABLE codes ADD COLUMN resources TEXT;
ALTER TABLE codes ADD COLUMN user_agent TEXT;
ALTER TABLE codes ADD COLUMN address TEXT;

ALTER TABLE devices ADD COLUMN resources TEXT;
ALTER TABLE devices ADD COLUMN user_agent TEXT;
ALTER TABLE devices ADD COLUMN address TEXT;
