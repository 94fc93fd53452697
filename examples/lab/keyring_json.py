#!/usr/bin/env python3
"""A store as many Python programs have it: tokens in a JSON file, each encrypted under one key that `keyring` keeps.

Spoken to by the Storage Lab, one JSON object a line (docs/lab.md):

    pilotlight lab run --program "python3 examples/lab/keyring_json.py"

Needs the packages keyring and cryptography. The lab gives it a folder that plays the OS keystore; a program of one's own
would leave the class LabKeyring out and use whatever keyring finds.
"""

import fcntl
import json
import os
import pathlib
import sys

import keyring
import keyring.backend
import keyring.errors
from cryptography.fernet import Fernet, InvalidToken


class Refusal(Exception):
    """Why something was not done: one word, and a sentence without secrets."""

    def __init__(self, kind, message):
        super().__init__(message)
        self.kind = kind


class LabKeyring(keyring.backend.KeyringBackend):
    """The lab's keystore: one file per entry, named by the hexadecimal digits of its name, and a file `fault`."""

    priority = 1

    def __init__(self, folder):
        super().__init__()
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.calls = 0

    def entry(self, service, username):
        return self.folder / f"{service}-{username}".encode().hex()

    def step(self, writes):
        self.calls += 1
        try:
            fault = (self.folder / "fault").read_text().strip()
        except FileNotFoundError:
            return
        if fault in ("absent", "locked", "silent") or (fault == "read-only" and writes):
            raise keyring.errors.KeyringError(f"the keystore is {fault}")
        if fault == "every-third-fails" and self.calls % 3 == 0:
            raise keyring.errors.KeyringError("the connection broke")

    def get_password(self, service, username):
        self.step(False)
        entry = self.entry(service, username)
        if list(self.folder.glob(entry.name + "+*")):
            raise keyring.errors.KeyringError("there are several entries of this name")
        try:
            return entry.read_text()
        except FileNotFoundError:
            return None

    def set_password(self, service, username, password):
        self.step(True)
        new = self.folder / f"new-{os.getpid()}"
        new.write_text(password)
        new.rename(self.entry(service, username))

    def delete_password(self, service, username):
        self.step(True)
        self.entry(service, username).unlink(missing_ok=True)


class Store:
    """`store.json`: {ID: {"generation": N, "sealed": "…"}}, written anew for every change."""

    def __init__(self):
        self.home = None

    def open(self, home, keystore, app, **_):
        keyring.set_keyring(LabKeyring(keystore))
        self.home = pathlib.Path(home)
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.home.chmod(0o700)
        key = keyring.get_password(app, "key")
        if key is None:
            if self.file().exists():
                raise Refusal("key-lost", "the key is gone from the keystore")
            key = Fernet.generate_key().decode()
            keyring.set_password(app, "key", key)
        try:
            self.cipher = Fernet(key)
        except ValueError:
            raise Refusal("key-corrupt", "the key in the keystore is damaged") from None
        self.read()

    def file(self):
        if self.home is None:
            raise Refusal("other", "the store is not open")
        return self.home / "store.json"

    def read(self):
        try:
            return json.loads(self.file().read_text())
        except FileNotFoundError:
            return {}
        except ValueError:
            raise Refusal("damaged", "the file is not JSON") from None

    def change(self, change):
        with open(self.home / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            records = self.read()
            result = change(records)
            new = self.home / "store.new"
            with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                json.dump(records, file)
                file.flush()
                os.fsync(file.fileno())
            new.rename(self.file())
            folder = os.open(self.home, os.O_RDONLY)
            os.fsync(folder)
            os.close(folder)
            return result

    def seal(self, generation, payload):
        return {"generation": generation, "sealed": self.cipher.encrypt(payload.encode()).decode()}

    def unseal(self, record):
        try:
            payload = self.cipher.decrypt(record["sealed"].encode()).decode()
        except (InvalidToken, KeyError, TypeError, AttributeError, ValueError):
            raise Refusal("tampered", "the record does not open") from None
        return {"generation": record["generation"], "payload": payload, "attempt": None}

    def create(self, id, payload):
        def create(records):
            if id in records:
                raise Refusal("conflict", "there is such a record already")
            records[id] = self.seal(1, payload)
            return 1

        return {"generation": self.change(create)}

    def load(self, id):
        record = self.read().get(id)
        return {"record": record and self.unseal(record)}

    def list(self):
        return {"records": [{"id": id, "record": self.unseal(record)} for id, record in self.read().items()]}

    def commit(self, id, expected, payload):
        def commit(records):
            if id not in records:
                raise Refusal("not-found", "there is no such record")
            if records[id]["generation"] != expected:
                raise Refusal("conflict", "the record is at another generation")
            records[id] = self.seal(expected + 1, payload)
            return expected + 1

        return {"generation": self.change(commit)}

    def remove(self, id):
        self.change(lambda records: records.pop(id, None))

    def close(self):
        self.home = None

    def stats(self):
        return {"stats": {"keystore_calls": getattr(keyring.get_keyring(), "calls", 0)}}


def answer(store, request):
    op = request.pop("op")
    if op not in ("open", "create", "load", "list", "commit", "remove", "close", "stats"):
        return {"error": {"kind": "unsupported", "message": f"this store cannot {op}"}}
    try:
        return getattr(store, op)(**request) or "done"
    except Refusal as refusal:
        return {"error": {"kind": refusal.kind, "message": str(refusal)}}
    except keyring.errors.KeyringError as error:
        return {"error": {"kind": "keystore", "message": str(error)}}
    except OSError as error:
        return {"error": {"kind": "io", "message": os.strerror(error.errno or 0)}}


def main():
    store = Store()
    for line in sys.stdin:
        print(json.dumps(answer(store, json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
