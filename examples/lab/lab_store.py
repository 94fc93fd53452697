"""What every store in Python needs to be spoken to by the Storage Lab, one JSON object a line (docs/lab.md).

A store is a subclass of JsonStore: it says how a record is sealed, where its key comes from, and how the file is replaced.
"""

import json
import os
import pathlib
import stat
import sys
import threading

OPS = ("open", "create", "load", "list", "commit", "remove", "close", "stats", "meddle")


class Refusal(Exception):
    """Why something was not done: one word, and a sentence without secrets."""

    def __init__(self, kind, message):
        super().__init__(message)
        self.kind = kind


def read_plain_file(path):
    """The content of a regular file that is no link; a pipe in its place is not waited for."""
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise Refusal("io", "what stands in the file's place is no file")
        return file.read()


class JsonStore:
    """Records in one JSON file: {ID: {"generation": N, …}}."""

    name = "store.json"

    def __init__(self):
        self.home = None
        self.meddling = threading.Event()

    def seal(self, generation, payload):
        """What is kept of a record, with its generation in it."""
        raise NotImplementedError

    def unseal(self, record):
        """Its payload; a Refusal where it does not open."""
        raise NotImplementedError

    def change(self, change):
        """Calls `change` with all records, keeps what it made of them, and gives its result."""
        raise NotImplementedError

    def file(self):
        if self.home is None:
            raise Refusal("other", "the store is not open")
        return self.home / self.name

    def read(self):
        try:
            return json.loads(read_plain_file(self.file()))
        except FileNotFoundError:
            return {}
        except ValueError:
            raise Refusal("damaged", "the file is not JSON") from None

    def given(self, record):
        try:
            return {"generation": record["generation"], "payload": self.unseal(record), "attempt": None}
        except (KeyError, TypeError):
            raise Refusal("tampered", "the record is none") from None

    def create(self, id, payload):
        def create(records):
            if id in records:
                raise Refusal("conflict", "there is such a record already")
            records[id] = self.seal(1, payload)
            return {"generation": 1}

        return self.change(create)

    def load(self, id):
        records = self.read()
        return {"record": self.given(records[id]) if id in records else None}

    def list(self):
        return {"records": [{"id": id, "record": self.given(record)} for id, record in self.read().items()]}

    def commit(self, id, expected, payload):
        def commit(records):
            if id not in records:
                raise Refusal("not-found", "there is no such record")
            if records[id]["generation"] != expected:
                raise Refusal("conflict", "the record is at another generation")
            records[id] = self.seal(expected + 1, payload)
            return {"generation": expected + 1}

        return self.change(commit)

    def remove(self, id):
        self.change(lambda records: records.pop(id, None) and None)

    def close(self):
        self.meddling.set()
        self.home = None

    def stats(self):
        return {"stats": {"keystore_calls": 0}}

    def meddle(self):
        """Other code in this process that opens and closes the store's files, until the store is closed."""
        home, over = self.home, threading.Event()
        self.meddling = over

        def meddle():
            while not over.wait(0.0003):
                for path in home.rglob("*"):
                    try:
                        path.is_file() and path.read_bytes()
                    except OSError:
                        pass  # it has just been replaced

        threading.Thread(target=meddle, daemon=True).start()


def answer(store, request):
    op = request.pop("op")
    if op not in OPS:
        return {"error": {"kind": "unsupported", "message": f"this store cannot {op}"}}
    try:
        return getattr(store, op)(**request) or "done"
    except Refusal as refusal:
        return {"error": {"kind": refusal.kind, "message": str(refusal)}}
    except OSError as error:
        return {"error": {"kind": "io", "message": os.strerror(error.errno or 0)}}


def serve(store):
    """Answers on standard output what comes in on standard input, until that ends."""
    for line in sys.stdin:
        print(json.dumps(answer(store, json.loads(line))), flush=True)


def private_folder(home):
    """The folder of a store, made where it is missing, and closed to others."""
    folder = pathlib.Path(home)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    return folder
