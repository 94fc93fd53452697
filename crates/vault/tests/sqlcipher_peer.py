"""Reads and writes a vault of the strategy `sqlcipher` by what docs/storage/sqlcipher.md says of it, and nothing of ours."""

import base64
import hashlib
import hmac
import secrets
import sys

import sqlcipher3


def fields(*values):
    return b"".join(len(value).to_bytes(4, "big") + value for value in values)


def unpadded(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decoded(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def mac(key, salt, message):
    """HMAC-SHA256 under the key that HKDF-SHA256 (RFC 5869) derives for MACs; one block is enough."""
    extracted = hmac.digest(salt, key, "sha256")
    derived = hmac.digest(extracted, fields(b"pilotlight/v1/mac-key") + b"\x01", "sha256")
    return hmac.digest(derived, message, "sha256")


def entry_of(app, key, salt):
    check = mac(key, salt, fields(b"pilotlight/v1/sqlcipher-check", app.encode(), salt))[:16]
    return f"pc1.{unpadded(key)}.{unpadded(check)}"


def sum_of(rows, key, salt):
    def packed(column, value):
        if value is None:
            return b"null"
        if isinstance(value, int):
            return value.to_bytes(8, "big", signed=True)
        return hashlib.sha256(value).digest() if column == 2 else value

    def number(row):
        values = (packed(column, value) for column, value in enumerate(row))
        return int.from_bytes(mac(key, salt, fields(b"pilotlight/v1/row", *values)), "big")

    return (sum(map(number, rows)) % 2**256).to_bytes(32, "big")


def read(app, path, entry):
    _, encoded, _ = entry.split(".")
    key = decoded(encoded)
    with open(path, "rb") as file:
        salt = file.read(16)
    assert entry == entry_of(app, key, salt), "the check value is another one"
    connection = sqlcipher3.connect(path)
    connection.execute(f"PRAGMA key = \"x'{key.hex()}'\"")
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert connection.execute("PRAGMA cipher_integrity_check").fetchall() == []
    strategy, of, epoch, digest = connection.execute("SELECT strategy, app, epoch, digest FROM vault").fetchone()
    print(strategy, of, epoch)
    rows = connection.execute("SELECT * FROM record ORDER BY grant_id").fetchall()
    for row in rows:
        print(*(value.hex() if isinstance(value, bytes) else value for value in row))
    print("the rows are those of the sum" if digest == sum_of(rows, key, salt) else "the sum is another one")


RECORD = """CREATE TABLE record(
  grant_id BLOB PRIMARY KEY CHECK(length(grant_id)=16),
  generation INTEGER NOT NULL CHECK(generation>0),
  payload BLOB NOT NULL CHECK(length(payload)<=65536),
  attempt_key BLOB CHECK(length(attempt_key)=16),
  attempt_started_ms INTEGER CHECK((attempt_started_ms IS NULL)=(attempt_key IS NULL))
) STRICT, WITHOUT ROWID"""

VAULT = """CREATE TABLE vault(
  id INTEGER PRIMARY KEY CHECK(id=1),
  strategy TEXT NOT NULL CHECK(length(strategy)<=64),
  app TEXT NOT NULL CHECK(length(app)<=256),
  epoch INTEGER NOT NULL CHECK(epoch>0),
  digest BLOB CHECK(length(digest)=32)
) STRICT"""


def write(app, path):
    key, random = secrets.token_bytes(32), secrets.token_bytes(12)
    salt = random + hashlib.sha256(b"pilotlight/v1/sqlcipher-salt" + random).digest()[:4]
    row = (b"\x01" * 16, 3, b"from elsewhere", b"\x09" * 16, 1_700_000_000_000)
    connection = sqlcipher3.connect(path)
    connection.execute(f"PRAGMA key = \"x'{key.hex()}{salt.hex()}'\"")
    connection.execute(f"PRAGMA application_id = {0x504C5643}")
    connection.execute("PRAGMA user_version = 1")
    connection.execute(RECORD)
    connection.execute(VAULT)
    connection.execute("INSERT INTO record VALUES(?,?,?,?,?)", row)
    digest = sum_of([row], key, salt)
    connection.execute("INSERT INTO vault VALUES(1,'sqlcipher',?,1,?)", (app, digest))
    connection.commit()
    connection.close()
    print("sqlcipher-" + base64.b32encode(salt).decode().rstrip("=").lower())
    print(entry_of(app, key, salt))


{"read": read, "write": write}[sys.argv[1]](*sys.stdin.read().split("\n"))
