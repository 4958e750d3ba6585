# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fixtures of the integration tests: one emulated AWS a test process, emptied for every test; HAProxy in all versions.

A test or module that uses the fixture haproxy_version runs with each of them. The mark installed_haproxy on a test in
such a module keeps it to the installed one: what it shows does not depend on HAProxy. ansible_version is the same for
ansible-core.
"""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import ansible_core, pebble, rotation
from ansible_collections.certops.rotation.tests.support import haproxy as haproxy_support
from ansible_collections.certops.rotation.tests.support.acme_dns import AwsWithDns, aws_with_dns
from ansible_collections.certops.rotation.tests.support.aws_faults import AwsFaults
from ansible_collections.certops.rotation.tests.support.candidates import Candidates
from ansible_collections.certops.rotation.tests.support.fork_server import ModuleServer
from ansible_collections.certops.rotation.tests.support.haproxy import HaproxyInstance
from ansible_collections.certops.rotation.tests.support.issuing_scene import PROGRAM as ISSUING_PROGRAM
from ansible_collections.certops.rotation.tests.support.ministack import MinistackServer, ministack_server
from ansible_collections.certops.rotation.tests.support.moto import MotoServer, moto_server
from ansible_collections.certops.rotation.tests.support.pki import CertificateAuthority
from ansible_collections.certops.rotation.tests.support.sync import SyncTarget
from ansible_collections.certops.rotation.tests.support.systemd_host import SystemdHost


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "installed_haproxy: once, not with each version")


def pytest_report_header() -> list[str]:
    """Which versions of ansible-core and HAProxy are tested, and which are not and why."""
    found = haproxy_support.versions()
    tested = ", ".join(version.text for version in found if version.program)
    missing = [f"HAProxy {version.name} is NOT TESTED: {version.text}" for version in found if not version.program]
    servers = [text if program else f"{name} is MISSING: {text}" for name, (program, text) in pebble.versions().items()]
    return [
        f"ansible-core: {', '.join(map(_ansible_core, ansible_core.versions()))}",
        f"HAProxy: {tested}",
        f"Pebble: {', '.join(servers)}",
        *missing,
    ]


def _ansible_core(name: str) -> str:
    try:
        return ansible_core.full_version(name)
    except AssertionError:
        return f"{name} is MISSING (run scripts/bootstrap), and its tests fail"


# These files take minutes each: begun last, they would be all that is left to wait for.
LONGEST = (
    "test_pushing_page",
    "test_push_kills",
    "test_schedule_systemd",
    "test_boot",
    "test_receiver_schedule",
    "test_role_push",
    "test_role_certificate_receiver",
    "test_moving_from_certdeploy",
    "test_rotate_ca",
    "test_schedule_install",
    "test_secret_events",
    "test_certificate_issue_interrupted",
    "test_certificate_issue_ca",
    "test_events_page",
    "test_issuing_page",
    "test_quickstart_push",
    "test_role_issue",
    "test_certificate_issue",
    "test_playbook_reissue",
    "test_certificate_issue_zones",
    "test_acme_account",
    "test_soak",
    "test_haproxy_reload_signal",
    "test_haproxy_certificate",
    "test_rotation_interrupted",
    "test_certificate_deploy_interrupted",
    "test_certificate_sync_safety",
    "test_role_shared_ca",
    "test_haproxy_reload",
    "test_role_rollback",
    "test_role_rotate",
    "test_shared_ca",
    "test_haproxy_reload_http",
    "test_role_failures",
    "test_haproxy_versions",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    ranks = {name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path.stem, len(ranks)))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "haproxy_version" in metafunc.fixturenames:
        names = [version.name for version in haproxy_support.versions() if version.program]
        is_once = metafunc.definition.get_closest_marker("installed_haproxy")
        metafunc.parametrize("haproxy_version", names[:1] if is_once else names, indirect=True)
    if "ansible_version" in metafunc.fixturenames:
        metafunc.parametrize("ansible_version", ansible_core.versions(), indirect=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> t.Generator[None, pytest.TestReport, pytest.TestReport]:
    """To a failure on a host with a systemd belongs what its journal says."""
    report = yield
    for fixture in getattr(item, "funcargs", {}).values() if report.when == "call" and report.failed else ():
        host = getattr(fixture, "host", fixture)
        if isinstance(host, SystemdHost):
            report.sections.append(("Journal", host.run("journalctl", "--boot", "--no-pager", check=False).stdout))
            break
    return report


@pytest.fixture
def haproxy_version(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The version of HAProxy, as 2.6, that this test starts wherever it does not choose one itself."""
    program = next(version.program for version in haproxy_support.versions() if version.name == request.param)
    assert haproxy_support.full_version(program).startswith(f"{request.param}.")
    monkeypatch.setenv("HAPROXY_BINARY", program)
    return str(request.param)


@pytest.fixture
def ansible_version(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The version of ansible-core, as 2.18, that runs the modules and playbooks of this test."""
    ansible_core.full_version(request.param)
    monkeypatch.setenv("PYTHONPATH", ansible_core.python_path(request.param))
    return str(request.param)


@pytest.fixture(scope="session")
def moto() -> t.Iterator[MotoServer]:
    """An emulated AWS that may still hold what earlier tests stored."""
    with moto_server() as server:
        yield server


@pytest.fixture
def aws(moto: MotoServer) -> MotoServer:
    """An emulated AWS that holds nothing."""
    moto.reset()
    return moto


@pytest.fixture(scope="session")
def ministack() -> t.Iterator[MinistackServer]:
    """Another emulated AWS, which tells of events; it may still hold what earlier tests stored."""
    with ministack_server() as server:
        yield server


@pytest.fixture
def aws_events(ministack: MinistackServer) -> MinistackServer:
    """The same, holding nothing."""
    ministack.reset()
    return ministack


@pytest.fixture(scope="session")
def aws_dns_server() -> t.Iterator[AwsWithDns]:
    """An emulated AWS with a DNS that answers from its zones; it may still hold what earlier tests stored."""
    with aws_with_dns() as server:
        yield server


@pytest.fixture
def aws_dns(aws_dns_server: AwsWithDns) -> AwsWithDns:
    """The same, holding nothing."""
    aws_dns_server.reset()
    return aws_dns_server


@pytest.fixture
def faults(aws: MotoServer) -> t.Iterator[AwsFaults]:
    """A proxy in front of aws that counts requests and fails those that a test chooses."""
    proxy = AwsFaults(aws.port, aws.env)
    proxy.start()
    yield proxy
    proxy.stop()


@pytest.fixture
def candidates(modules: ModuleServer, aws_events: MinistackServer) -> t.Iterator[Candidates]:
    """Secrets with candidates, by way of a proxy, where labels move as they do at AWS."""
    proxy = AwsFaults(aws_events.port, aws_events.env)
    proxy.start()
    yield Candidates(modules, proxy, aws_events)
    proxy.stop()


@pytest.fixture(scope="session")
def intermediate() -> CertificateAuthority:
    """An authority below a root."""
    return CertificateAuthority("Test Intermediate", parent=CertificateAuthority("Test Root"))


@pytest.fixture(scope="session")
def modules() -> t.Iterator[ModuleServer]:
    """Runs modules, each in a process of its own, without the time that imports take."""
    server = ModuleServer()
    yield server
    server.close()


@pytest.fixture
def target(modules: ModuleServer, faults: AwsFaults, tmp_path: pathlib.Path) -> SyncTarget:
    """A directory to sync to, by way of the proxy."""
    return SyncTarget(modules, faults.env, tmp_path / "certs")


@pytest.fixture
def scene(aws: MotoServer) -> t.Iterator[rotation.Scene]:
    """A HAProxy that the role looks after."""
    with rotation.scene(aws) as made:
        yield made


@pytest.fixture
def haproxy(intermediate: CertificateAuthority) -> t.Iterator[HaproxyInstance]:
    """Two certificates in a directory, the first one also in a crt-list file; one TLS port for each."""
    first = intermediate.issue("a.example.com")
    second = intermediate.issue("b.example.com")
    with HaproxyInstance(
        {"a.pem": first.combined_pem, "b.pem": second.combined_pem},
        tls=["crt {certs}", "crt-list {crt_list}"],
        crt_list=["{certs}/a.pem"],
    ) as instance:
        yield instance


@pytest.fixture(scope="module")
def issuing_aws() -> t.Iterator[AwsWithDns]:
    """An emulated AWS whose zones real DNS servers answer for."""
    with aws_with_dns() as server:
        yield server


@pytest.fixture(scope="session")
def issuing() -> t.Iterator[ModuleServer]:
    """Runs certificate_issue, each time in a process of its own, without the time that imports take."""
    server = ModuleServer(ISSUING_PROGRAM)
    yield server
    server.close()
