# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keys where they do not belong, and in shapes that nobody expects: none of them is seen again, anywhere.

What templating makes of a JSON secret, a file as a list of lines, a misspelt option, a key where a path belongs.
The versions of ansible-core differ in what they make of such values, and in how they print them.
"""

from __future__ import annotations

import base64
import contextlib
import json
import pathlib
import textwrap
import time
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import argument_matrix, pki
from ansible_collections.certops.rotation.tests.support.moto import MotoServer
from ansible_collections.certops.rotation.tests.support.pki import CertificateAuthority
from ansible_collections.certops.rotation.tests.support.playbook import PlaybookRun, run_playbook

pytestmark = pytest.mark.usefixtures("ansible_version")

KEY = pki.private_key_pem(pki.new_key("rsa2048"))
_BASE64 = "".join(KEY.splitlines()[1:-1])
_ENCODED = base64.b64encode(KEY.encode()).decode()
SHORT_LINES = "\n".join(["-----BEGIN PRIVATE KEY-----", *textwrap.wrap(_BASE64, 18), "-----END PRIVATE KEY-----", ""])
# Of a line of 64 characters, and of what it becomes when it is cut or encoded.
FRAGMENTS = [text[start : start + 18] for text in (_BASE64, _ENCODED) for start in range(0, len(text) - 18, 18)]
VALUES: dict[str, t.Any] = {
    "text": KEY,
    "lines": KEY.splitlines(),
    "short lines": SHORT_LINES,
    "document": {"certificate": "x", "private_key": KEY},
    "name in a mapping": {KEY: 1},
    "deep": [[{"tls": {"key": [KEY]}}]],
    "bare base64": _BASE64,
    "base64 of PEM": _ENCODED,
    "surrogate": KEY + "\udcff",
}


def test_no_argument_of_any_module_shows_a_key() -> None:
    """Each option and suboption of each module, alone and with what the module requires; result and system's log."""
    verdict = argument_matrix.ask(VALUES, FRAGMENTS)
    assert verdict.calls > 5000
    assert verdict.wrong == []
    refusals = [message for message in verdict.messages.values() if "Its value is not shown" in message]
    assert len(refusals) > 2000
    for call in ("pem_bundle: private_key=lines", "shared_ca: import_from.private_key=document"):
        assert "The option " + call.split(" ")[1].split("=")[0] + " must be text, and a " in verdict.messages[call]


class Place:
    """A directory for whatever Ansible and the modules may leave behind, and what they are told about it."""

    def __init__(self, path: pathlib.Path, aws: MotoServer) -> None:
        self.certificates = path / "certs"
        self.left = path / "left"
        self.left.mkdir()
        (self.left / "tmp").mkdir()
        self.env = {
            **aws.env,
            "ANSIBLE_HOME": str(self.left / "home"),
            "ANSIBLE_LOCAL_TEMP": str(self.left / "local"),
            "ANSIBLE_REMOTE_TEMP": str(self.left / "remote"),
            "ANSIBLE_ASYNC_DIR": str(self.left / "async"),
            "ANSIBLE_LOG_PATH": str(self.left / "ansible.log"),
            "TMPDIR": str(self.left / "tmp"),
        }

    def run(self, tasks: list[dict[str, t.Any]], env: t.Mapping[str, str] | None = None, **more: t.Any) -> PlaybookRun:
        """All tasks, whatever becomes of those before them. No part of the key is printed or in any file left."""
        play = {"hosts": "all", "gather_facts": False, "tasks": [{"ignore_errors": True, **task} for task in tasks]}
        run = run_playbook({}, playbook=[play], env={**self.env, **(env or {})}, **more)
        assert run.returncode == 0, run.output
        # Ansible's wrapper of an asynchronous task removes its directory a moment after the task has ended.
        until = time.monotonic() + 30
        while (found := self._with_parts_of_the_key(run)) and time.monotonic() < until:
            time.sleep(0.2)
        assert not found, f"parts of the key are in {found}"
        return run

    def _with_parts_of_the_key(self, run: PlaybookRun) -> list[str]:
        seen = {"output": run.output}
        for file in self.left.rglob("*"):
            with contextlib.suppress(FileNotFoundError):
                seen.update({str(file): file.read_text("utf-8", "replace")} if file.is_file() else {})
        assert any("ansible.log" in name for name in seen)
        return sorted({name for name, text in seen.items() for fragment in FRAGMENTS if fragment in text})


@pytest.fixture
def place(tmp_path: pathlib.Path, aws: MotoServer) -> Place:
    return Place(tmp_path, aws)


@pytest.fixture(scope="module")
def certificate(intermediate: CertificateAuthority) -> pki.IssuedCertificate:
    return intermediate.issue("a.example.com")


def _module(module: str, /, **options: t.Any) -> dict[str, t.Any]:
    return {"name": f"{module} {sorted(options)}", f"certops.rotation.{module}": options}


def _wrong_tasks(directory: pathlib.Path) -> list[dict[str, t.Any]]:
    """One for each way in which a module takes a secret, with a value of another type or in another place."""
    bundle, socket = {"path": str(directory / "wrong.pem")}, {"socket": str(directory / "no-socket")}
    lines, document = VALUES["lines"], VALUES["document"]
    url = {"method": "http", "url": "http://127.0.0.1:9/"}
    return [
        _module("pem_bundle", **bundle, certificate=lines),
        _module("pem_bundle", **bundle, certificate="x", private_key=document),
        _module("pem_bundle", **bundle, certificate={KEY: 1}),
        _module("pem_bundle", **bundle, privat_key=KEY),
        _module("pem_bundle", **bundle, certificate=SHORT_LINES, layout=SHORT_LINES),
        _module("pem_bundle", certificate=document),  # no path
        _module("certificate_secret", name="web/a", certificate="x", private_key=lines),
        _module("certificate_verify", certificate="x", private_key=document),
        _module("haproxy_certificate", **socket, certificates=[{"name": "a", "content": document}]),
        _module("haproxy_ca_file", **socket, files=[{"name": "a", "content": lines}]),
        _module("haproxy_reload", **url, username="u", password=document),
        _module("shared_ca", import_from={"certificate": "x", "private_key": document}),
        _module(
            "shared_ca_member",
            path=str(directory),
            configurations=[{"dest": "/nonexistent/place", "content": document}],
        ),
        _module("certificate_sync", path=str(directory), names=["web/a"], passphrase=lines),
        _module("certificate_sync", path=str(directory), source="controller", names=["web/a"], validate_certs=KEY),
        _module("tls_endpoint_info", endpoints=["127.0.0.1:9"], trust_anchors=KEY),
        {**_module("pem_bundle", **bundle, certificate="x", private_key=lines), "async": 60, "poll": 1},
        *(
            {"ansible.builtin.debug": {"msg": f"{{{{ lookup('certops.rotation.certificate_secret', {arguments}) }}}}"}}
            for arguments in ("'web/a', passphrase=value", "'web/a', trust_anchors=value.values()", "value.private_key")
        ),
    ]


def test_a_key_of_another_type_or_in_another_place(place: Place, certificate: pki.IssuedCertificate) -> None:
    """This callback prints whole results, arguments included, whatever the verbosity; -vvvvv prints all the rest."""
    wrong = [{**task, "vars": {"value": VALUES["document"]}} for task in _wrong_tasks(place.certificates)]
    good = _module("pem_bundle", path=str(place.certificates / "a.pem"), certificate=certificate.combined_pem)
    run = place.run([*wrong, good], {"ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"}, verbosity=5)
    assert [task.task for task in run.tasks if task.status != "failed"] == [good["name"]], "the others go on"
    assert (place.certificates / "a.pem").read_text() == certificate.combined_pem
    assert [file.name for file in place.certificates.iterdir() if file.is_file()] == ["a.pem"]
    for task in run.tasks[:-1]:
        message = str(task.result["msg"])
        assert any(
            part in message
            for part in (
                " must be ",
                "holds a private key",
                "Unsupported parameters",
                "must have a text",
                "field_missing",
            )
        ) or message.startswith(("missing required", "parameters are mutually")), f"{task.task}: {message}"


def test_a_secret_that_templating_made_a_mapping(
    place: Place, aws: MotoServer, certificate: pki.IssuedCertificate, intermediate: CertificateAuthority
) -> None:
    """With ansible-core 2.18 a plain lookup is enough for that; with all, a filter."""
    aws.put_secret("web/a", certificate.secret_document())
    secret = "lookup('amazon.aws.secretsmanager_secret', 'web/a')"
    tasks = []
    for number, expression in enumerate([secret, f"{secret} | from_json"]):
        value = {"certificate": f"{{{{ {expression} }}}}"}
        tasks += [
            _module("pem_bundle", path=str(place.certificates / f"{number}.pem"), **value),
            _module("certificate_secret", name=f"copy/{number}", **value),
            _module("certificate_verify", **value, trust_anchors=intermediate.root_pem, fail_on_invalid=True),
        ]
    # Not at -vvvv, where that lookup itself prints what it has read.
    run = place.run(tasks, {"ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"}, verbosity=3)
    assert {task.status for task in run.tasks} == {"ok"}, run.output
    for number in range(2):
        assert (place.certificates / f"{number}.pem").read_text() == certificate.combined_pem
        stored = json.loads(aws.client().get_secret_value(SecretId=f"copy/{number}")["SecretString"])
        assert stored["private_key"].strip() == certificate.private_key_pem.strip()


@pytest.mark.parametrize("setting", ["ANSIBLE_DEBUG", "ANSIBLE_KEEP_REMOTE_FILES"])
def test_settings_that_print_or_leave_keys(
    place: Place, certificate: pki.IssuedCertificate, tmp_path: pathlib.Path, setting: str
) -> None:
    """Refused for every module that is given a secret, however it is called; files of the host do not matter."""
    bundle = {"path": str(place.certificates / "wrong.pem"), "certificate": "x"}
    with_key = {**bundle, "private_key": KEY}
    url = {"method": "http", "url": "http://127.0.0.1:9/"}
    content = {"socket": "/nonexistent/place", "certificates": [{"name": "a", "content": KEY}]}
    local = {"ansible_connection": "local"}
    refused = [
        _module("pem_bundle", **with_key),
        {**_module("pem_bundle", **with_key), "async": 60, "poll": 1},
        {**_module("pem_bundle", **with_key), "delegate_to": "another", "vars": local},
        {**_module("pem_bundle", **bundle), "module_defaults": {"group/certops.rotation.all": {"private_key": KEY}}},
        {"name": "by action", "action": {"module": "certops.rotation.pem_bundle", **with_key}},
        {"name": "short", "collections": ["certops.rotation"], "pem_bundle": with_key},
        _module("pem_bundle", **bundle, privat_key=KEY),
        _module("certificate_secret", name="web/a", certificate="x", private_key=KEY),
        _module("certificate_secret_info", names=["web/a"], passphrase=KEY),
        _module("certificate_sync", path="/nonexistent/place", names=["web/a"], passphrase=KEY),
        _module("certificate_sync", path="/nonexistent/place", names=["web/a"], source="controller", passphrase=KEY),
        _module("certificate_verify", certificate="x", private_key=KEY),
        _module("haproxy_certificate", **content),
        _module("haproxy_ca_file", socket="/nonexistent/place", files=[{"name": "a", "content": KEY}]),
        _module("haproxy_reload", **url, username="u", password=KEY),
        _module("haproxy_reload", **url, headers={"Authorization": KEY}),
        _module("rotation_doctor_info", path="/nonexistent/place", passphrase=KEY),
        _module("shared_ca", import_from={"certificate": "x", "private_key": KEY}),
        _module(
            "shared_ca_member",
            path="/nonexistent/place",
            configurations=[{"dest": "/nonexistent/place", "content": KEY}],
        ),
        _module("tls_endpoint_info", endpoints=["127.0.0.1:9"], trust_anchors=KEY),
    ]
    source = tmp_path / "source.pem"
    source.write_text(certificate.combined_pem)
    files = _module("pem_bundle", path=str(place.certificates / "a.pem"), certificate_src=str(source))
    run = place.run([*refused, files, {**files, "async": 60, "poll": 1}], {setting: "1"})
    for task in run.tasks[: len(refused)]:
        assert "would show private keys" in str(task.result.get("msg")), f"{task.task}: {task.result}"
    assert [task.status for task in run.tasks[len(refused) :]] == ["ok", "ok"], run.output
    assert (place.certificates / "a.pem").read_text() == certificate.combined_pem


def test_a_file_that_every_user_may_read_is_no_way_for_keys(place: Place) -> None:
    """Ansible's last resort for the arguments of a task that becomes an unprivileged user."""
    task = {**_module("pem_bundle", path="/nonexistent/place/a.pem", certificate=KEY), "become": True}
    task |= {"become_user": "nobody", "become_method": "ansible.builtin.su"}
    run = place.run([task], {"ANSIBLE_SHELL_ALLOW_WORLD_READABLE_TEMP": "1"})
    assert "setting allow_world_readable_tmpfiles would show private keys" in run.error
