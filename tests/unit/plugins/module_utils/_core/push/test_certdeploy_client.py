# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""client.yml of certdeploy becomes variables of certificate_receiver."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.certops.rotation.plugins.filter.certdeploy_settings import certdeploy_settings

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIP+H3Nk/9uSa7LHNt8fvCPKKkNFnVE5SGC5tnthf6/OK"
MINIMAL = {"destination": "/etc/letsencrypt/live"}

FULL = """
destination: /etc/letsencrypt/live
source: /certdeploy/staging
init_timeout: 20
script_timeout: 1.5
docker_timeout: 15
systemd_exec: /usr/bin/systemctl
rc_service_exec: /usr/sbin/service
docker_url: unix://var/run/docker.sock
fail_fast: true
update_delay: 2d 1w3h4m5s
update_services:
  - {type: systemd, name: nginx.service}
  - {type: systemd, name: " postfix.service ", action: RELOAD, timeout: 5}
  - {type: rc, name: dovecot, timeout: null}
  - {type: script, name: /usr/local/bin/touch}
  - {type: script, name: poke.sh, timeout: 10}
  - {type: docker_container, name: internal_traefik_1}
  - {type: docker_container, filters: {name: web}, timeout: 300}
  - {type: docker_service, filters: {label: [restart_on_cert_update]}}
file_permissions:
  mode: 0o600
  directory_mode: "700"
  owner: root
  group: 0
log_level: INFO
log_filename: /dev/stdout
sftpd:
  listen_port: 33774
  listen_address: 192.0.2.1
  username: deploy
  privkey_filename: /etc/certdeploy/client_key
  server_pubkey_filename: /etc/certdeploy/server_key.pub
  log_filename: /dev/stderr
  log_level: CRITICAL
  socket_backlog: 20
"""


def variables(**changed):
    found = certdeploy_settings({**MINIMAL, **changed})["variables"]
    return {name.removeprefix("certificate_receiver_"): value for name, value in found.items()}


def refusal(**changed):
    with pytest.raises(AnsibleFilterError) as refused:
        certdeploy_settings({**MINIMAL, **changed})
    return str(refused.value)


def test_the_smallest_one():
    assert variables() == {"destination": "/etc/letsencrypt/live", "update_delay": "1h", "services": []}


def test_every_key_of_the_client_has_its_variable():
    found = certdeploy_settings(FULL)
    socket = {"docker_host": "unix:///var/run/docker.sock"}
    assert found["variables"] == {
        "certificate_receiver_destination": "/etc/letsencrypt/live",
        "certificate_receiver_sshd": "own",
        "certificate_receiver_port": 33774,
        "certificate_receiver_listen_addresses": ["192.0.2.1"],
        "certificate_receiver_user": "deploy",
        "certificate_receiver_host_key_file": "/etc/certdeploy/client_key",
        "certificate_receiver_public_key_file": "/etc/certdeploy/server_key.pub",
        "certificate_receiver_log_level": "FATAL",
        "certificate_receiver_max_startups": "20",
        "certificate_receiver_update_delay": "1w2d3h4m5s",
        "certificate_receiver_mode": "0600",
        "certificate_receiver_directory_mode": "0700",
        "certificate_receiver_owner": "root",
        "certificate_receiver_group": "0",
        "rotation_schedule_verbosity": 1,
        "certificate_receiver_services": [
            {"type": "systemd", "name": "nginx.service", "action": "restart", "timeout": 20},
            {"type": "systemd", "name": "postfix.service", "action": "reload", "timeout": 5},
            {"type": "rc", "name": "dovecot", "action": "restart", "timeout": 3600},
            {"type": "script", "name": "/usr/local/bin/touch", "timeout": 1.5},
            {"type": "script", "name": "poke.sh", "timeout": 10},
            {"type": "docker_container", "name": "internal_traefik_1", **socket, "timeout": 45},
            {"type": "docker_container", "filters": {"name": "web"}, **socket, "timeout": 330},
            {"type": "docker_service", "filters": {"label": ["restart_on_cert_update"]}, **socket, "timeout": 45},
        ],
    }
    notes = " ".join(found["notes"])
    for key in (
        "source",
        "systemd_exec",
        "rc_service_exec",
        "fail_fast",
        "log_filename",
        "server_pubkey_filename",
        "poke.sh",
    ):
        assert key in notes


def test_where_certdeploy_waits_for_ever_an_hour_is_waited():
    found = variables(update_services=[{"type": "script", "name": "/a"}, {"type": "docker_container", "name": "b"}])
    assert [entry.get("timeout") for entry in found["services"]] == [3600, None]


def test_the_older_name_of_the_time_limit_is_known():
    assert (
        variables(systemd_timeout=7, update_services=[{"type": "systemd", "name": "a.service"}])["services"][0][
            "timeout"
        ]
        == 7
    )


def test_a_public_key_as_text_and_the_file_before_it():
    found = variables(sftpd={"server_pubkey": KEY})
    assert (found["public_keys"], found["port"], found["user"]) == ([KEY], 22, "certdeploy")
    both = variables(sftpd={"server_pubkey": KEY, "server_pubkey_filename": "/k.pub"})
    assert (both["public_key_file"], "public_keys" in both) == ("/k.pub", False)


@pytest.mark.parametrize(
    ("given", "delay"), [("1h", "1h"), (None, "0"), ("90s", "1m30s"), ("0s", "0"), ("1.5h", "1h30m"), ("5m2h", "2h5m")]
)
def test_delays(given, delay):
    assert variables(update_delay=given)["update_delay"] == delay


@pytest.mark.parametrize("mode", ["0o600", "0600", "600", 384])
def test_modes_that_are_the_same(mode):
    assert variables(file_permissions={"mode": mode})["mode"] == "0600"


@pytest.mark.parametrize("mode", [True, False, "", "9", "u=rw", 0, 0o1000, -1, 1.5, []])
@pytest.mark.parametrize("key", ["mode", "directory_mode"])
def test_modes_that_are_none(key, mode):
    assert refusal(file_permissions={key: mode}).startswith(f"file_permissions: {key}: it is to be a mode")


REFUSED = [
    ({"destination": None}, "destination: it is to be text"),
    ({"update_delay": "soon"}, "update_delay: it is to be like 1w2d3h4m5s"),
    ({"update_delay": 3600}, "update_delay: it is to be"),
    ({"update_delay": "1h or so"}, "update_delay: it is to be"),
    ({"update_delay": ""}, "update_delay: it is to be"),
    ({"update_services": {"type": "systemd"}}, "update_services: it is to be a list"),
    ({"update_services": ["nginx"]}, "update_services[0]: it is to be a mapping"),
    ({"update_services": [{"name": "a"}]}, "update_services[0]: type: it is to be systemd or docker_container"),
    ({"update_services": [{"type": "upstart", "name": "a"}]}, "update_services[0]: type: it is to be"),
    ({"update_services": [{"type": "docker_service"}]}, "update_services[0]: name: it needs a name, or filters"),
    (
        {"update_services": [{"type": "docker_container", "filters": ["a"]}]},
        "update_services[0]: filters: it is to be a mapping",
    ),
    ({"update_services": [{"type": "systemd"}]}, "update_services[0]: name: it is missing"),
    ({"update_services": [{"type": "script", "name": ""}]}, "update_services[0]: name: it is missing"),
    (
        {"update_services": [{"type": "systemd", "name": "a.service", "action": "stop"}]},
        "update_services[0]: action: it is to be",
    ),
    ({"update_services": [{"type": "rc", "name": "a", "action": 5}]}, "update_services[0]: action: it is to be"),
    (
        {"update_services": [{"type": "rc", "name": "a", "timeout": True}]},
        "update_services[0]: timeout: it is to be a number",
    ),
    (
        {"update_services": [{"type": "rc", "name": "a", "user": 5}]},
        "update_services[0]: user: certdeploy has no such option",
    ),
    ({"init_timeout": "5"}, "init_timeout: it is to be a number of seconds"),
    ({"file_permissions": {"owner": True}}, "file_permissions: owner: it is to be a name or a number"),
    ({"file_permissions": {"user": "root"}}, "file_permissions: user: certdeploy has no such option"),
    ({"file_permissions": []}, "file_permissions: it is to be a mapping"),
    ({"sftpd": {"listen_port": 33774}}, "sftpd: server_pubkey: without it, or server_pubkey_filename"),
    (
        {"sftpd": {"server_pubkey": KEY, "listen_port": True}},
        "sftpd: listen_port: it is to be an integer from 1 to 65535",
    ),
    (
        {"sftpd": {"server_pubkey": KEY, "privkey": "x"}},
        "sftpd: privkey: certdeploy has no such option: write privkey_filename",
    ),
    ({"update_sevices": []}, "update_sevices: certdeploy has no such option: write update_services"),
    ({"log_level": None}, "log_level: it is to be DEBUG"),
]


@pytest.mark.parametrize(("changed", "said"), REFUSED, ids=str)
def test_what_certdeploy_would_not_take_is_refused_by_name(changed, said):
    assert said in refusal(**changed)
