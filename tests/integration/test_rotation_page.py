# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report of a rotation as a page: a real run writes it, a real Chromium shows it."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import sys
import typing as t
from datetime import datetime, timezone

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.record.page import filled
from ansible_collections.certops.rotation.plugins.module_utils._core.record.run_report import (
    HostRotation,
    page_document,
)
from ansible_collections.certops.rotation.plugins.plugin_utils._dashboard import page_without_data
from ansible_collections.certops.rotation.tests.support.browser import Browser, chromium
from ansible_collections.certops.rotation.tests.support.playbook import PlaybookRun, run_playbook
from ansible_collections.certops.rotation.tests.support.ports import free_port

MARKUP = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def chrome() -> t.Iterator[Browser]:
    with chromium() as made:
        yield made


@pytest.fixture
def browser(chrome: Browser) -> t.Iterator[Browser]:
    chrome.resize(1280)
    chrome.prefer()
    chrome.messages()
    yield chrome
    assert chrome.messages() == []


def items(action: str, *names: str) -> list[dict[str, str]]:
    return [{"name": name, "action": action} for name in names]


def every_outcome() -> dict[str, HostRotation]:
    changed = items("updated", "web/shop", "web/www")
    return {
        "lb1": HostRotation(
            {
                "certificates": [*changed, *items("unchanged", "a", "b", "c")],
                "pending": ["web/shop", "web/www"],
                "proven": ["web/shop", "web/www"],
                "activation": "hot_update",
            }
        ),
        "lb2": HostRotation({"certificates": items("unchanged", "a", "b")}),
        "lb3": HostRotation({"certificates": items("refused", "web/shop"), "failures": [f"web/shop: {MARKUP}"]}),
        "lb4": HostRotation(unreachable="No route to host"),
        "lb5": HostRotation({"certificates": items("failed", "a")}, ["No space left on device."], failed=True),
        "lb6": HostRotation(
            {
                "certificates": [*items("updated", "web/a"), *items("removed", "old/b")],
                "pending": ["web/a"],
                "proven": [],
                "not_proven": {"web/a": "no bind answers"},
                "activation": "reload",
            }
        ),
        "lb7": HostRotation(),
    }


@pytest.fixture
def page(tmp_path: pathlib.Path) -> t.Callable[..., pathlib.Path]:
    def made(hosts: dict[str, HostRotation], check_mode: bool = False) -> pathlib.Path:
        now = datetime.now(timezone.utc)
        document = page_document(hosts, check_mode=check_mode, title="Rotation of certificates", now=now)
        path = tmp_path / "rotation.html"
        path.write_bytes(filled(page_without_data("rotation"), document, "digest"))
        return path

    return made


def test_those_in_trouble_come_first(browser: Browser, page: t.Callable[..., pathlib.Path]) -> None:
    browser.open(page(every_outcome()))
    assert browser.one(".verdict").text == "4 hosts need a person"
    told = browser.one(".verdict + p").text
    assert "7 hosts: 1 failed, 1 unreachable, 1 refused, 1 not run, 2 rotated, 1 unchanged." in told
    assert "4 certificates changed. 2 of 3 seen served by a new handshake." in told
    needs = [re.sub(r"\s+", " ", each) for each in browser.texts(".needs li")]
    assert ["lb5" in needs[0], "lb4" in needs[1], "lb3" in needs[2], "lb7" in needs[3], "lb6" in needs[4]] == [True] * 5
    assert MARKUP in needs[2]
    assert browser.script("return document.images.length") == 0
    assert browser.texts(".rows a") == ["lb5", "lb4", "lb3", "lb7", "lb6", "lb1", "lb2"]
    rows = dict(zip(browser.texts(".rows a"), browser.texts(".rows tr[data-index]"), strict=True))
    assert re.sub(r"\s+", " ", rows["lb1"]).endswith("Rotated lb1 2 3 0 0 2 of 2")
    assert re.sub(r"\s+", " ", rows["lb2"]).endswith("Unchanged lb2 0 2 0 0 earlier")


def test_one_host(browser: Browser, page: t.Callable[..., pathlib.Path]) -> None:
    browser.open(page(every_outcome()))
    browser.one('.rows a[href="#/host/lb6"]').click()
    assert browser.one("h1[tabindex]").text == "lb6"
    text = re.sub(r"\s+", " ", browser.one("main").text)
    for wanted in (
        "Proof 0 of 1",
        "Activation reload",
        "Rotated 1 web/a",
        "Removed 1 old/b",
        "Not proven web/a no bind answers",
    ):
        assert wanted in text
    browser.back()
    browser.wait(lambda: browser.all(".rows a"))
    browser.one("#search").send_keys("web/shop")
    assert browser.texts(".rows a") == ["lb3", "lb1"]


def test_what_a_run_would_do(browser: Browser, page: t.Callable[..., pathlib.Path]) -> None:
    hosts = {name: host for name, host in every_outcome().items() if name in ("lb1", "lb2")}
    browser.open(page(hosts, check_mode=True))
    assert browser.one(".verdict").text == "Nothing is in the way"
    assert "2 certificates would be changed. Check mode: nothing was changed." in browser.one(".verdict + p").text
    assert "Would rotate" in browser.texts(".rows td:first-child")[1]


@pytest.mark.parametrize("width", [1280, 320])
@pytest.mark.parametrize("view", ["", "#/host/lb6", "#/?show=failed"])
def test_nobody_is_left_out(browser: Browser, page: t.Callable[..., pathlib.Path], view: str, width: int) -> None:
    browser.resize(width, mobile=width < 400)
    browser.prefer("dark" if view else "light")
    browser.open(page(every_outcome()), view)
    assert browser.violations() == []
    assert browser.script("return document.documentElement.scrollWidth") <= width


# A real run


def rotate(tmp_path: pathlib.Path, **variables: t.Any) -> PlaybookRun:
    """Of two hosts, of which one cannot be reached."""
    task = {"certops.rotation.certificate_sync": {"path": str(tmp_path / "certs"), "names": []}}
    return run_playbook(
        {
            "ansible_connection": "{{ 'ssh' if inventory_hostname == 'dead' else 'local' }}",
            "ansible_host": "127.0.0.1",
            "ansible_port": free_port(),
            **variables,
        },
        playbook=[{"hosts": "haproxy", "gather_facts": False, "tasks": [task]}],
        hosts=["lb1", "dead"],
        env={"ANSIBLE_CALLBACKS_ENABLED": "task_log,certops.rotation.rotation_report"},
    )


def test_a_run_writes_its_page(browser: Browser, tmp_path: pathlib.Path) -> None:
    page, report = tmp_path / "rotation.html", tmp_path / "rotation.json"
    run = rotate(tmp_path, rotation_report_page=str(page), rotation_report_file=str(report))
    assert run.returncode == 4, run.output
    assert f"The report: {page}" in run.output
    assert page.stat().st_mode & 0o777 == 0o600
    assert report.exists()
    browser.open(page)
    assert browser.one(".verdict").text == "1 host needs a person"
    assert browser.texts(".rows a") == ["dead", "lb1"]
    assert "Connection refused" in browser.texts(".needs li")[0]
    assert "Ended" in browser.one("#head p").text


def test_a_page_replaces_regular_files_only(tmp_path: pathlib.Path) -> None:
    page = tmp_path / "page.html"
    page.symlink_to(tmp_path / "elsewhere")
    run = rotate(tmp_path, rotation_report_page=str(page))
    assert "The report could not be written" in run.output
    assert page.is_symlink()
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("callback", ["ansible.posix.json", "ansible.posix.jsonl", "oneline"])
def test_the_table_does_not_follow_into_the_document_of_another_callback(tmp_path: pathlib.Path, callback: str) -> None:
    task = {"certops.rotation.certificate_sync": {"path": str(tmp_path / "certs"), "names": []}}
    play = tmp_path / "play.json"
    here = {"connection": "local", "vars": {"ansible_python_interpreter": sys.executable}}
    play.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": [task], **here}]))
    run = subprocess.run(
        ["ansible-playbook", str(play), "-i", "localhost,", "-e", f"rotation_report_file={tmp_path}/report.json"],
        env={
            **os.environ,
            "ANSIBLE_STDOUT_CALLBACK": callback,
            "ANSIBLE_CALLBACKS_ENABLED": "certops.rotation.rotation_report",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_HOME": str(tmp_path),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert json.loads((tmp_path / "report.json").read_text())["summary"]["unchanged"] == 1
    documents = {"ansible.posix.json": [run.stdout], "ansible.posix.jsonl": run.stdout.splitlines()}
    for document in documents.get(callback, []):
        json.loads(document)
    assert "1 unchanged" not in run.stdout
    assert "ROTATION" not in run.stdout
    table = run.stderr.partition("ROTATION")[2]
    assert "1 host: 1 unchanged." in table
    assert "The report: " in table
