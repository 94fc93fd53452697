#!/usr/bin/env python3
"""A store as many Python programs have it: tokens in a JSON file, each encrypted under one key that `keyring` keeps.

Spoken to by the Storage Lab, one JSON object a line (docs/lab.md):

    pilotlight lab run --program "python3 examples/lab/keyring_json.py"

Needs the packages keyring and cryptography. The lab gives it a folder that plays the OS keystore; a program of one's own
would leave the class LabKeyring out and use whatever keyring finds.
"""

import fcntl
import functools
import json
import os
import pathlib

import keyring
import keyring.backend
import keyring.backends.SecretService
import keyring.errors
from cryptography.fernet import Fernet, InvalidToken

from lab_store import JsonStore, Refusal, private_folder, serve


def keystore_trouble_is_told(method):
    @functools.wraps(method)
    def told(*args, **kwargs):
        try:
            return method(*args, **kwargs)
        except keyring.errors.KeyringError as error:
            raise Refusal("keystore", str(error)) from None

    return told


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


class Store(JsonStore):
    """`store.json`: {ID: {"generation": N, "sealed": "…"}}, written anew for every change."""

    @keystore_trouble_is_told
    def open(self, home, keystore, app, secret_service=False, **_):
        keyring.set_keyring(keyring.backends.SecretService.Keyring() if secret_service else LabKeyring(keystore))
        self.home = private_folder(home)
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

    def change(self, change):
        # Neither the lock nor the new file is opened through a link that somebody planted.
        lock = os.open(self.file().with_name("lock"), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        with open(lock, "rb"):
            fcntl.flock(lock, fcntl.LOCK_EX)
            records = self.read()
            result = change(records)
            new = self.home / "store.new"
            new.unlink(missing_ok=True)
            with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "w") as file:
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
            return self.cipher.decrypt(record["sealed"].encode()).decode()
        except (InvalidToken, AttributeError, ValueError):
            raise Refusal("tampered", "the record does not open") from None

    def stats(self):
        return {"stats": {"keystore_calls": getattr(keyring.get_keyring(), "calls", 0)}}


if __name__ == "__main__":
    serve(Store())
