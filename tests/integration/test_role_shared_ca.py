# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Role shared_ca and playbook bootstrap_ca, run as users run them, at -vvvv: no key in any output."""

from __future__ import annotations

import json
import pathlib
import typing as t

import pytest
import yaml
from ansible_collections.certops.rotation.tests.support.aws_faults import AwsFaults
from ansible_collections.certops.rotation.tests.support.fork_server import ModuleServer
from ansible_collections.certops.rotation.tests.support.instance_metadata import PATHS, InstanceMetadataService
from ansible_collections.certops.rotation.tests.support.moto import MotoServer
from ansible_collections.certops.rotation.tests.support.playbook import PlaybookRun, run_playbook
from ansible_collections.certops.rotation.tests.support.ports import free_port
from ansible_collections.certops.rotation.tests.support.shared_authority import FIRST_FOUR, SharedAuthority
from ansible_collections.certops.rotation.tests.support.shared_member import Member

HOSTS = ("one", "two")
BOOTSTRAP = [{"import_playbook": "certops.rotation.bootstrap_ca", "vars": {"rotation_hosts": "haproxy"}}]


class Fleet:
    """Two hosts, each with a directory of its own on this machine."""

    def __init__(self, shared: SharedAuthority, directory: pathlib.Path) -> None:
        self.shared = shared
        self.directory = directory
        self.members = [Member(shared, directory / host / "certs") for host in HOSTS]
        for member in self.members:
            member.path.parent.mkdir()
        self.env: dict[str, str] = {}
        self.variables: dict[str, t.Any] = {
            "shared_ca_use_secrets_manager": True,
            "shared_ca_key_type": "ec",
            "shared_ca_path": f"{directory}/{{{{ inventory_hostname }}}}/certs",
            "shared_ca_server_address": "{{ {'one': '192.0.2.1', 'two': '192.0.2.2'}[inventory_hostname] }}",
        }

    def run(
        self,
        check: bool = False,
        hosts: t.Sequence[str] = HOSTS,
        playbook: t.Any = None,
        extra: t.Mapping[str, t.Any] | None = None,
        **variables: t.Any,
    ) -> PlaybookRun:
        env = {**self.shared.faults.env, **self.env}
        given = {**self.variables, **variables}
        return run_playbook(given, playbook=playbook or BOOTSTRAP, hosts=hosts, check=check, env=env, extra=extra)

    def good(self, **options: t.Any) -> PlaybookRun:
        run = self.run(**options)
        assert run.returncode == 0, run.output[-4000:]
        return run

    def summary(self, run: PlaybookRun, host: str) -> list[str]:
        (told,) = (each.result["msg"] for each in run.tasks if each.action.endswith("debug") and each.host == host)
        return list(told)


@pytest.fixture
def shared(modules: ModuleServer, faults: AwsFaults, aws: MotoServer) -> SharedAuthority:
    return SharedAuthority(modules, faults, aws)


@pytest.fixture
def fleet(shared: SharedAuthority, tmp_path: pathlib.Path) -> Fleet:
    return Fleet(shared, tmp_path)


def test_the_playbook_from_nothing_to_configured_services(fleet: Fleet, shared: SharedAuthority) -> None:
    config = f"{fleet.directory}/{{{{ inventory_hostname }}}}/config"
    variables = {
        "shared_ca_clients": [{"name": "admin"}, {"name": "reader", "role": "reader"}],
        "shared_ca_additional_names": "node.example.com, ::1",
        "shared_ca_configurations": [
            {"template": "joblet-config.yml.j2", "dest": f"{config}/joblet-config.yml"},
            {
                "template": "rnx-config.yml.j2",
                "dest": f"{config}/rnx-config.yml",
                "fetch": str(fleet.directory / "controller.yml"),
            },
            {"template": "rnx-config.yml.j2", "client": "reader", "dest": f"{config}/rnx-config-reader.yml"},
        ],
        "shared_ca_member_clients": ["admin", "reader"],
        "shared_ca_address": "{{ {'one': 'one.example.com', 'two': '2001:db8::2'}[inventory_hostname] }}",
        "shared_ca_joblet_address": "::",
    }
    predicted = fleet.good(check=True, **variables)
    assert shared.state() == {}
    assert list(fleet.directory.glob("*/*")) == []
    assert predicted.changed == ["Create the authority and its clients where they are missing, or retrieve them"] * 2

    run = fleet.good(**variables)
    first, second = (fleet.summary(run, host) for host in HOSTS)
    assert first[:3] == [
        "authority: generated and stored in Secrets Manager (shared)",
        "client admin: generated and stored in Secrets Manager (shared)",
        "client reader: generated and stored in Secrets Manager (shared)",
    ]
    assert second[0] == "authority: retrieved from Secrets Manager (shared)"
    assert first[3].startswith("server: generated on this host (missing), until ")
    shared.assert_whole("-reader")
    for member, address in zip(fleet.members, ("192.0.2.1", "192.0.2.2")):
        member.assert_whole()
        names = member.run(check=True, server_names=["x"]).result["diff"]["before"]["server"]
        assert set(names["subject_alternative_names"]) == {
            *("joblet", "localhost", "joblet-server", "127.0.0.1", "node.example.com", "::1", address)
        }
    assert fleet.members[0].text("ca.pem") == fleet.members[1].text("ca.pem")
    assert fleet.members[0].text("server-key.pem") != fleet.members[1].text("server-key.pem")

    # What the services and their clients read.
    one, two = fleet.directory / "one/config", fleet.directory / "two/config"
    for name in ("joblet-config.yml", "rnx-config.yml", "rnx-config-reader.yml"):
        assert (one / name).stat().st_mode & 0o777 == 0o600
        assert (one / name).stat().st_uid == one.stat().st_uid
    assert one.stat().st_mode & 0o777 == 0o700
    server = yaml.safe_load((one / "joblet-config.yml").read_text())
    assert server["server"] == {"address": "::", "port": 50051}
    assert server["security"] == {
        "serverCert": fleet.members[0].text("server-cert.pem"),
        "serverKey": fleet.members[0].text("server-key.pem"),
        "caCert": fleet.members[0].text("ca.pem"),
    }
    text = (one / "rnx-config.yml").read_text()
    nodes = yaml.safe_load(text)["nodes"]
    assert text == (two / "rnx-config.yml").read_text()
    assert {name: node["address"] for name, node in nodes.items()} == {
        "default": "one.example.com:50051",
        "two": "[2001:db8::2]:50051",
    }
    assert nodes["default"]["key"] == shared.text("client-key")
    reader = (one / "rnx-config-reader.yml").read_text()
    assert yaml.safe_load(reader)["nodes"]["default"]["key"] == shared.text("client-key-reader")
    assert shared.text("client-key").splitlines()[1] not in reader, "another role's key"
    controller = fleet.directory / "controller.yml"
    assert (controller.read_text(), controller.stat().st_mode & 0o777) == (text, 0o600)

    again = fleet.good(**variables)
    assert again.changed == []
    assert fleet.summary(again, "one")[-1].startswith("server: unchanged, until ")
    assert shared.versions() == dict.fromkeys([*FIRST_FOUR, "client-cert-reader", "client-key-reader"], 1)


def test_handlers_run_only_for_what_changed_and_the_controller_may_create(
    fleet: Fleet, shared: SharedAuthority
) -> None:
    play = [
        {
            "hosts": "haproxy",
            "gather_facts": False,
            "roles": [{"role": "certops.rotation.shared_ca"}],
            "handlers": [
                {
                    "name": "Noted",
                    "ansible.builtin.debug": {"msg": "noted"},
                    "changed_when": True,
                    "listen": "certops.rotation shared authority changed",
                }
            ],
        }
    ]
    # The hosts may only read: the controller creates.
    run = fleet.good(playbook=play, shared_ca_bootstrap="controller")
    assert len(run.of("shared_ca")) == 1
    assert run.changed.count("Noted") == 2
    assert fleet.good(playbook=play, shared_ca_bootstrap="none").changed == []
    # One more name on one host.
    run = fleet.good(playbook=play, shared_ca_additional_names="{{ ['new'] if inventory_hostname == 'two' else [] }}")
    assert [each.host for each in run.tasks if each.task == "Noted" and each.status == "ok"] == ["two"]
    # Only the servers' certificates, and the service that reads them.
    fleet.env = {"ANSIBLE_RUN_TAGS": "rotate_server"}
    run = fleet.good(playbook=play, shared_ca_server_validity_days=400, shared_ca_renew_before="399d")
    assert run.of("shared_ca") == []
    reasons = {each.host: each.result["server"]["reason"] for each in run.of("shared_ca_member")}
    assert reasons == {"one": "expiring", "two": "names_changed"}
    assert run.changed.count("Noted") == 2
    fleet.env = {}
    # Replaced by force: once, though the hosts come in batches.
    before = shared.certificate("ca-cert")
    run = fleet.good(shared_ca_force=True)
    assert shared.certificate("ca-cert") != before
    assert [each.host for each in run.of("shared_ca")] == ["one"]
    assert [each.result["server"]["reason"] for each in run.of("shared_ca_member")] == ["ca_changed"] * 2
    for member in fleet.members:
        member.assert_whole()


def test_on_ec2_and_without_secrets_manager(fleet: Fleet, shared: SharedAuthority) -> None:
    automatic = {"shared_ca_use_secrets_manager": "auto"}
    with InstanceMetadataService() as metadata:
        fleet.env = {**metadata.env, "AWS_REGION": "", "AWS_DEFAULT_REGION": ""}
        run = fleet.good(hosts=["one"], **automatic)
    assert run.result("shared_ca_member")["source"] == "secrets_manager"
    assert set(PATHS.values()) - {"eu-central-1"} - set(
        run.result("shared_ca_member")["server"]["subject_alternative_names"]
    ) == {PATHS["instance-id"]}
    # The existing host goes on, a new one fails, or has an authority of its own.
    fleet.env = {}
    shared.faults.fail("DescribeSecret", "AccessDeniedException")
    run = fleet.run()
    assert run.returncode != 0
    kept, failed = run.of("shared_ca_member")
    assert (kept.result["source"], kept.result["reason"], kept.result["changed"]) == ("kept", "denied", False)
    assert (failed.host, failed.status) == ("two", "failed")
    assert fleet.summary(run, "one")[0] == "Secrets Manager is unavailable (denied): nothing has changed"
    shared.faults.requests.clear()
    run = fleet.good(hosts=["two"], shared_ca_use_secrets_manager=False)
    assert run.result("shared_ca_member")["source"] == "embedded"
    assert fleet.summary(run, "two")[0] == "authority: of this host alone"
    assert shared.faults.requests == []


def test_from_embedded_to_the_store_and_back(fleet: Fleet, shared: SharedAuthority) -> None:
    """The authority of one host becomes that of all; an exported one goes on where there is no store."""
    alone = fleet.good(hosts=["one"], shared_ca_use_secrets_manager=False).result("shared_ca_member")
    own = fleet.members[0].path / "embedded/ca.pem"
    run = fleet.good(shared_ca_import_from={"certificate_src": str(own)}, hosts=["one"])
    joined = run.result("shared_ca_member")
    assert joined["source"] == "secrets_manager"
    assert joined["trusted_fingerprints"] == alone["trusted_fingerprints"]
    assert joined["server"]["action"] == "unchanged"
    shared.assert_whole()
    export = [
        {
            "hosts": "haproxy",
            "gather_facts": False,
            "tasks": [
                {
                    "certops.rotation.shared_ca_info": {"include_keys": True, "clients": []},
                    "register": "exported",
                    "no_log": True,
                },
                {
                    "ansible.builtin.file": {
                        "path": "{{ shared_ca_path }}/embedded",
                        "state": "directory",
                        "mode": "0700",
                        "recurse": False,
                    },
                },
                {
                    "ansible.builtin.copy": {
                        "content": "{{ exported.certificates[0].certificate ~ exported.certificates[0].private_key }}",
                        "dest": "{{ shared_ca_path }}/embedded/ca.pem",
                        "mode": "0600",
                    },
                    "no_log": True,
                },
            ],
        },
        {"hosts": "haproxy", "gather_facts": False, "roles": [{"role": "certops.rotation.shared_ca"}]},
    ]
    fleet.good(hosts=["two"])
    run = fleet.good(hosts=["two"], playbook=export, shared_ca_use_secrets_manager=False)
    back = run.result("shared_ca_member")
    assert back["source"] == "embedded"
    assert back["trusted_fingerprints"] == alone["trusted_fingerprints"]
    assert back["server"]["action"] == "unchanged"


@pytest.mark.usefixtures("ansible_version")
def test_variables_that_come_as_text(fleet: Fleet, shared: SharedAuthority) -> None:
    """As they do from -e x=..., from INI files, and from surveys of AWX."""
    # The environment says nothing of where AWS is: the role's variable does.
    endpoint = {
        "endpoint_url": shared.faults.env["AWS_ENDPOINT_URL"],
        "region": shared.faults.env["AWS_DEFAULT_REGION"],
    }
    fleet.env = {"AWS_ENDPOINT_URL": "", "AWS_DEFAULT_REGION": "", "AWS_REGION": ""}
    texts = {
        "rotation_batches": "1, 100%",
        "shared_ca_aws": json.dumps({**endpoint, "validate_certs": False}),
        "shared_ca_use_secrets_manager": "true",
        "shared_ca_force": "false",
        "shared_ca_renew_expired": "no",
        "shared_ca_metadata_names": "false",
        "shared_ca_key_size": "0",
        "shared_ca_client_key_size": "0",
        "shared_ca_server_key_size": "0",
        "shared_ca_subject": "{}",
        "shared_ca_server_subject": '{"organization": "Example"}',
        "shared_ca_import_from": "{}",
        "shared_ca_tags": "Team=web",
        "shared_ca_replica_regions": "",
        "shared_ca_server_names": "joblet,localhost",
        "shared_ca_additional_names": '["node.example.com", "::1"]',
        "shared_ca_member_clients": "[]",
    }
    run = fleet.good(extra=texts)
    assert [(each.host, each.result["server"]["action"]) for each in run.of("shared_ca_member")] == [
        ("one", "issued"),
        ("two", "issued"),
    ]
    server = run.of("shared_ca_member")[0].result["server"]
    assert set(server["subject_alternative_names"]) == {"joblet", "localhost", "node.example.com", "::1", "192.0.2.1"}
    assert run.of("shared_ca")[1].result["changed"] is False, "replaced by force"
    # The same in the playbook that replaces it, whose plan is told and not carried out.
    plan = fleet.good(
        playbook=[{"import_playbook": "certops.rotation.rotate_ca", "vars": {"rotation_hosts": "haproxy"}}],
        check=True,
        extra={
            **texts,
            "rotation_serial": "50%",
            "rotate_ca_force": "false",
            "rotate_ca_abort": "no",
            "rotate_ca_revoke": "[]",
            "shared_ca_rotation_reload_methods": "master,systemd",
            "shared_ca_rotation_haproxy_crl": "false",
        },
    )
    told = next(each.result["msg"] for each in plan.tasks if each.task == "Show where the rotation is")
    assert (told[0], told[-1]) == ("joblet: settled", "It begins.")
    assert not [each for each in plan.tasks if each.task == "Warn of what is cut off" and each.status != "skipped"]


@pytest.mark.parametrize(
    ("playbook", "variable", "text"),
    [
        ("bootstrap_ca", "rotation_batches", "some"),
        ("bootstrap_ca", "shared_ca_force", "perhaps"),
        ("bootstrap_ca", "shared_ca_aws", "eu-central-1"),
        ("rotate_ca", "rotate_ca_force", "perhaps"),
        ("rotate_ca", "rotation_serial", "few"),
    ],
)
@pytest.mark.usefixtures("ansible_version")
def test_text_that_means_nothing_is_refused_by_name(fleet: Fleet, playbook: str, variable: str, text: str) -> None:
    play = [{"import_playbook": f"certops.rotation.{playbook}", "vars": {"rotation_hosts": "haproxy"}}]
    run = fleet.run(playbook=play, extra={variable: text})
    assert run.returncode != 0
    assert variable in (run.error or run.output)
    assert fleet.shared.faults.requests == []


@pytest.mark.usefixtures("ansible_version")
def test_options_of_the_play_and_of_the_role_are_added(fleet: Fleet, shared: SharedAuthority) -> None:
    """Those of module_defaults reach the modules of the role, one by one; the role's own variable goes before them."""
    play = [
        {
            "hosts": "haproxy",
            "gather_facts": False,
            "module_defaults": {
                "group/certops.rotation.aws": {
                    "endpoint_url": shared.faults.env["AWS_ENDPOINT_URL"],
                    "region": "us-west-1",
                    "aws_config": {"user_agent": "of-the-play"},
                }
            },
            "roles": [{"role": "certops.rotation.shared_ca"}],
        }
    ]
    fleet.env = {"AWS_ENDPOINT_URL": "", "AWS_DEFAULT_REGION": "", "AWS_REGION": ""}
    run = fleet.good(playbook=play, hosts=["one"], shared_ca_aws={"region": shared.faults.env["AWS_DEFAULT_REGION"]})
    for module in ("shared_ca", "shared_ca_member"):
        given = run.result(module)["invocation"]["module_args"]
        assert (given["region"], given["endpoint_url"]) == (
            shared.faults.env["AWS_DEFAULT_REGION"],
            shared.faults.env["AWS_ENDPOINT_URL"],
        )
        assert given["aws_config"]["user_agent"] == "of-the-play"
    shared.assert_whole()


def test_other_strategies_and_a_host_that_is_down(fleet: Fleet) -> None:
    """Hosts that do not wait for each other, and a play that goes on without those that cannot be reached."""
    copy = fleet.directory / "copy.yml"
    configuration = {
        "template": "rnx-config.yml.j2",
        "dest": f"{fleet.directory}/{{{{ inventory_hostname }}}}/config/rnx-config.yml",
        "fetch": str(copy),
    }
    variables = {"shared_ca_configurations": [configuration], "shared_ca_member_clients": ["admin"]}
    role = {"hosts": "haproxy", "gather_facts": False, "roles": [{"role": "certops.rotation.shared_ca"}]}
    run = fleet.good(playbook=[{**role, "strategy": "free"}], **variables)
    assert copy.read_text() == (fleet.directory / "one/config/rnx-config.yml").read_text()
    assert [each.host for each in run.tasks if each.action.endswith("fetch") and each.status == "ok"] == ["one"]
    for member in fleet.members:
        member.assert_whole()

    down = {
        "ansible_connection": "{{ 'ssh' if inventory_hostname == 'one' else 'local' }}",
        "ansible_port": free_port(),
    }
    down["ansible_host"] = "127.0.0.1"
    going_on = {**role, "strategy": "host_pinned", "serial": 1, "ignore_unreachable": True}
    run = fleet.good(playbook=[going_on], **variables, **down, shared_ca_additional_names=["new"])
    assert fleet.summary(run, "one")[0].startswith("Not known: ")
    assert fleet.summary(run, "two")[-1].startswith("server: generated on this host (names_changed), until ")
    stopping = {**role, "any_errors_fatal": True}
    run = fleet.run(playbook=[stopping], **variables, **down, shared_ca_additional_names=["newer"])
    assert run.returncode != 0
    assert not run.of("shared_ca_member")
