# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""haproxy_rotation with many certificates: hot updates or one reload, by what both cost or by what was asked for."""

from __future__ import annotations

import functools
import json
import pathlib
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.haproxy.update_cost import FEW
from ansible_collections.certops.rotation.plugins.module_utils._flows.rotate import update_way
from ansible_collections.certops.rotation.plugins.module_utils._flows.rotate.activate import update_memory
from ansible_collections.certops.rotation.plugins.module_utils._flows.rotate.memory_items import of_files
from ansible_collections.certops.rotation.plugins.module_utils._flows.rotate.settings import (
    MemorySettings,
    ReloadSettings,
)
from ansible_collections.certops.rotation.plugins.module_utils._ports.reload.master import MasterReloader
from ansible_collections.certops.rotation.tests.support import pki, rotation
from ansible_collections.certops.rotation.tests.support.fork_server import ModuleServer
from ansible_collections.certops.rotation.tests.support.haproxy import HaproxyInstance
from ansible_collections.certops.rotation.tests.support.module import ModuleRun
from ansible_collections.certops.rotation.tests.support.moto import MotoServer

ROLE = "haproxy_certificates_"
SLOW = {"certificates": FEW, "seconds": 60.0}  # hot updates
MANY = FEW + 2
LIMIT = 16384  # bytes, tune.bufsize


class Host:
    """A scene whose HAProxy can be reloaded by its master."""

    def __init__(self, scene: rotation.Scene, modules: ModuleServer) -> None:
        self.scene = scene
        self._modules = modules

    def __call__(self, check: bool = False, **options: t.Any) -> ModuleRun:
        usual = {name.removeprefix(ROLE): value for name, value in self.scene.variables.items()}
        options = {**usual, "reload_methods": ["master"], "max_names": 1, **options}
        return self._modules.run("haproxy_rotation", options, check=check, env=self.scene.aws.env)

    def good(self, check: bool = False, **options: t.Any) -> dict[str, t.Any]:
        run = self(check, **options)
        assert not run.failed, run.output
        return run.result

    def renew(self, number: int) -> dict[str, pki.IssuedCertificate]:
        return {f"n{each:02}": self.scene.store(f"n{each:02}") for each in range(number)}

    def remember(self, **costs: dict[str, t.Any]) -> None:
        """As if runs before had measured this."""
        path = self.scene.haproxy.certs_dir / ".certops/state.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "update_costs": costs}))

    def serves(self, issued: t.Mapping[str, pki.IssuedCertificate]) -> bool:
        return all(self.scene.served(name) == each.fingerprint_sha256 for name, each in issued.items())


@pytest.fixture
def host(scene: rotation.Scene, modules: ModuleServer) -> Host:
    return Host(scene, modules)


def plan_of(result: t.Mapping[str, t.Any]) -> tuple[str, str, int]:
    plan = result["update_plan"]
    return plan["way"], plan["reason"], plan["changes"]


def test_many_by_what_this_haproxy_has_shown(haproxy_version: str, host: Host) -> None:
    """At first by the usual numbers; then as it has been slow with hot updates; few of them never."""
    scene = host.scene
    issued = host.renew(MANY)
    first = host.good()
    assert (first["activation"], *plan_of(first)) == ("hot_update", "hot_update", "cheaper", MANY)
    measured = scene.state()["update_costs"]
    assert measured["hot_update"]["certificates"] == MANY
    assert 0 < measured["hot_update"]["seconds"] < 60
    assert "reload" not in measured

    host.remember(hot_update=SLOW)
    issued = host.renew(MANY)
    worker = scene.haproxy.worker_pid()
    predicted = host.good(check=True)
    assert (predicted["activation"], *plan_of(predicted)) == ("none", "reload", "cheaper", MANY)
    assert predicted["plan"][-1] == f"HAProxy: {predicted['update_plan']['msg']}"
    assert predicted["plan"][-1].startswith(f"HAProxy: one reload for {MANY} changes, for that is cheaper (")
    assert predicted["diff"]["after"]["HAProxy:"] == predicted["update_plan"]["msg"]
    assert scene.haproxy.worker_pid() == worker

    done = host.good()
    assert (done["activation"], *plan_of(done)) == ("reload", "reload", "cheaper", MANY)
    estimate = done["update_plan"]["estimate"]
    assert estimate["certificates"] == MANY + 1, "HAProxy has the default one, too"
    assert 0 < estimate["reload_mb"] < estimate["free_mb"]
    assert len(done["proven"]) == MANY
    assert [attempt["reloaded"] for attempt in done["reload_attempts"]] == [True]
    assert host.serves(issued)
    kept = scene.state()["update_costs"]
    assert kept["hot_update"] == SLOW
    assert kept["reload"]["certificates"] == MANY + 1

    worker = scene.haproxy.worker_pid()
    issued |= host.renew(2)
    few = host.good()
    assert (few["activation"], *plan_of(few)) == ("hot_update", "hot_update", "few", 2)
    assert "HAProxy:" not in few["diff"]["after"]
    assert scene.haproxy.worker_pid() == worker
    assert host.serves(issued)
    for check in (True, False):
        unchanged = host.good(check=check)
        assert (unchanged["changed"], unchanged["update_plan"]) == (False, None)


def test_a_reload_that_fails(host: Host) -> None:
    """Something else is wrong with the configuration: the certificates are served nevertheless, each by hot update."""
    scene = host.scene
    host.renew(MANY)
    host.good()
    host.remember(hot_update=SLOW)
    issued = host.renew(MANY)
    scene.haproxy.write_config("no such keyword")
    run = host()
    assert not run.failed, run.output
    assert (run.result["activation"], *plan_of(run.result)) == ("hot_update", "reload", "cheaper", MANY)
    assert len(run.result["proven"]) == MANY
    assert host.serves(issued)
    assert [attempt["reloaded"] for attempt in run.result["reload_attempts"]] == [False]
    assert "HAProxy was not reloaded, so each certificate is updated by itself. master:" in run.output


def test_a_reload_that_fails_with_a_crt_list(aws: MotoServer, modules: ModuleServer) -> None:
    """Its lines were entered for the reload: new ones are served nevertheless, and removed ones are not."""
    with rotation.scene(aws, tls=("crt-list {crt_list}",), crt_list=["{certs}/default.pem"]) as scene:
        host = Host(scene, modules)
        crt_list = str(scene.haproxy.crt_list_path)
        host.renew(2)
        host.good(crt_list=crt_list)
        host.remember(hot_update=SLOW)
        issued = host.renew(MANY)
        scene.aws.client().delete_secret(SecretId="web/n01", ForceDeleteWithoutRecovery=True)
        del issued["n01"]
        scene.haproxy.write_config("no such keyword")
        run = host(crt_list=crt_list, prune=True)
        assert not run.failed, run.output
        assert (run.result["activation"], *plan_of(run.result)) == ("hot_update", "reload", "cheaper", MANY)
        assert host.serves(issued)
        assert "web_n01" not in scene.haproxy.crt_list_path.read_text() + scene.haproxy.execute("show ssl cert")
        lines = [line for line in scene.haproxy.crt_list_path.read_text().splitlines() if "web_" in line]
        assert sorted(lines) == sorted(str(scene.file(name)) for name in issued)
        assert host.good(crt_list=crt_list, prune=True)["changed"] is False


@pytest.fixture
def strict(aws: MotoServer, modules: ModuleServer) -> t.Iterator[Host]:
    """A HAProxy with a crt-list whose rules are stricter than ours."""
    lines = {"tls": ("crt-list {crt_list}",), "crt_list": ["{certs}/default.pem"]}
    with rotation.scene(aws, extra_global=("ssl-default-bind-ciphers DEFAULT:@SECLEVEL=2",), **lines) as scene:
        scene.variables |= {f"{ROLE}crt_list": str(scene.haproxy.crt_list_path), f"{ROLE}min_rsa_bits": 1024}
        yield Host(scene, modules)


@pytest.mark.parametrize("update_by", ["reload", "cost"])
def test_a_line_goes_with_its_certificate(strict: Host, update_by: str) -> None:
    """What was entered for a reload that was refused breaks no later one."""
    scene = strict.scene
    before = strict.renew(2)
    strict.good()
    strict.remember(hot_update=SLOW)
    weak = scene.authority.issue("weak.example.com", key_type="rsa1024")
    scene.aws.put_secret("web/weak", weak.secret_document())
    new = strict.renew(MANY)
    issued = before if update_by == "reload" else new
    run = strict(update_by=update_by)
    assert run.failed
    assert run.result["activation"] == ("none" if update_by == "reload" else "hot_update")
    assert [attempt["reloaded"] for attempt in run.result["reload_attempts"]] == [False]
    assert set(run.result["rolled_back"]) == {
        f"web/{name}" for name in ("weak", *new) if name not in issued or issued is before
    }
    paths = sorted(str(scene.file(name)) for name in issued)
    assert sorted(map(str, scene.haproxy.certs_dir.glob("web_*"))) == paths
    assert sorted(line for line in scene.haproxy.crt_list_path.read_text().splitlines() if "web_" in line) == paths
    assert strict.serves(issued)
    assert scene.haproxy.reload()
    assert strict.serves(issued)


def test_a_line_of_one_too_large_goes_with_it(aws: MotoServer, modules: ModuleServer) -> None:
    """It was entered for the reload that it needs, and that is refused."""
    with rotation.scene(aws, tls=("crt-list {crt_list}",), crt_list=["{certs}/default.pem"]) as scene:
        names = [f"{'n' * 50}{number:03}.example.com" for number in range(250)]
        aws.put_secret("web/large", scene.authority.issue(names).secret_document())
        before = scene.haproxy.crt_list_path.read_text()
        scene.haproxy.write_config("no such keyword")
        run = Host(scene, modules)(crt_list=str(scene.haproxy.crt_list_path), update_by="hot_update")
        assert run.failed
        assert run.result["rolled_back"] == ["web/large"]
        assert [attempt["reloaded"] for attempt in run.result["reload_attempts"]] == [False]
        assert scene.haproxy.crt_list_path.read_text() == before
        assert not scene.file("large").exists()


def test_no_way_to_reload(host: Host) -> None:
    host.renew(MANY)
    host.good()
    host.remember(hot_update=SLOW)
    issued = host.renew(MANY)
    for options in ({"reload_methods": []}, {"master_socket": "/nonexistent/master.sock"}):
        assert plan_of(host.good(check=True, **options)) == ("hot_update", "no_reload", MANY)
    assert host.good(**options)["activation"] == "hot_update"
    assert host.serves(issued)
    nothing = host(update_by="reload", reload_methods=[])
    assert nothing.failed
    assert "update_by is reload, and reload_methods is empty" in nothing.result["msg"]


def test_one_needs_a_reload_anyway(haproxy_version: str, host: Host) -> None:
    """Then it is all that is done, and check mode says so before the large one is on disk."""
    scene = host.scene
    host.renew(3)
    host.good()
    authority = scene.authority
    for number in range(30):
        authority = pki.CertificateAuthority(f"Level {number} of a long chain", parent=authority)
    large = authority.issue("large.example.com")
    scene.aws.put_secret("web/large", large.secret_document())
    issued = {**host.renew(3), "large": large}
    assert plan_of(host.good(check=True)) == ("reload", "reload_needed", 4)
    assert plan_of(host.good(check=True, update_by="hot_update")) == ("hot_update", "asked", 4)
    updates = scene.haproxy.execute("show ssl ca-file").count("@not-told/")
    assert updates == 3, "one mark for each hot update so far"
    done = host.good()
    assert (done["activation"], *plan_of(done)) == ("reload", "reload", "reload_needed", 4)
    assert "@not-told/" not in scene.haproxy.execute("show ssl ca-file"), "no hot update since the reload"
    assert len(done["reload_attempts"]) == 1
    assert host.serves(issued)


def test_whether_it_fits_is_foreseen(haproxy_version: str, haproxy: HaproxyInstance) -> None:
    """To the byte: what HAProxy takes is not reloaded for, and what it does not take is known before."""
    authority = pki.CertificateAuthority("Padding")
    path = haproxy.certificate_name("a.pem")
    memory = MemorySettings(haproxy.socket, 10, [str(haproxy.config_path)])
    reloading = ReloadSettings(["master"], reloader(haproxy), False, "", [], 10)
    names = [f"{'n' * 50}{number:03}.example.com" for number in range(150)]
    fits = set()
    while len(pem := authority.issue(names).combined_pem) < LIMIT - 180:
        names.append(f"{'n' * min(50, (LIMIT - len(pem)) // 4)}{len(names)}.example.com")
    for more in range(0, 130, 13):
        pem = authority.issue([*names, *([f"{'p' * 20}.{'q' * more}.example.com"] if more else [])]).combined_pem
        haproxy.write_certificate("a.pem", pem)
        items = [{"src": path, "state": "present"}]
        way = update_way.WayQuestion(items, "direct", "cost", memory, reloading).answer()
        (outcome,) = update_memory(memory, of_files(items, None), check_mode=False).outcomes
        assert outcome.error_code in (None, "payload_too_large"), outcome.message
        expected = ("reload", "reload_needed") if outcome.error_code else ("hot_update", "few")
        assert way[:2] == expected, len(pem)
        fits.add(outcome.error_code is None)
    assert fits == {True, False}


def reloader(haproxy: HaproxyInstance) -> t.Callable[[str], MasterReloader]:
    return lambda _method: MasterReloader(haproxy.master_socket, 10)


def test_a_second_worker_does_not_fit(host: Host, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit of HAProxy's group is what counts, not what the machine has."""
    haproxy = host.scene.haproxy
    items = [{"src": f"/nowhere/{number}.pem", "state": "present"} for number in range(MANY)]
    question = update_way.WayQuestion(
        items,
        "direct",
        "cost",
        MemorySettings(haproxy.socket, 10, [str(haproxy.config_path)]),
        ReloadSettings(["master"], reloader(haproxy), False, "", [], 10),
        kept={"hot_update": SLOW},
    )
    assert question.answer()[:2] == ("reload", "cheaper")
    (tmp_path / "memory").mkdir()
    for name, value in (("memory.max", 100 << 20), ("memory.current", 99 << 20)):
        (tmp_path / name).write_text(f"{value}\n")
    for name, value in (("limit_in_bytes", 100 << 20), ("usage_in_bytes", 99 << 20)):
        (tmp_path / "memory" / f"memory.{name}").write_text(f"{value}\n")
    monkeypatch.setattr(update_way, "memory_room", functools.partial(update_way.memory_room, cgroups=str(tmp_path)))
    way = question.answer()
    assert way[:2] == ("hot_update", "memory")
    assert way.estimate.free_mb == 1
    assert way.estimate.reload_mb > 1
    assert "a second worker does not fit" in way.message


def test_asked_for_with_a_crt_list(aws: MotoServer, modules: ModuleServer) -> None:
    """A reload finds the lines of new ones, and none of removed ones, in the crt-list file."""
    with rotation.scene(aws, tls=("crt-list {crt_list}",), crt_list=["{certs}/default.pem"]) as scene:
        host = Host(scene, modules)
        crt_list = str(scene.haproxy.crt_list_path)
        options = {"crt_list": crt_list, "update_by": "reload", "prune": True}
        worker = scene.haproxy.worker_pid()
        issued = host.renew(2)
        assert plan_of(host.good(check=True, **options)) == ("reload", "asked", 2)
        assert "web_n00" not in scene.haproxy.crt_list_path.read_text()
        done = host.good(**options)
        assert done["activation"] == "reload"
        assert scene.haproxy.worker_pid() != worker
        assert host.serves(issued)
        assert [line for line in scene.haproxy.crt_list_path.read_text().splitlines() if "web_" in line] == [
            str(scene.file("n00")),
            str(scene.file("n01")),
        ]

        worker = scene.haproxy.worker_pid()
        scene.aws.client().delete_secret(SecretId="web/n01", ForceDeleteWithoutRecovery=True)
        gone = host.good(**options)
        assert gone["activation"] == "reload"
        assert scene.haproxy.worker_pid() != worker
        assert "web_n01" not in scene.haproxy.crt_list_path.read_text() + scene.haproxy.execute("show ssl cert")
        assert host.good(**options)["changed"] is False


def test_asked_for_and_refused(host: Host) -> None:
    """Then nothing else is tried: what is new goes back, as without a socket."""
    before = host.renew(2)
    host.good()
    host.renew(2)
    host.scene.haproxy.write_config("no such keyword")
    run = host(update_by="reload")
    assert run.failed
    assert (run.result["activation"], plan_of(run.result)) == ("none", ("reload", "asked", 2))
    assert host.serves(before)
    assert {name: host.scene.file(name).read_text() for name in before} == {
        name: each.combined_pem for name, each in before.items()
    }


def test_what_is_not_decided_here(host: Host) -> None:
    host.renew(1)
    assert plan_of(host.good(check=True, activation="handlers")) == ("reload", "handlers", 1)
    assert plan_of(host.good(check=True, socket="")) == ("reload", "no_socket", 1)
    assert host.good(check=True, activate=False)["update_plan"] is None
