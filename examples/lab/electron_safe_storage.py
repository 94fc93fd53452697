#!/usr/bin/env python3
"""A store in the format of Electron's safeStorage on Linux, as many desktop apps keep their tokens.

Each value is `v11` and AES-128-CBC under PBKDF2-HMAC-SHA1 of a password in the keystore (salt `saltysalt`, one round, sixteen
spaces for a vector); without a keystore it is `v10` under a password that is the same everywhere. Nothing authenticates the
value. The app keeps them in a JSON file, base64 by name.

    pilotlight lab run --program "python3 examples/lab/electron_safe_storage.py"

Needs the package cryptography. It stands here to be looked at under attack, not to be used.
"""

import base64
import hashlib
import json
import os
import pathlib
import secrets
import sys

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

VECTOR = b" " * 16
ENTRY = "Electron Safe Storage"


class Refusal(Exception):
    """Why something was not done: one word, and a sentence without secrets."""

    def __init__(self, kind, message):
        super().__init__(message)
        self.kind = kind


def stretched(password):
    return hashlib.pbkdf2_hmac("sha1", password.encode(), b"saltysalt", 1, 16)


class Store:
    """`config.json`: {ID: {"generation": N, "value": base64}}, written over in place, as `fs.writeFileSync` does."""

    def __init__(self):
        self.home = None

    def open(self, home, keystore, app, **_):
        self.home = pathlib.Path(home)
        self.home.mkdir(parents=True, exist_ok=True)
        self.keys = {b"v10": stretched("peanuts")}
        try:
            self.keys[b"v11"] = stretched(self.password(pathlib.Path(keystore)))
        except OSError:
            # This is the step down that the lab is to find: without a keystore it goes on all the same.
            pass

    def password(self, keystore):
        keystore.mkdir(parents=True, exist_ok=True)
        fault = keystore / "fault"
        if fault.exists() and fault.read_text().strip() in ("absent", "locked", "silent"):
            raise OSError("the keystore does not answer")
        entry = keystore / ENTRY.encode().hex()
        if not entry.exists():
            entry.write_text(base64.b64encode(secrets.token_bytes(16)).decode())
        return entry.read_text()

    def file(self):
        if self.home is None:
            raise Refusal("other", "the store is not open")
        return self.home / "config.json"

    def read(self):
        try:
            return json.loads(self.file().read_text())
        except FileNotFoundError:
            return {}
        except ValueError:
            raise Refusal("damaged", "the file is not JSON") from None

    def write(self, records):
        self.file().write_text(json.dumps(records))

    def seal(self, generation, payload):
        version = b"v11" if b"v11" in self.keys else b"v10"
        pad = padding.PKCS7(128).padder()
        cipher = Cipher(algorithms.AES(self.keys[version]), modes.CBC(VECTOR)).encryptor()
        sealed = cipher.update(pad.update(payload.encode()) + pad.finalize()) + cipher.finalize()
        return {"generation": generation, "value": base64.b64encode(version + sealed).decode()}

    def unseal(self, record):
        try:
            value = base64.b64decode(record["value"])
            cipher = Cipher(algorithms.AES(self.keys[value[:3]]), modes.CBC(VECTOR)).decryptor()
            pad = padding.PKCS7(128).unpadder()
            payload = pad.update(cipher.update(value[3:]) + cipher.finalize()) + pad.finalize()
            return {"generation": record["generation"], "payload": payload.decode(errors="replace"), "attempt": None}
        except (KeyError, ValueError, TypeError):
            raise Refusal("tampered", "the value cannot be decrypted") from None

    def create(self, id, payload):
        records = self.read()
        if id in records:
            raise Refusal("conflict", "there is such a record already")
        records[id] = self.seal(1, payload)
        self.write(records)
        return {"generation": 1}

    def load(self, id):
        record = self.read().get(id)
        return {"record": record and self.unseal(record)}

    def list(self):
        return {"records": [{"id": id, "record": self.unseal(record)} for id, record in self.read().items()]}

    def commit(self, id, expected, payload):
        records = self.read()
        if id not in records:
            raise Refusal("not-found", "there is no such record")
        if records[id]["generation"] != expected:
            raise Refusal("conflict", "the record is at another generation")
        records[id] = self.seal(expected + 1, payload)
        self.write(records)
        return {"generation": expected + 1}

    def remove(self, id):
        records = self.read()
        records.pop(id, None)
        self.write(records)

    def close(self):
        self.home = None

    def stats(self):
        return {"stats": {"keystore_calls": 0}}


def answer(store, request):
    op = request.pop("op")
    if op not in ("open", "create", "load", "list", "commit", "remove", "close", "stats"):
        return {"error": {"kind": "unsupported", "message": f"this store cannot {op}"}}
    try:
        return getattr(store, op)(**request) or "done"
    except Refusal as refusal:
        return {"error": {"kind": refusal.kind, "message": str(refusal)}}
    except OSError as error:
        return {"error": {"kind": "io", "message": os.strerror(error.errno or 0)}}


def main():
    store = Store()
    for line in sys.stdin:
        print(json.dumps(answer(store, json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
