# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rulebooks: a real ansible-rulebook listens where it is told to, and whom it believes makes it rotate."""

from __future__ import annotations

import base64
import contextlib
import hmac
import http.client
import importlib.util
import json
import os
import pathlib
import re
import socket
import ssl
import subprocess
import sys
import time
import typing as t
import urllib.error
import urllib.request

import jinja2
import pytest
import yaml
from ansible_collections.certops.rotation.tests.support import documented, pki, rotation, secrets_scan
from ansible_collections.certops.rotation.tests.support.event_registry import EventRegistry
from ansible_collections.certops.rotation.tests.support.ports import free_port
from ansible_rulebook.util import substitute_variables
from cryptography.x509.oid import ExtendedKeyUsageOID

SOURCES = documented.ROOT / "extensions" / "eda" / "plugins" / "event_source"
RULEBOOKS = documented.ROOT / "extensions" / "eda" / "rulebooks"
TOKEN = "a-token-that-nobody-guesses"
PATIENCE = 120  # seconds


class Listener:
    """An ansible-rulebook that runs one of the collection's rulebooks for a scene. variables: of the rulebook."""

    def __init__(
        self, scene: rotation.Scene, folder: pathlib.Path, rulebook: str = "rotate", **variables: t.Any
    ) -> None:
        prefix = "rotation" if rulebook.startswith("rotate") else rulebook
        self.host = variables.get(f"{prefix}_webhook_host", "127.0.0.1")
        self.port = variables[f"{prefix}_webhook_port"]
        self.tls: ssl.SSLContext | None = None
        self._log = folder / "log"
        here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        inventory = {"haproxy": {"hosts": {"host": {}}, "vars": {**here, **scene.variables}}}
        (folder / "inventory.yml").write_text(json.dumps(inventory))
        if not (folder / "variables.yml").exists():
            (folder / "variables.yml").write_text(json.dumps({"rotation_webhook_token": TOKEN, **variables}))
        self.words = ["ansible-rulebook", "--rulebook", f"certops.rotation.{rulebook}"]
        self.words += ["--inventory", "inventory.yml", "--vars", "variables.yml"]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [pathlib.Path(sys.executable).with_name(self.words[0]), "-vv", *self.words[1:]],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **scene.aws.env, "ANSIBLE_NOCOLOR": "true", "ANSIBLE_VERBOSITY": "3"},
            )

    def __enter__(self) -> Listener:
        self.wait(lambda: self.listens(self.host), "to listen")
        return self

    def __exit__(self, exception: object, *_more: object) -> None:
        if exception is None:  # a playbook under way would be left without a parent
            self.wait(lambda: self.log.count("Ansible runner rc: ") >= self.runs, "to end what runs")
        self._process.terminate()
        self._process.wait(PATIENCE)
        secrets_scan.assert_no_private_key(self.log)

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def listens(self, host: str) -> bool:
        with contextlib.suppress(OSError), socket.create_connection((host, self.port), timeout=5):
            return True
        return False

    @property
    def runs(self) -> int:
        """Playbooks that have begun."""
        return self.log.count("Calling Ansible runner")

    def wait(self, done: t.Callable[[], bool], what: str) -> None:
        end = time.monotonic() + PATIENCE
        while not done():
            if time.monotonic() > end or self._process.poll() is not None:
                raise AssertionError(f"ansible-rulebook was waited for {what}:\n{self.log}")
            time.sleep(0.1)

    def post(self, path: str, token: str = TOKEN, **headers: str) -> int:
        """The status of the answer. headers: more of them, underscores for hyphens."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        given = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", **named}
        url = f"{'https' if self.tls else 'http'}://{self.host}:{self.port}/{path}"
        try:
            with urllib.request.urlopen(
                urllib.request.Request(url, b"{}", given), timeout=30, context=self.tls
            ) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code


def test_a_request_rotates(scene: rotation.Scene, tmp_path: pathlib.Path) -> None:
    """As the page *On request* says it: with its token, its command and its request."""
    start, ask = (block for block in documented.commands("operations.md") if "rotation_webhook_token" in block)
    make_token, run, _end = start.split("\n")
    assert documented.shell(make_token, tmp_path, {}).returncode == 0
    made = tmp_path / "variables.yml"
    assert made.stat().st_mode & 0o777 == 0o600
    token = yaml.safe_load(made.read_text())["rotation_webhook_token"]
    port = free_port()
    with made.open("a") as variables:
        variables.write(f"rotation_webhook_port: {port}\n")

    issued = scene.store("a")
    with Listener(scene, tmp_path, rotation_webhook_port=port) as listener:
        assert set(run.split()) <= set(listener.words)
        assert not listener.listens("127.0.0.2"), "nobody but this host can ask, unless that is wanted"
        assert listener.post("reload", token="guessed") == 401
        assert listener.post("other", token=token) == 200
        asked = documented.shell(ask.replace(":8000/", f":{port}/"), tmp_path, {})
        assert asked.returncode == 0, asked.stdout
        listener.wait(lambda: "PLAY RECAP" in listener.log, "to end the play")
        assert scene.served("a") == issued.fingerprint_sha256
        assert listener.log.count("PLAY RECAP") == 1
        assert token not in listener.log


def test_it_listens_where_it_is_told_to(scene: rotation.Scene, tmp_path: pathlib.Path) -> None:
    with Listener(scene, tmp_path, rotation_webhook_host="127.0.0.2", rotation_webhook_port=free_port()) as listener:
        assert not listener.listens("127.0.0.1")
        assert listener.post("other") == 200


def test_an_endpoint_that_serves_what_ends_rotates(scene: rotation.Scene, tmp_path: pathlib.Path) -> None:
    """The scan's events come through the registry, signed, and once is enough for many endpoints."""
    issued = scene.store("a")
    registry = EventRegistry(tmp_path / "endpoints.db")
    registry.tell("a", "b", days=1)
    with Listener(
        scene, tmp_path, "endpoints", endpoints_webhook_port=free_port(), endpoints_webhook_secret=TOKEN
    ) as listener:
        url = f"http://127.0.0.1:{listener.port}/endpoint"
        stranger = registry.run("stranger", url=url, secret="guessed", retries=0)
        assert stranger.failed
        assert "answers 401" in stranger.result["msg"]
        assert registry.run("unsigned", url=url, retries=0).failed
        run = registry.run("rulebook", url=url, secret=TOKEN)
        assert (run.failed, run.result["delivered"]) == (False, 4), run.output
        listener.wait(lambda: "PLAY RECAP" in listener.log, "to end the play")
        assert scene.served("a") == issued.fingerprint_sha256
        assert not registry.run("rulebook", url=url, secret=TOKEN).result["changed"]
        assert listener.post("other", token="") == 400, "unsigned"
        assert listener.log.count("PLAY RECAP") == 1
        assert TOKEN not in listener.log


def of_server(folder: pathlib.Path, authority: pki.CertificateAuthority) -> dict[str, str]:
    """Variables for TLS, with a key that has a password."""
    issued = authority.issue("localhost", passphrase=b"its password")
    (folder / "server.pem").write_text(issued.certificate_pem)
    (folder / "server.key").write_text(issued.private_key_pem)
    (folder / "authority.pem").write_text(authority.root_pem)
    return {
        "rotation_webhook_certfile": str(folder / "server.pem"),
        "rotation_webhook_keyfile": str(folder / "server.key"),
        "rotation_webhook_password": "its password",
    }


def trusting(folder: pathlib.Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=folder / "authority.pem")
    context.check_hostname = False
    return context


def test_twenty_requests_in_a_row(scene: rotation.Scene, tmp_path: pathlib.Path) -> None:
    """All are answered; few runs do; a run that fails ends nothing."""
    tls = of_server(tmp_path, pki.CertificateAuthority())
    scene.aws.put_secret(f"{rotation.PREFIX}broken", "no certificate")
    with Listener(scene, tmp_path, "rotate_tls", rotation_webhook_port=free_port(), **tls) as listener:
        with pytest.raises((OSError, http.client.HTTPException)):
            listener.post("reload")  # without TLS
        listener.tls = trusting(tmp_path)
        assert listener.post("reload", token="guessed") == 401
        assert listener.post("reload") == 200
        listener.wait(lambda: "Ansible runner rc: 2" in listener.log, "to fail")
        assert "web/broken" in listener.log
        scene.aws.client().delete_secret(SecretId=f"{rotation.PREFIX}broken", ForceDeleteWithoutRecovery=True)

        issued = scene.store("a")
        began = time.monotonic()
        assert [listener.post("reload") for _number in range(20)] == [200] * 20
        windows = (time.monotonic() - began) / 2 + 1
        listener.wait(lambda: scene.served("a") == issued.fingerprint_sha256, "to rotate")
        again = scene.store("a")
        assert listener.post("reload") == 200
        listener.wait(lambda: scene.served("a") == again.fingerprint_sha256, "to rotate once more")
        assert listener.runs <= 2 + windows, "requests of two seconds have one run"
        assert TOKEN not in listener.log


def test_who_signs_and_has_a_certificate_may_ask(scene: rotation.Scene, tmp_path: pathlib.Path) -> None:
    authority = pki.CertificateAuthority()
    tls = of_server(tmp_path, authority)
    client = authority.issue("ci.example.com", usages=[ExtendedKeyUsageOID.CLIENT_AUTH])
    (tmp_path / "client.pem").write_text(client.combined_pem)
    how = {"algorithm": "sha512", "header": "x-signature", "format": "base64", "secret": TOKEN}
    issued = scene.store("a")
    with Listener(
        scene,
        tmp_path,
        "rotate_signed_tls",
        rotation_webhook_port=free_port(),
        rotation_webhook_cafile=str(tmp_path / "authority.pem"),
        **tls,
        **{f"rotation_webhook_{name}": value for name, value in how.items()},
    ) as listener:
        signature = base64.b64encode(hmac.digest(TOKEN.encode(), b"{}", "sha512")).decode()
        listener.tls = trusting(tmp_path)
        with pytest.raises((OSError, http.client.HTTPException)):
            listener.post("reload", x_signature=signature)  # without a certificate
        listener.tls.load_cert_chain(tmp_path / "client.pem")
        assert listener.post("reload") == 400
        assert listener.post("reload", x_signature=signature.replace(signature[:3], "AAA", 1)) == 401
        assert listener.post("reload", x_signature=signature) == 200
        listener.wait(lambda: scene.served("a") == issued.fingerprint_sha256, "to rotate")
        assert listener.runs == 1
        assert TOKEN not in listener.log


def ruleset(rulebook: str) -> dict[str, t.Any]:
    (found,) = yaml.safe_load((RULEBOOKS / f"{rulebook}.yml").read_text(encoding="utf-8"))
    return dict(found)


def test_requests_differ_in_who_may_ask_alone() -> None:
    options = {}
    for rulebook in ("rotate", "rotate_tls", "rotate_signed", "rotate_signed_tls"):
        (source,) = ruleset(rulebook)["sources"]
        assert ruleset(rulebook)["rules"] == ruleset("rotate")["rules"]
        options[rulebook] = source["eda.builtin.webhook"]
    with_tls = {name: value for name, value in options["rotate_tls"].items() if name not in options["rotate"]}
    assert options["rotate_tls"] == {**options["rotate"], **with_tls}
    assert options["rotate_signed_tls"] == {**options["rotate_signed"], **with_tls}
    assert "token" in options["rotate"]
    assert "hmac_secret" in options["rotate_signed"]


@pytest.mark.parametrize("rulebook", sorted(path.stem for path in RULEBOOKS.glob("*.yml")))
def test_one_event_is_all_that_a_rule_needs(rulebook: str) -> None:
    """Rules over several events keep them, and memory grows."""
    for rule in ruleset(rulebook)["rules"]:
        assert isinstance(rule["condition"], str)
        assert set(re.findall(r"\bevents?\b[.\w]*", rule["condition"])) <= {
            "event.meta.endpoint",
            "event.payload.kind",
            "event.secret_events.kind",
        }
    assert not any("events." in rule["condition"].replace("secret_events.", "") for rule in ruleset(rulebook)["rules"])


def source_options(args: t.Mapping[str, t.Any], variables: t.Mapping[str, t.Any]) -> t.Any:
    """What the source makes of its arguments, rendered as ansible-rulebook does."""
    spec = importlib.util.spec_from_file_location("secret_events", SOURCES / "secret_events.py")
    assert spec
    assert spec.loader
    source = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = source  # NamedTuple looks for it there
    spec.loader.exec_module(source)
    return source.options_of(substitute_variables(dict(args), dict(variables)))


@pytest.mark.parametrize("rulebook", ["secrets", "promote", "expiring"])
def test_the_source_takes_what_a_rulebook_gives(rulebook: str) -> None:
    """Without any variable, with each of them, and with each as text."""
    (source,) = ruleset(rulebook)["sources"]
    args = source["certops.rotation.secret_events"]
    queue = {"secrets": "certificates"}.get(rulebook, f"certificates-{rulebook}")
    by_default = source_options(args, {})
    assert by_default.queue == queue
    assert by_default.kinds == {"secrets": ["secret"], "promote": ["candidate"]}.get(rulebook, [rulebook])
    assert (by_default.settle, by_default.at_most) == (0.2, 10.0)
    if rulebook == "promote":
        assert by_default.labels == ["CANDIDATE"]
    given = {
        "queue": "another",
        "region": "eu-west-1",
        "profile": "events",
        "endpoint_url": "http://127.0.0.1:4566",
        "names": ["a", "b*"],
        "name_prefix": ["web/"],
        "tags": {"Team": "web"},
        "settle": 1,
        "at_most": 20,
        "again": 60,
        "tick": 600,
    }
    named = set(re.findall(r"\bevents_(\w+)", json.dumps(args)))
    assert named <= set(given)
    texts = {"names": "a,b*", "name_prefix": "web/", "tags": '{"Team": "web"}'}
    for values in (given, {name: texts.get(name, str(value)) for name, value in given.items()}):
        made = source_options(args, {f"events_{name}": values[name] for name in named})
        assert {name: getattr(made, name) for name in named} == {name: given[name] for name in named}


@pytest.mark.parametrize(
    ("rulebook", "port", "secret"),
    [("rotate", "8000", "token"), ("rotate_signed", "8000", "hmac_secret"), ("endpoints", "8001", "hmac_secret")],
)
def test_its_defaults(rulebook: str, port: str, secret: str) -> None:
    (source,) = ruleset(rulebook)["sources"]
    render = jinja2.Environment(undefined=jinja2.StrictUndefined).from_string
    options = source["eda.builtin.webhook"]
    assert [render(str(options[name])).render() for name in ("host", "port")] == ["127.0.0.1", port]
    with pytest.raises(jinja2.UndefinedError):
        render(options[secret]).render()
