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
import pathlib
import secrets

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from lab_store import JsonStore, Refusal, serve

VECTOR = b" " * 16
ENTRY = "Electron Safe Storage"


def stretched(password):
    return hashlib.pbkdf2_hmac("sha1", password.encode(), b"saltysalt", 1, 16)


class Store(JsonStore):
    """`config.json`: {ID: {"generation": N, "value": base64}}, written over in place, as `fs.writeFileSync` does."""

    name = "config.json"

    def open(self, home, keystore, app, secret_service=False, **_):
        if secret_service:
            raise Refusal("unsupported", "this example speaks to no Secret Service")
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
        except ValueError:
            raise Refusal("tampered", "the value cannot be decrypted") from None
        return payload.decode(errors="replace")

    def change(self, change):
        records = self.read()
        result = change(records)
        self.file().write_text(json.dumps(records))
        return result


if __name__ == "__main__":
    serve(Store())
