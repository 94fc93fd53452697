#!/usr/bin/env python3
"""Asks Pilotlight's agent for an access token: pilotlight_token.py ACCOUNT [MIN_TTL]. See docs/agent.md."""

import json
import os
import socket
import stat
import sys


def socket_path():
    home, runtime = os.environ.get("PILOTLIGHT_HOME"), os.environ.get("XDG_RUNTIME_DIR")
    if home:
        return os.path.join(home, "agent", "agent.sock")
    if runtime:
        return os.path.join(runtime, "pilotlight", "agent.sock")
    return os.path.expanduser("~/.local/share/pilotlight/agent/agent.sock")


def connect(path):
    for place in (os.path.dirname(path), path):
        found = os.lstat(place)  # a link is not followed
        if found.st_uid != os.geteuid():
            raise PermissionError(f"{place} is another user's")
    if not stat.S_ISSOCK(found.st_mode):
        raise PermissionError(f"{path} is not a socket")
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(120)
    connection.connect(path)
    return connection


def ask(connection, request):
    connection.sendall(json.dumps(request).encode() + b"\n")
    with connection.makefile("rb") as answers:
        return json.loads(answers.readline())


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    with connect(socket_path()) as connection:
        min_ttl = int(sys.argv[2]) if len(sys.argv) == 3 else 0
        answer = ask(connection, {"ask": "token", "account": sys.argv[1], "min_ttl": min_ttl, "last": True})
    if "token" not in answer:
        error = answer["error"]
        sys.exit(f"{error['message']} {error['hint']}")
    print(answer["token"]["access_token"])


if __name__ == "__main__":
    main()
