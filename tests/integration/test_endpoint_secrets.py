# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The password of the registry's database: at -vvvv nothing that ansible-playbook prints has it, whatever happens."""

from __future__ import annotations

import pathlib
import typing as t
import urllib.parse

import pytest
from ansible_collections.certops.rotation.tests.support import module
from ansible_collections.certops.rotation.tests.support.databases import PASSWORD, postgresql_server
from ansible_collections.certops.rotation.tests.support.playbook import PlaybookRun, run_playbook
from ansible_collections.certops.rotation.tests.support.ports import free_port

WRONG = "wr0ng:S3cret"
#: Whole and in part, as in URLs and as they are.
SHOWN_BY_NOBODY = [PASSWORD, urllib.parse.quote(PASSWORD, safe=""), "word@of", "of:tests", WRONG, "S3cret"]


def run_all(directory: pathlib.Path, url: str) -> PlaybookRun:
    """Modules that write to a registry, and one that shows all of it; each may fail."""
    modules: dict[str, dict[str, t.Any]] = {
        "endpoint_registry": {"endpoints": [f"127.0.0.1:{free_port()}"]},
        "endpoint_scan": {"timeout": 2, "unreachable_after": 1},
        "endpoint_events": {"receiver": "x", "command": ["/bin/true"]},
        "endpoint_dashboard": {"path": str(directory / "index.html"), "json_path": str(directory / "all.json")},
    }
    tasks = [
        {"name": name, f"certops.rotation.{name}": {"database_url": "{{ url }}", **options}, "ignore_errors": True}
        for name, options in modules.items()
    ]
    play = [{"hosts": "haproxy", "gather_facts": False, "tasks": tasks}]
    run = run_playbook({"url": url}, playbook=play)
    assert [each.action.rpartition(".")[2] for each in run.tasks] == list(modules), run.output
    written = "".join(path.read_text() for path in directory.iterdir())
    assert [secret for secret in SHOWN_BY_NOBODY if secret in run.output or secret in written] == []
    return run


def test_of_a_database_that_works_and_of_a_password_that_does_not(tmp_path: pathlib.Path) -> None:
    with postgresql_server() as server:
        url = server.database()
        run = run_all(tmp_path, url)
        assert {each.status for each in run.tasks} == {"ok"}, run.output
        assert run.result("endpoint_scan")["events"] == {"unreachable": 1}
        run = run_all(tmp_path, url.replace(urllib.parse.quote(PASSWORD, safe=""), WRONG))
        assert {each.status for each in run.tasks} == {"failed"}
        assert "Correct user and password in database_url." in run.output


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (f"postgresql://watch:{WRONG}@127.0.0.1:1/watch?sslpassword={PASSWORD}", "running and reachable?"),
        (f"postgresql://watch:{WRONG}@{PASSWORD}@127.0.0.1:1/watch", "special characters of the password as in URLs"),
        (f"postgresql://watch:{WRONG}@127.0.0.1:1/watch?nonsense={PASSWORD}", "invalid connection option"),
        (f"mariadb://watch:{WRONG}@127.0.0.1:1/watch?nonsense={PASSWORD}", "that the driver does not take"),
        (f"mariadb://127.0.0.1:1/watch?passwd={WRONG}&connect_timeout=soon", "that the driver does not take"),
        (f"mariadb://watch:{WRONG}@127.0.0.1:port/watch", "cannot be read as a URL"),
        (f"oracle://watch:{WRONG}@127.0.0.1/watch", "no kind of database"),
        (f"sqlite:///{WRONG}", "absolute path"),
    ],
)
def test_of_a_url_that_is_wrong(url: str, words: str) -> None:
    for name, check in (("endpoint_scan", False), ("endpoint_scan", True), ("endpoint_registry_info", False)):
        run = module.run_module(name, {"database_url": url}, check=check)
        assert run.failed
        assert words in run.result["msg"]
        assert [secret for secret in SHOWN_BY_NOBODY if secret in run.output] == []
