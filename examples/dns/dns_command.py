"""A DNS program for certificate_issue: it keeps TXT records in a JSON file, as yours may keep them in your DNS.

    dns:
      - provider: command
        command: [python3, /etc/certops/dns_command.py, /var/lib/dns/records.json]

The last argument is the action; JSON comes by standard input. Exit code 0 means that all is done. Whatever is wrong
goes to standard error, and the exit code is another one.
"""

from __future__ import annotations

import fcntl
import json
import sys
from pathlib import Path

ZONES = ["example.com"]


def main() -> None:
    path, action = Path(sys.argv[1]), sys.argv[2]
    given = json.load(sys.stdin)
    if action == "zones":
        print(json.dumps({"zones": ZONES}))
    elif action in ("add", "remove"):
        with path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # two runs may write at once, and no value of either may be lost
            change(path, action, given["records"])
        if action == "add":
            print(json.dumps({"changes": ["1"]}))
    elif action == "wait":  # until your DNS has published given["changes"], at most given["timeout"] seconds
        pass
    else:
        sys.exit(f"unknown action {action}")


def change(path: Path, action: str, records: list) -> None:
    """Others' values at the same name stay; what is there, or gone, already is no error."""
    held = json.loads(path.read_text()) if path.exists() else {}
    for record in records:
        values = [value for value in held.get(record["name"], []) if value not in record["values"]]
        held[record["name"]] = values + (record["values"] if action == "add" else [])
    path.write_text(json.dumps({name: values for name, values in held.items() if values}))


if __name__ == "__main__":
    main()
