# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""server.yml of certdeploy becomes variables of certificate_push: each key, each bad value, and what its documentation
has wrong."""

from __future__ import annotations

import hashlib
import json

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.certops.rotation.plugins.filter.certdeploy_settings import certdeploy_settings

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIP+H3Nk/9uSa7LHNt8fvCPKKkNFnVE5SGC5tnthf6/OK"
CLIENT = {"address": "1.2.3.4", "pubkey": KEY, "domains": ["example.com"]}
MINIMAL = {"privkey_filename": "/etc/certdeploy/server_key", "client_configs": [CLIENT]}
TARGET = {
    "name": "1.2.3.4",
    "address": "1.2.3.4",
    "domains": ["example.com"],
    "host_key": [KEY],
    "protocol": "directory",
    "path": "/var/cache/certdeploy",
    "files": ["fullchain", "privkey"],
}


def variables(config=None, *more, **changed):
    found = certdeploy_settings({**(config or MINIMAL), **changed}, *more)
    return {name.removeprefix("certificate_push_"): value for name, value in found["variables"].items()}


def target(**changed):
    (found,) = variables(client_configs=[{**CLIENT, **changed}])["targets"]
    return found


def refusal(config):
    with pytest.raises(AnsibleFilterError) as refused:
        certdeploy_settings(config)
    return str(refused.value)


def test_the_smallest_one_means_certdeploys_defaults():
    assert variables() == {
        "private_key_file": "/etc/certdeploy/server_key",
        "mode": "serial",
        "interval": 0,
        "retries": 1,
        "retry_interval": 30,
        "renew": True,
        "renew_every": 1,
        "renew_unit": "day",
        "renew_exec": "certbot",
        "renew_args": ["renew"],
        "targets": [TARGET],
    }


FULL = """
privkey_filename: /etc/certdeploy/server_key
client_config_directory: null
fail_fast: true
log_level: DEBUG
log_filename: /var/log/certdeploy.log
sftp_log_level: CRITICAL
sftp_log_filename: /dev/stdout
sftp_auth_timeout: 20
sftp_banner_timeout: 90.5
sftp_tcp_timeout: null
renew_every: 2
renew_unit: day
renew_at: 15:00
renew_exec: /opt/certbot/bin/certbot
renew_args: [renew, --quiet, -n, 5]
renew_timeout: 600
push_mode: parallel
push_interval: 30
push_retries: 12
push_retry_interval: 3600
join_timeout: 61.5
queue_dir: /var/lib/certdeploy
client_configs:
  - address: web.example.com
    domains: [www.example.com, "*.example.com", example.com]
    pubkey: AAAAC3NzaC1lZDI1NTE5AAAAIEuhX3Q690lnBhpfGHOs0j4CuCxE3E3jekWehvHRmVKt root@web
    port: 33774
    username: deploy
    path: null
    needs_chain: true
    needs_fullchain: false
    needs_privkey: true
    push_retries: 0
    push_retry_interval: 0
"""


def test_every_key_of_the_server_has_its_variable():
    found = certdeploy_settings(FULL)
    notes = " ".join(found["notes"])
    assert found["variables"] == {
        "certificate_push_private_key_file": "/etc/certdeploy/server_key",
        "certificate_push_mode": "parallel",
        "certificate_push_interval": 30,
        "certificate_push_retries": 12,
        "certificate_push_retry_interval": 3600,
        "certificate_push_renew": True,
        "certificate_push_renew_every": 2,
        "certificate_push_renew_unit": "day",
        "certificate_push_renew_at": "15:00",
        "certificate_push_renew_exec": "/opt/certbot/bin/certbot",
        "certificate_push_renew_args": ["renew", "--quiet", "-n", "5"],
        "certificate_push_renew_timeout": 600,
        "certificate_push_max_fail_percentage": 0,
        "rotation_schedule_verbosity": 2,
        "certificate_push_targets": [
            {
                "name": "web.example.com",
                "address": "web.example.com",
                "port": 33774,
                "user": "deploy",
                "domains": ["www.example.com", "*.example.com", "example.com"],
                "host_key": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEuhX3Q690lnBhpfGHOs0j4CuCxE3E3jekWehvHRmVKt"],
                "protocol": "directory",
                "path": "",
                "files": ["privkey", "chain"],
                "retries": 0,
                "retry_interval": 0,
                "timeout": 90.5,
            }
        ],
    }
    for key in ("log_filename", "sftp_log_filename", "join_timeout", "/var/lib/certdeploy/queue.json", "renew_at: 900"):
        assert key in notes


def test_hosts_with_the_role_are_pushed_to_as_such():
    (found,) = variables(MINIMAL, [], None, True)["targets"]
    assert (found["protocol"], "path" in found) == ("receiver", False)


def test_clients_of_a_directory_come_after_the_others():
    more = [yaml.safe_dump({**CLIENT, "address": "5.6.7.8"}), {**CLIENT, "address": "::1"}]
    directory = {**MINIMAL, "client_config_directory": "/etc/certdeploy/clients"}
    assert [each["name"] for each in variables(directory, more)["targets"]] == ["1.2.3.4", "5.6.7.8", "::1"]
    assert "give the files in /etc/certdeploy/clients, too" in refusal(directory)
    alone = {name: value for name, value in directory.items() if name != "client_configs"}
    assert len(variables(alone, {"a.yml": more[0], "b.yml": more[1]})["targets"]) == 2


def test_two_of_one_address_have_two_names():
    clients = [
        {**CLIENT, "port": 22},
        {**CLIENT, "port": 23},
        {**CLIENT, "port": 23, "username": "b"},
        {**CLIENT, "address": "b"},
    ]
    found = variables(client_configs=clients)["targets"]
    assert [each["name"] for each in found] == ["1.2.3.4-22-certdeploy", "1.2.3.4-23-certdeploy", "1.2.3.4-23-b", "b"]
    assert "certdeploy@1.2.3.4:22 is there twice" in refusal(
        {**MINIMAL, "client_configs": [CLIENT, {**CLIENT, "port": 22}]}
    )


def test_the_queue_is_told_once_each_and_by_our_names():
    def digest(text):
        return hashlib.sha1(text.encode()).hexdigest()

    queue = {
        digest("certdeploy1.2.3.422"): [
            "/etc/letsencrypt/live/example.com",
            "/srv/x/",
            "/etc/letsencrypt/live/example.com",
        ],
        digest("certdeploy9.9.9.922"): ["/etc/letsencrypt/live/gone"],
    }
    found = certdeploy_settings(MINIMAL, queue=json.dumps(queue))
    assert found["queued"] == [
        {"host": "1.2.3.4", "lineage": "example.com", "path": "/etc/letsencrypt/live/example.com"},
        {"host": "1.2.3.4", "lineage": "x", "path": "/srv/x"},
    ]
    assert any(
        "/etc/letsencrypt/live/gone waits for a client that is not configured" in note for note in found["notes"]
    )


@pytest.mark.parametrize("queue", ["[]", "5", '{"a": "b"}', "{", '{"a": [5]}', '{"a": ["/"]}'])
def test_what_is_no_queue_is_refused(queue):
    with pytest.raises(AnsibleFilterError, match=r"^queue\.json"):
        certdeploy_settings(MINIMAL, queue=queue)


INTEGERS = ("push_interval", "push_retries", "push_retry_interval")
BAD_INTEGERS = (-1, True, False, "1", 1.5, None, [])


@pytest.mark.parametrize("key", INTEGERS)
@pytest.mark.parametrize("value", BAD_INTEGERS, ids=repr)
def test_integers_are_refused_by_name(key, value):
    assert refusal({**MINIMAL, key: value}).startswith(
        f"{key}: it is to be an integer greater than or equal to 0, not "
    )


@pytest.mark.parametrize("key", ["push_retries", "push_retry_interval"])
@pytest.mark.parametrize("value", [value for value in BAD_INTEGERS if value is not None], ids=repr)
def test_integers_of_clients_are_refused_by_address_and_name(key, value):
    config = {**MINIMAL, "client_configs": [{**CLIENT, key: value}]}
    assert refusal(config).startswith(f"client 1.2.3.4: {key}: it is to be an integer")


def test_what_a_client_does_not_say_it_inherits():
    assert "retries" not in target(push_retries=None)
    assert target(push_retries=0)["retries"] == 0


SERVER_REFUSED = [
    ({"privkey_filename": None}, "privkey_filename: it is to be text"),
    ({"privkey_filename": ""}, "privkey_filename: it is to be text"),
    ({"client_configs": []}, "client_configs: there is no client"),
    ({"client_configs": None}, "client_configs: there is no client"),
    ({"client_configs": "x"}, "client_configs: it is to be a list, not 'x'"),
    ({"client_configs": ["x"]}, "client 1: it is to be a mapping"),
    ({"fail_fast": "yes"}, "fail_fast: it is to be true or false"),
    ({"log_level": "debug"}, "log_level: it is to be DEBUG or INFO or WARNING or ERROR or CRITICAL"),
    ({"sftp_log_level": 10}, "sftp_log_level: it is to be"),
    ({"push_mode": "SERIAL"}, "push_mode: it is to be serial or parallel, not 'SERIAL'"),
    ({"push_mode": None}, "push_mode: it is to be"),
    ({"join_timeout": True}, "join_timeout: it is to be a number of seconds"),
    ({"join_timeout": -1}, "join_timeout: it is to be"),
    ({"sftp_banner_timeout": "60"}, "sftp_banner_timeout: it is to be"),
    ({"queue_dir": 5}, "queue_dir: it is to be text"),
    ({"renew_every": 0}, "renew_every: it is to be a whole number greater than 0"),
    ({"renew_every": True}, "renew_every: it is to be"),
    ({"renew_every": "monday"}, "renew_every: it is to be a whole number greater than 0: write renew_unit: monday"),
    ({"renew_unit": "month"}, "renew_unit: it is to be minute, hour, day, week"),
    ({"renew_unit": "monday", "renew_every": 2}, "renew_unit: it is not to be a weekday"),
    ({"renew_at": "9:00"}, "renew_at: it is to be HH:MM"),
    ({"renew_unit": "hour", "renew_at": "09:00"}, "renew_at: it is to be :MM"),
    ({"renew_exec": None}, "renew_exec: it is to be the name or path"),
    ({"renew_args": "renew"}, "renew_args: it is to be a list"),
    ({"renew_timeout": 0}, "renew_timeout: it is to be an integer"),
    ({"private_key_file": "/k"}, "private_key_file: certdeploy has no such option: write privkey_filename"),
    ({"check_renew": {"every": "week"}}, "check_renew: certdeploy has no such option: write renew_every, renew_unit"),
    ({"push_intervall": 5}, "push_intervall: certdeploy has no such option."),
    ({"privkey_filename": "a\nb"}, "privkey_filename: it is to be text"),
    ({5: 5}, "5: certdeploy has no such option"),
]


@pytest.mark.parametrize(("changed", "said"), SERVER_REFUSED, ids=str)
def test_what_certdeploy_would_not_take_is_refused_by_name(changed, said):
    assert said in refusal({**MINIMAL, **changed})


CLIENT_REFUSED = [
    ({"address": None}, "client 1: address: it is to be text"),
    ({"address": ""}, "client 1: address: it is to be text"),
    ({"domains": []}, "client 1.2.3.4: domains: it names none"),
    ({"domains": "example.com"}, "client 1.2.3.4: domains: it is to be a list"),
    ({"domains": ["a.example", 5]}, "client 1.2.3.4: domains: 5 is no domain"),
    ({"pubkey": KEY.lower()}, "client 1.2.3.4: pubkey: it is no public key"),
    ({"pubkey": "ssh-rsa AAAA"}, "client 1.2.3.4: pubkey: it is no public key"),
    ({"pubkey": None}, "client 1.2.3.4: pubkey: it is to be text"),
    ({"port": 0}, "client 1.2.3.4: port: it is to be an integer from 1 to 65535"),
    ({"port": "22"}, "client 1.2.3.4: port: it is to be an integer"),
    ({"port": True}, "client 1.2.3.4: port: it is to be an integer"),
    ({"username": ""}, "client 1.2.3.4: username: it is to be text"),
    ({"path": 5}, "client 1.2.3.4: path: it is to be text"),
    ({"needs_chain": 1}, "client 1.2.3.4: needs_chain: it is to be true or false"),
    ({"needs_fullchain": False, "needs_privkey": False}, "client 1.2.3.4: needs_fullchain: with none of"),
    ({"user": "x"}, "client 1.2.3.4: user: certdeploy has no such option: write username"),
    ({"private_key": "x"}, "client 1.2.3.4: private_key: certdeploy has no such option."),
]


@pytest.mark.parametrize(("changed", "said"), CLIENT_REFUSED, ids=str)
def test_what_is_wrong_with_a_client_is_refused_by_its_address(changed, said):
    assert said in refusal({**MINIMAL, "client_configs": [{**CLIENT, **changed}]})


def test_all_that_is_wrong_is_told_at_once():
    lines = refusal({"private_key_file": "/k", "push_retries": -1, "client_configs": [{"address": "a"}]}).splitlines()
    assert len(lines) == 5


def test_a_key_that_was_pasted_is_not_shown():
    pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAAA\n-----END PRIVATE KEY-----\n"
    for config in (
        {**MINIMAL, "push_mode": pem},
        {**MINIMAL, "client_configs": [{**CLIENT, "pubkey": pem, "port": pem}]},
        f"privkey_filename: {pem}",
        [pem],
        {**MINIMAL, pem: 5},
    ):
        assert "MC4CAQ" not in refusal(config)


@pytest.mark.parametrize("config", ["", "null", "5", "[]", "a: b: c", "\0", None])
def test_what_is_no_configuration_is_refused(config):
    assert refusal(config)


def test_the_first_examples_of_its_documentation_are_named_with_what_to_write():
    said = refusal({"private_key_file": "/k", "check_renew": {"every": "week"}, "client_configs": [CLIENT]})
    assert "privkey_filename: it is missing" in said
    assert "check_renew: {every: week} is renew_unit: week" in said


@pytest.mark.parametrize(("at", "variable"), [("09:00", "09:00"), (900, "15:00"), (0, "00:00"), ("09:00:30", "09:00")])
def test_times_of_day_that_it_takes(at, variable):
    assert variables(renew_at=at)["renew_at"] == variable


@pytest.mark.parametrize(("path", "variable"), [(None, ""), ("", ""), ("/srv/in", "/srv/in")])
def test_no_path_means_where_the_login_ends_up(path, variable):
    assert target(path=path)["path"] == variable
