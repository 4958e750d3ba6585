# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role certificate_receiver makes of its variables, however they came."""

from __future__ import annotations

import base64
import dataclasses
import json
import pathlib

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.certops.rotation.plugins.filter._certificate_receiver import certificate_receiver
from ansible_collections.certops.rotation.plugins.module_utils._core.push.receiving import DROP_IN, ReceiverSettings

ROLE = pathlib.Path(__file__).parents[6] / "roles/certificate_receiver"
OPTIONS = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
DEFAULTS = {name.removeprefix("certificate_receiver_"): facts.get("default") for name, facts in OPTIONS.items()}


def public_key(kind="ssh-ed25519", comment="pusher"):
    blob = len(kind).to_bytes(4, "big") + kind.encode() + b"\0\0\0\x20" + b"k" * 32
    return f"{kind} {base64.b64encode(blob).decode()} {comment}".strip()


KEY = public_key()


def plan(key_files=None, **changed):
    return certificate_receiver({**DEFAULTS, "public_keys": [KEY], **changed}, key_files or {})


def problems(**changed):
    return "\n".join(plan(**changed)["problems"])


def test_every_variable_is_what_its_specification_says():
    elements = {"list[str]": ("list", "str"), "list[t.Any]": ("list", "dict"), "str": ("str", "path"), "int": ("int",)}
    for field in dataclasses.fields(ReceiverSettings):
        facts = OPTIONS[f"certificate_receiver_{field.name}"]
        wanted = elements[str(field.type)]
        assert facts["type"] in wanted
        if facts["type"] == "list":
            assert facts["elements"] == wanted[1]


def test_all_of_them_as_text_mean_the_same():
    changed = {"pushers": [{"user": "a", "public_keys": [KEY]}], "port": 22, "listen_addresses": ["::1", "127.0.0.1"]}
    given = {name: value if isinstance(value, str) else json.dumps(value) for name, value in changed.items()}
    assert plan(**given) == plan(**changed)
    with pytest.raises(AnsibleFilterError, match="certificate_receiver_port is to be a whole number"):
        plan(port="ssh")


def test_a_run_is_given_the_time_that_its_services_may_take():
    """Else it is stopped among them, again and again."""
    assert plan()["timeout"] == 900
    assert plan(timeout="30")["timeout"] == 30
    assert plan(services=[{"type": "systemd", "name": "nginx"}], timeout=3600)["timeout"] == 3600
    slow = [{"type": "docker_service", "name": f"s{number}", "timeout": "180"} for number in range(6)]
    assert plan(services=slow)["timeout"] >= 2 * 6 * (180 + 15)
    assert plan(services=[{**slow[0], "prove_within": 1000}])["timeout"] >= 2 * (180 + 1000)
    haproxy = {"type": "haproxy", "haproxy": {"reload_timeout": 500}}
    assert plan(services=[haproxy])["timeout"] >= 2 * (60 + 15 + 500)
    # What these mean is refused by who reads them.
    for odd in ({"timeout": "soon"}, {"timeout": -5}, {"timeout": "inf"}, {"timeout": "nan"}, {"haproxy": "x"}, "x"):
        assert plan(services=[odd])["timeout"] == 900


@pytest.mark.parametrize(
    ("services", "expected"),
    [
        ([], []),
        ([{"type": "systemd", "name": "haproxy"}], []),
        ([{"type": "haproxy"}, {"type": "haproxy", "haproxy": None}], ["/etc/haproxy/certs"]),
        ([{"type": "haproxy", "haproxy": {"path": "/srv/a/"}}], ["/srv/a"]),
        (
            [{"type": "haproxy", "haproxy": {"crt_list": "/srv/lists/all.txt"}}],
            ["/etc/haproxy/certs", "/srv/lists"],
        ),
        # A directory as HAProxy names it, and no file.
        (
            [{"type": "haproxy", "haproxy": {"crt_list": "/etc/haproxy/certs/"}}],
            ["/etc/haproxy/certs"],
        ),
        ([{"type": "haproxy", "haproxy": {"path": "/", "crt_list": "list"}}, "x"], []),
    ],
)
def test_the_unit_may_write_where_haproxy_reads(services, expected):
    assert plan(services=services)["writable"] == expected


def test_one_pusher_by_default():
    made = plan()
    assert made["problems"] == []
    assert made["pushers"] == [
        {
            "user": "certdeploy",
            "path": "/var/lib/certops-receiver",
            "staging": "/var/lib/certops-receiver/staging",
            "receipts": "/var/lib/certops-receiver/receipts",
            "destination": "/etc/certops/live",
            "keys_file": "/etc/certops-receiver/keys/certdeploy",
            "authorized_keys": f"restrict {KEY}\n",
        }
    ]
    assert made["sshd_config"] == DROP_IN


def test_settings_are_what_is_asked_for_afterwards():
    """Each that is written for a user is looked for in what sshd says is in force."""
    made = plan(pushers=[{"user": user, "public_keys": KEY} for user in ("a", "b")])
    user, lines, other, _lines = made["effective"]
    assert (user, other) == ("a", "b")
    block = made["sshd_text"].partition("Match User a\n")[2].partition("\n\n")[0].splitlines()
    written = [line.split(None, 1) for line in block]
    assert [f"{keyword.lower()} {value}" for keyword, value in written] == [*lines.splitlines(), "loglevel INFO"]
    assert "forcecommand internal-sftp -d /staging -u 0077" in lines
    assert "chrootdirectory /var/lib/certops-receiver-a" in lines


def test_the_stamp_tells_what_sshd_has_read():
    assert plan()["sshd_stamp"] == plan()["sshd_stamp"]
    assert plan()["sshd_stamp"] != plan(log_level="VERBOSE")["sshd_stamp"]


def test_a_server_of_its_own():
    made = plan(sshd="own", port=22, listen_addresses=["127.0.0.1", "::1"], log_level="ERROR", max_startups="5")
    lines = made["sshd_text"].splitlines()
    assert {"Port 22", "ListenAddress 127.0.0.1", "ListenAddress ::1", "LogLevel ERROR", "MaxStartups 5"} <= set(lines)
    assert "HostKey /etc/certops-receiver/ssh_host_key" in lines
    assert {"UsePAM no", "AllowUsers certdeploy", "PermitRootLogin no"} <= set(lines)
    assert lines.index("Port 22") < lines.index("Match User certdeploy")


@pytest.mark.parametrize(
    ("given", "makes", "writes", "used"),
    [
        ({}, True, False, "/etc/certops-receiver/ssh_host_key"),
        ({"host_key": "hidden"}, False, True, "/etc/certops-receiver/ssh_host_key"),
        ({"host_key_file": "/k"}, False, False, "/k"),
        ({"host_key": "hidden", "host_key_file": "/k"}, False, False, "/k"),
    ],
)
def test_the_file_of_a_host_key_prevails(given, makes, writes, used):
    made = plan(sshd="own", **given)
    assert (made["makes_host_key"], made["writes_host_key"], made["host_key"]) == (makes, writes, used)
    assert "hidden" not in json.dumps(made)
    assert not plan(**given)["makes_host_key"]


def test_the_file_of_public_keys_prevails():
    other = public_key("ecdsa-sha2-nistp256", "other")
    made = plan(public_key_file="/k.pub", key_files={"/k.pub": f"# both\n{other}\n\n{KEY}\n"})
    assert made["problems"] == []
    assert made["pushers"][0]["authorized_keys"] == f"restrict {other}\nrestrict {KEY}\n"


@pytest.mark.parametrize(
    "key",
    [
        "-----BEGIN OPENSSH PRIVATE KEY-----",
        "ssh-ed25519",
        "ssh-ed25519 AAAA",
        "ssh-ed25519 !!!!",
        "ssh-dss " + KEY.split()[1],
        "ssh-rsa " + KEY.split()[1],
        f'command="/bin/sh" {KEY}',
        f"{KEY}\nssh-ed25519 x",
        f"{KEY}\x1b[2J",
    ],
)
def test_what_is_no_public_key_is_refused_and_not_shown(key):
    said = problems(public_keys=[KEY, key])
    assert "no public key" in said
    assert key not in said


def test_nobody_without_a_key():
    assert "nobody could log in" in problems(public_keys=[])
    assert "/k.pub has none" in problems(public_key_file="/k.pub", key_files={"/k.pub": "\n# none\n"})


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"user": "root"}, "'root' is no user"),
        ({"user": "a b"}, "'a b' is no user"),
        ({"user": ""}, "'' is no user"),
        ({"user": "-o"}, "'-o' is no user"),
        ({"path": "relative"}, "path 'relative'"),
        ({"path": "/"}, "path ''"),
        ({"path": "/root"}, "path '/root'"),
        ({"destination": "/"}, "destination ''"),
        ({"destination": "/etc"}, "destination '/etc'"),
        ({"path": "/a/../b"}, "path '/a/../b'"),
        ({"path": "/a b"}, "path '/a b'"),
        ({"path": "/a%u"}, "path '/a%u'"),
        ({"destination": "/a\n"}, "destination '/a\\n'"),
        ({"path": "/etc/certops"}, "what is live is not to be within"),
        ({"destination": "/var/lib/certops-receiver/live"}, "what is live is not to be within"),
        ({"port": 0}, "certificate_receiver_port"),
        ({"port": 65536}, "certificate_receiver_port"),
        ({"listen_addresses": [f"127.0.0.{n}" for n in range(17)]}, "sshd takes 16 of them at most"),
        ({"listen_addresses": ["a\nPermitRootLogin yes"]}, "is no address"),
        ({"max_startups": "10:30"}, "certificate_receiver_max_startups"),
        ({"host_key_file": "key"}, "certificate_receiver_host_key_file"),
        ({"pushers": ["a"]}, "entry 1: a dictionary of user, path,"),
        ({"pushers": [{"user": "a", "public_key": KEY}]}, "entry 1: a dictionary of"),
        ({"pushers": [{"public_keys": [KEY]}]}, "entry 1: '' is no user"),
        ({"pushers": [{"user": "a"}]}, "entry 1: nobody could log in"),
        ({"pushers": [{"user": "a", "public_keys": [KEY], "path": p} for p in ("/s/a", "/s/b")]}, "have the user a"),
        (
            {"pushers": [{"user": u, "public_keys": [KEY], "path": p} for u, p in (("a", "/s/a"), ("b", "/s/a/b"))]},
            "/s/a and /s/a/b: the directory of one pusher",
        ),
    ],
)
def test_what_has_no_meaning_is_named(changed, named):
    assert named in problems(**changed)


def test_what_is_fine():
    assert problems(listen_addresses=[f"127.0.0.{n}" for n in range(16)], path="/srv/up.loads/") == ""
    assert (
        problems(pushers=[{"user": "a", "public_keys": [KEY], "path": "/srv/ab"}, {"user": "b", "public_keys": KEY}])
        == ""
    )


MATCHES = {
    "Match User certdeploy": True,  # sshd is asked for it, and says what is not in force
    "Match all": True,
    "Match user=backup,certdeploy Group staff": True,
    "Match User backup Address 10.0.0.0/8": True,
    'match "User" *,!certdeploy localport 22': True,
    "Match User !certdeploy Host *": True,
    "Match Address 10.0.0.0/8 User cert??????": False,
    "Match Address 10.0.0.0/8": False,
    "Match Host *.example.com": False,
    "Match LocalPort=2222": False,
    "Match LocalAddress 192.0.2.1 # for backups": False,
    "Match all Address 10.0.0.0/8": False,
    "Match User *": True,
    "Match SomethingNew": False,
    "Match Host * User *t*y": False,
    "Match Host * User c*": False,
    "Match Host * User certdeploy?": True,
    "Match Host * User deploy,*cert": True,
    "Match User certdeploy # Address 10.0.0.0/8": True,
}


@pytest.mark.parametrize(("match", "is_harmless"), MATCHES.items(), ids=MATCHES)
def test_an_earlier_match_that_sshd_is_not_asked_for_is_in_the_way(match, is_harmless):
    made = certificate_receiver({**DEFAULTS, "public_keys": [KEY]}, {}, ["sshd is missing.", f"match:/etc/x:7:{match}"])
    assert made["in_the_way"][0] == "sshd is missing."
    assert len(made["in_the_way"]) == 2 - is_harmless
    assert is_harmless or f"/etc/x, line 7: {match!r}" in made["in_the_way"][1]


def test_a_match_has_to_be_harmless_for_each_pusher():
    pushers = [{"user": user, "public_keys": [KEY]} for user in ("alice", "bob")]
    seen = ["match:/etc/x:7:Match Address ::1 User bob", "match:/etc/x:9:Match Address ::1 User carol"]
    made = certificate_receiver({**DEFAULTS, "pushers": pushers}, {}, seen)
    assert [line.split(":")[0] for line in made["in_the_way"]] == ["/etc/x, line 7"]
