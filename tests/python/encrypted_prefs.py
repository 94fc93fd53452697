"""Reads and writes the file of the strategy `encrypted-prefs` with Google's Tink.

The layout of the records is docs/storage/encrypted-prefs.md, read by somebody who has not seen our code; everything
cryptographic is Tink's.

    encrypted_prefs.py read FILE        prints what is in FILE
    encrypted_prefs.py write FILE       makes FILE of what standard input says, under keysets of its own
    encrypted_prefs.py rotate FILE      adds a key to both keysets, makes it the primary one and seals everything anew
    encrypted_prefs.py cleartext FILE   as write, and leaves both keysets unencrypted
    encrypted_prefs.py raw FILE         as write, with a key for values whose ciphertexts do not name it

Standard input is JSON: {"master": hex, "app": text, "epoch": number, "records": [record, ...]}; `read` and `rotate` need the
first only. A record is {"id": hex, "generation": number, "payload": hex, "attempt": null or {"key": hex, "started": number}}.
"""

import base64
import hashlib
import json
import pathlib
import struct
import sys
import xml.etree.ElementTree as ElementTree

import tink
from tink import aead, daead, proto_keyset_format, secret_key_access
from tink.proto import tink_pb2

NAMES_KEYSET = "__androidx_security_crypto_encrypted_prefs_key_keyset__"
VALUES_KEYSET = "__androidx_security_crypto_encrypted_prefs_value_keyset__"
MANIFEST = "pilotlight.manifest"
STRING = 0


def master_aead(key):
    """AES-256-GCM without a prefix, which is what Android Keystore does for Tink."""
    material = b"\x1a\x20" + key  # AesGcmKey: field 3, 32 bytes
    data = tink_pb2.KeyData(
        type_url="type.googleapis.com/google.crypto.tink.AesGcmKey",
        value=material,
        key_material_type=tink_pb2.KeyData.SYMMETRIC,
    )
    only = tink_pb2.Keyset.Key(key_data=data, status=tink_pb2.ENABLED, key_id=1, output_prefix_type=tink_pb2.RAW)
    keyset = tink_pb2.Keyset(primary_key_id=1, key=[only])
    handle = proto_keyset_format.parse(keyset.SerializeToString(), secret_key_access.TOKEN)
    return handle.primitive(aead.Aead)


class Keysets:
    """Both keysets of a file."""

    def __init__(self, names, values):
        self.names = names
        self.values = values

    @classmethod
    def new(cls, values=aead.aead_key_templates.AES256_GCM):
        names = daead.deterministic_aead_key_templates.AES256_SIV
        return cls(tink.new_keyset_handle(names), tink.new_keyset_handle(values))

    @classmethod
    def of(cls, entries, master):
        def opened(name):
            return proto_keyset_format.parse_encrypted(bytes.fromhex(entries[name]), master, b"")

        return cls(opened(NAMES_KEYSET), opened(VALUES_KEYSET))

    def rotated(self):
        fresh = Keysets.new()
        return Keysets(joined(self.names, fresh.names), joined(self.values, fresh.values))

    def entries(self, seal):
        return {NAMES_KEYSET: seal(self.names).hex(), VALUES_KEYSET: seal(self.values).hex()}


def cleartext(handle):
    return proto_keyset_format.serialize(handle, secret_key_access.TOKEN)


def joined(old, new):
    """One keyset of both, whose primary key is the new one's."""
    keyset = tink_pb2.Keyset.FromString(cleartext(old))
    added = tink_pb2.Keyset.FromString(cleartext(new))
    keyset.key.extend(added.key)
    keyset.primary_key_id = added.primary_key_id
    return proto_keyset_format.parse(keyset.SerializeToString(), secret_key_access.TOKEN)


class Preferences:
    """What EncryptedSharedPreferences does with two primitives and the name of a file."""

    def __init__(self, file, keysets):
        self.file = file.encode()
        self.names = keysets.names.primitive(daead.DeterministicAead)
        self.values = keysets.values.primitive(aead.Aead)

    def sealed_name(self, name):
        return base64.b64encode(self.names.encrypt_deterministically(name.encode(), self.file)).decode()

    def put(self, entries, name, text):
        sealed = self.sealed_name(name)
        value = struct.pack(">ii", STRING, len(text.encode())) + text.encode()
        entries[sealed] = base64.b64encode(self.values.encrypt(value, sealed.encode())).decode()

    def get(self, entries, name):
        # By its sealed name, as getString does: that it is deterministic is what makes this work.
        sealed = self.sealed_name(name)
        value = self.values.decrypt(base64.b64decode(entries[sealed], validate=True), sealed.encode())
        kind, length = struct.unpack(">ii", value[:8])
        assert (kind, length) == (STRING, len(value) - 8), (kind, length)
        return value[8:].decode()

    def all_names(self, entries):
        for sealed in entries:
            if sealed not in (NAMES_KEYSET, VALUES_KEYSET):
                name = self.names.decrypt_deterministically(base64.b64decode(sealed, validate=True), self.file)
                yield name.decode()


def packed(data):
    padded = struct.pack(">I", len(data)) + data
    padded += bytes(-len(padded) % 256)
    return base64.urlsafe_b64encode(padded).rstrip(b"=").decode()


def unpacked(text):
    padded = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    (length,) = struct.unpack(">I", padded[:4])
    assert len(padded) % 256 == 0 and not any(padded[4 + length :]), "padding"
    return padded[4 : 4 + length]


def grant_name(identifier):
    return base64.b32encode(identifier).rstrip(b"=").decode().lower()


def record_text(record):
    data = struct.pack(">BQ", 1, record["generation"])
    attempt = record["attempt"]
    if attempt is None:
        data += b"\0"
    else:
        data += b"\1" + bytes.fromhex(attempt["key"]) + struct.pack(">q", attempt["started"])
    return packed(data + bytes.fromhex(record["payload"]))


def record_of(identifier, text):
    data = unpacked(text)
    version, generation, begun = struct.unpack(">BQB", data[:10])
    assert version == 1 and begun in (0, 1)
    attempt, rest = None, data[10:]
    if begun:
        attempt = {"key": rest[:16].hex(), "started": struct.unpack(">q", rest[16:24])[0]}
        rest = rest[24:]
    return {"id": identifier.hex(), "generation": generation, "payload": rest.hex(), "attempt": attempt}


def manifest_text(app, epoch, records):
    data = struct.pack(">BH", 1, len(app.encode())) + app.encode() + struct.pack(">Q", epoch)
    for record in sorted(records, key=lambda record: record["id"]):
        data += bytes.fromhex(record["id"]) + struct.pack(">Q", record["generation"])
        data += hashlib.sha256(record_text(record).encode()).digest()
    return packed(data)


def read_file(path):
    root = ElementTree.fromstring(path.read_bytes())
    assert root.tag == "map" and all(child.tag == "string" for child in root)
    return {child.attrib["name"]: child.text for child in root}


def write_file(path, entries):
    lines = ["<?xml version='1.0' encoding='utf-8' standalone='yes' ?>", "<map>"]
    lines += [f'    <string name="{name}">{text}</string>' for name, text in entries.items()]
    path.write_bytes("\n".join(lines + ["</map>", ""]).encode())


def read(path, wanted):
    entries = read_file(path)
    preferences = Preferences(path.stem, Keysets.of(entries, master_aead(bytes.fromhex(wanted["master"]))))
    names = set(preferences.all_names(entries))
    names.remove(MANIFEST)
    manifest = unpacked(preferences.get(entries, MANIFEST))
    version, length = struct.unpack(">BH", manifest[:3])
    app, rest = manifest[3 : 3 + length].decode(), manifest[3 + length :]
    (epoch,), rest = struct.unpack(">Q", rest[:8]), rest[8:]
    assert version == 1 and len(rest) == 56 * len(names)
    records = []
    for start in range(0, len(rest), 56):
        identifier, generation, digest = struct.unpack(">16sQ32s", rest[start : start + 56])
        text = preferences.get(entries, grant_name(identifier))
        record = record_of(identifier, text)
        assert record["generation"] == generation and hashlib.sha256(text.encode()).digest() == digest
        records.append(record)
    assert {grant_name(bytes.fromhex(record["id"])) for record in records} == names
    return {"app": app, "epoch": epoch, "records": records}


def write(path, wanted, keysets, seal):
    entries = keysets.entries(seal)
    preferences = Preferences(path.stem, keysets)
    for record in wanted["records"]:
        preferences.put(entries, grant_name(bytes.fromhex(record["id"])), record_text(record))
    preferences.put(entries, MANIFEST, manifest_text(wanted["app"], wanted["epoch"], wanted["records"]))
    write_file(path, entries)


def main(task, file):
    aead.register()
    daead.register()
    path, wanted = pathlib.Path(file), json.load(sys.stdin)
    master = master_aead(bytes.fromhex(wanted["master"]))

    def wrapped(handle):
        return proto_keyset_format.serialize_encrypted(handle, master, b"")

    if task == "read":
        print(json.dumps(read(path, wanted)))
    elif task == "write":
        write(path, wanted, Keysets.new(), wrapped)
    elif task == "rotate":
        keysets = Keysets.of(read_file(path), master).rotated()
        write(path, read(path, wanted), keysets, wrapped)
    elif task == "cleartext":
        write(path, wanted, Keysets.new(), cleartext)
    elif task == "raw":
        write(path, wanted, Keysets.new(aead.aead_key_templates.AES256_GCM_RAW), wrapped)
    else:
        sys.exit(__doc__)


main(*sys.argv[1:])
