# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""docs/importing-endpoints.md as a reader follows it: its files and commands, with a registry of its own."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import sys
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import documented, module, pki
from ansible_collections.certops.rotation.tests.support.databases import PASSWORD, mariadb_server

PAGE = "importing-endpoints.md"
TEXT = (documented.ROOT / "docs" / PAGE).read_text(encoding="utf-8")
COMMANDS = documented.commands(PAGE)
#: As Django makes the table of a model with these fields.
TABLE = (
    "CREATE TABLE endpoints_endpoint (id bigint NOT NULL PRIMARY KEY, name varchar(64) NOT NULL,"
    " host varchar(256) NOT NULL, port integer NOT NULL, active bool NOT NULL, date_added datetime NOT NULL)"
)
ROWS = (
    "INSERT INTO endpoints_endpoint VALUES (1, 'Shop', 'shop.example.com', 443, 1, '2019-01-01 00:00:00'),"
    " (2, 'Post; Köln', 'Mail.example.com', 993, 0, '2019-01-01 00:00:00')"
)


class Reader:
    """Who follows the page in a directory."""

    def __init__(self, directory: pathlib.Path) -> None:
        self.directory = directory
        self.url = f"sqlite:///{directory}/registry/endpoints.db"
        for name, content in documented.files(PAGE).items():
            text = content.replace("sqlite:////var/lib/certops-monitor/endpoints.db", self.url)
            (directory / name).write_text(text.replace("[/etc, /opt, /srv]", f"[{directory}/lying]"))

    def run(self, command: str) -> str:
        environment = {"ANSIBLE_COLLECTIONS_PATH": os.environ["ANSIBLE_COLLECTIONS_PATH"]}
        variables = {"ANSIBLE_PYTHON_INTERPRETER": sys.executable, "PWD": str(self.directory)}
        done = documented.shell(command, self.directory, {**environment, **variables})
        assert done.returncode == 0, done.stdout
        return done.stdout

    def follow(self, words: str) -> str:
        """The one command of the page that has these words."""
        (command,) = [command for command in COMMANDS if words in command]
        return self.run(command)

    def known(self) -> dict[str, dict[str, t.Any]]:
        result = module.run_module("endpoint_registry_info", {"database_url": self.url}).result
        return {f"{entry['host']}:{entry['port']}": entry for entry in result["endpoints"]}


@pytest.fixture
def reader(tmp_path: pathlib.Path) -> Reader:
    return Reader(tmp_path)


def fenced(kind: str, words: str) -> str:
    (text,) = [text for text in re.findall(rf"```{kind}\n(.*?)```", TEXT, re.DOTALL) if words in text]
    return str(text)


def test_the_inventory_a_spreadsheet_and_out_again(reader: Reader) -> None:
    reader.follow("from-inventory.yml")
    assert set(reader.known()) == {"web1.example.com:443", "mail.example.com:993", "mail.example.com:25"}
    (reader.directory / "endpoints.csv").write_text(fenced("text", "name;host;port"))
    reader.follow("from-file.yml")
    known = reader.known()
    assert len(known) == 4
    assert known["mail.example.com:25"]["tags"] == {"env": "prod", "team": "mail"}
    reader.follow("export.yml")
    exported = (reader.directory / "export.csv").read_text()
    assert "Shop,shop.example.com,443,,,,false,true,env=prod\n" in exported
    again = reader.run(f"ansible-playbook from-file.yml -e file={reader.directory}/export.csv")
    assert "changed=0" in again
    assert reader.known() == known


def test_certificates_that_lie_around(reader: Reader) -> None:
    lying = reader.directory / "lying"
    lying.mkdir()
    now = pki.now()
    ending = pki.self_signed(["ending.example.com"], not_after=now.replace(microsecond=0))
    (lying / "old.bak").write_text(ending.combined_pem)
    (lying / "new").write_text(pki.self_signed(["long.example.com"]).combined_pem)
    told = reader.follow("find-certificates.yml")
    assert f"CN=ending.example.com {lying}/old.bak" in told
    assert "long.example.com" not in told


def imported(reader: Reader, name: str) -> None:
    told = reader.run(f"ansible-playbook from-file.yml -e file={reader.directory}/{name}")
    assert "WARNING" not in told
    known = reader.known()
    assert {key: (entry["name"], entry["enabled"]) for key, entry in known.items()} == {
        "shop.example.com:443": ("Shop", True),
        "mail.example.com:993": ("Post; Köln", False),
    }


def test_moving_from_the_older_service(reader: Reader) -> None:
    """By what its database prints, and by a dump of its own."""
    exporting = fenced("sh", "dumpdata").splitlines()
    (by_mariadb,) = [line for line in exporting if line.startswith("mariadb ")]
    with mariadb_server() as server:
        database = server.database().rpartition("/")[2]
        server.run(*(text.replace("endpoints_endpoint", f"{database}.endpoints_endpoint") for text in (TABLE, ROWS)))
        options = reader.directory / "client.cnf"
        options.touch(mode=0o600)
        options.write_text(
            f"[client]\nhost=127.0.0.1\nport={server.port}\nuser=watch\npassword='{PASSWORD}'\n"
            "default-character-set=utf8mb4\n"
        )
        here = f"mariadb --defaults-file={options} --batch {database} "
        reader.run(by_mariadb.replace("mariadb --batch certmanager ", here))
    imported(reader, "endpoints.csv")
    dump = [
        {"model": "endpoints.endpoint", "pk": 1, "fields": {"name": "Shop", "host": "shop.example.com", "port": 443}},
        {"model": "endpoints.certificate", "pk": 1, "fields": {"body": "x"}},
    ]
    (reader.directory / "endpoints.json").write_text(json.dumps(dump))
    told = reader.run(f"ansible-playbook from-file.yml -e file={reader.directory}/endpoints.json")
    assert "changed=0" in told


def test_a_file_of_sqlite(reader: Reader) -> None:
    (line,) = [line for line in fenced("sh", "dumpdata").splitlines() if line.startswith("sqlite3 ")]
    subprocess.run(["sqlite3", reader.directory / "db.sqlite3", f"{TABLE}; {ROWS};"], check=True)
    reader.run(line)
    imported(reader, "endpoints.csv")


def test_each_command_is_followed() -> None:
    followed = ("from-inventory.yml", "from-file.yml", "find-certificates.yml", "export.yml")
    assert len(COMMANDS) == len(followed)
    assert all(any(words in command for words in followed) for command in COMMANDS)
