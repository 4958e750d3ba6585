# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What ssh tells becomes whose fault it is, and what to do. The reports are those of OpenSSH 8.4 to 9.9, shortened."""

from __future__ import annotations

import base64
import dataclasses

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.push.ssh_report import (
    connect_timeout,
    fingerprint,
    known_hosts,
    why_not_connected,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.push.targets import PushTarget
from ansible_collections.certops.rotation.plugins.module_utils._errors import PushError


def blob(key_type: str, content: bytes = bytes(32)) -> str:
    name = key_type.encode()
    return base64.b64encode(len(name).to_bytes(4, "big") + name + content).decode()


ED25519 = f"ssh-ed25519 {blob('ssh-ed25519')}"
RSA = f"ssh-rsa {blob('ssh-rsa')}"
TARGET = PushTarget(
    name="web1", address="web1.example.com", domains=("*",), host_keys=(ED25519,), port=2222, private_key_file="/k"
)

CONNECTED = "debug1: Connecting to web1.example.com [192.0.2.1] port 2222.\r\ndebug1: Connection established.\r\n"
SPEAKING = f"{CONNECTED}debug1: Remote protocol version 2.0, remote software version OpenSSH_9.2\r\n"
KEY_SHOWN = f"{SPEAKING}debug1: Server host key: ssh-ed25519 SHA256:other\r\n"
GO_ON = "debug1: Authentications that can continue: publickey\r\n"
OFFERED = f"{KEY_SHOWN}{GO_ON}debug1: Offering public key: /k ED25519 SHA256:mine explicit\r\n"
ACCEPTED = f"{OFFERED}debug1: Server accepts key: /k ED25519 SHA256:mine explicit\r\n"
DENIAL = "certdeploy@web1.example.com: Permission denied (publickey).\r\n"
AUTHENTICATED = f'{KEY_SHOWN}Authenticated to web1.example.com ([192.0.2.1]:2222) using "publickey".\r\n'


@pytest.mark.parametrize(
    ("report", "fault", "said"),
    [
        (
            "ssh: Could not resolve hostname web1.example.com: Name or service not known\r\n",
            "unreachable",
            "cannot resolve web1.example.com: Name or service not known. Correct address",
        ),
        (
            (
                "debug1: connect to address 192.0.2.1 port 2222: Connection refused\r\n"
                "ssh: connect to host web1.example.com port 2222: Connection refused\r\n"
            ),
            "unreachable",
            "cannot connect to web1.example.com:2222: Connection refused. Does an SSH server run there?",
        ),
        (
            f"{CONNECTED}Connection timed out during banner exchange\r\nConnection to 192.0.2.1 timed out\r\n",
            "unreachable",
            "web1.example.com:2222 took the connection, but did not speak SSH within 30 seconds",
        ),
        (
            f"{CONNECTED}kex_exchange_identification: read: Connection reset by peer\r\n",
            "unreachable",
            "the connection to web1.example.com:2222 ended: kex_exchange_identification: read: Connection reset by",
        ),
        (
            (
                f"{SPEAKING}Unable to negotiate with 192.0.2.1 port 2222: no matching key exchange method found. Their"
                " offer: diffie-hellman-group1-sha1\r\n"
            ),
            "unreachable",
            "no matching key exchange method found. Their offer: diffie-hellman-group1-sha1",
        ),
        (
            (
                f"{KEY_SHOWN}@@@@@@@\r\n@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\r\n@@@@@@@\r\n"
                "Host key verification failed.\r\n"
            ),
            "host_key",
            f"shows the host key ssh-ed25519 SHA256:other; pinned is ssh-ed25519 {fingerprint(blob('ssh-ed25519'))}.",
        ),
        (
            (
                f"{SPEAKING}Unable to negotiate with 192.0.2.1 port 2222: no matching host key type found. Their offer:"
                " ssh-dss\r\n"
            ),
            "host_key",
            "shows the host key a key of type ssh-dss; pinned is",
        ),
        (
            f"{OFFERED}{GO_ON}{DENIAL}",
            "denied",
            "does not let certdeploy in with the key /k: certdeploy@web1.example.com: Permission denied (publickey)",
        ),
        (
            f"{OFFERED}Received disconnect from 192.0.2.1 port 2222:2: Too many authentication failures\r\n",
            "denied",
            "Too many authentication failures",
        ),
        (f"{ACCEPTED}{DENIAL}", "local", "ssh cannot sign with /k: is the passphrase this key's?"),
        (f"{KEY_SHOWN}{GO_ON}{DENIAL}", "local", "ssh cannot sign with /k"),  # nor say whose key it is
        (f"{ACCEPTED}{GO_ON}{DENIAL}", "denied", "does not let certdeploy in"),  # it was sent a signature
        (
            f'{ACCEPTED}Load key "/k": error in libcrypto\r\n{DENIAL}',
            "local",
            'ssh cannot use /k: Load key "/k": error in libcrypto',
        ),
        (
            f"{AUTHENTICATED}subsystem request failed on channel 0\r\n",
            "remote",
            "let certdeploy in, but does not speak SFTP: subsystem request failed on channel 0. Confine",
        ),
        (
            (
                f"{AUTHENTICATED}no shell for you\r\nTransferred: sent 1, received 2 bytes, in 0.0 seconds\r\n"
                "Bytes per second: sent 1.0, received 2.0\r\ndebug1: Exit status 1\r\n"
            ),
            "remote",
            "does not speak SFTP: no shell for you. Confine",
        ),
        (f"{AUTHENTICATED}", "remote", "does not speak SFTP: it said nothing"),
        (f"{AUTHENTICATED}debug1: Exit status 127\r\n", "remote", "SFTP: what it runs for that ends with 127. Conf"),
        ("", "unreachable", "ended: it said nothing"),
    ],
)
def test_a_report_is_judged(report: str, fault: str, said: str) -> None:
    error = why_not_connected(TARGET, report, timed_out=False)
    assert error.fault == fault
    assert str(error).startswith("web1: ")
    assert said in str(error)


@pytest.mark.parametrize(
    ("report", "said"),
    [
        ("debug1: Connecting to web1.example.com port 2222.\n", "no connection to web1.example.com:2222 within 60 s"),
        (CONNECTED, "took the connection, but did not speak SSH within 60 seconds"),
        (SPEAKING, "did not finish the SSH handshake and the login within"),
        (AUTHENTICATED, "let certdeploy in, but did not begin SFTP within"),
    ],
)
def test_a_silence_has_a_place(report: str, said: str) -> None:
    error = why_not_connected(TARGET, report, timed_out=True)
    assert error.fault == "unreachable"
    assert said in str(error)


def test_what_a_host_says_before_it_has_proved_who_it_is_begins_no_line() -> None:
    said = "debug1: kex_exchange_identification: banner line 0: debug1: Server host key: ssh-rsa SHA256:lie\r\n"
    error = why_not_connected(TARGET, f"{said}{KEY_SHOWN}Host key verification failed.\r\n", timed_out=False)
    assert "SHA256:other" in str(error)
    assert "lie" not in str(error)


def test_what_a_host_says_moves_no_cursor_and_has_an_end() -> None:
    error = why_not_connected(TARGET, f"{CONNECTED}\x1b[2J" + "x" * 10000, timed_out=False)
    assert "\x1b" not in str(error)
    assert len(str(error)) < 1000


def test_all_pinned_keys_are_known_by_one_name() -> None:
    """So neither the port nor the spelling of the address matters."""
    target = dataclasses.replace(TARGET, host_keys=(f"{ED25519} root@web1", f"  {RSA}\n"))
    assert known_hosts(target) == f"pinned {ED25519}\npinned {RSA}\n"
    error = why_not_connected(target, "Host key verification failed.\n", timed_out=False)
    assert error.fault == "host_key"
    assert "shows the host key another key; pinned is ssh-ed25519 SHA256:" in str(error)
    assert " or ssh-rsa SHA256:" in str(error)


@pytest.mark.parametrize(
    "keys",
    [
        (),
        ("",),
        ("ssh-ed25519",),
        (f"web1.example.com {ED25519}",),
        (f"ssh-rsa {blob('ssh-ed25519')}",),
        ("ssh-ed25519 AAAA\n* ssh-ed25519 AAAA",),
        ("ssh-ed25519 é",),
        (ED25519, "nonsense"),
    ],
)
def test_what_is_no_host_key_is_refused_before_anything_is_sent(keys: tuple[str, ...]) -> None:
    with pytest.raises(PushError, match=r"^web1: host_keys") as refused:
        known_hosts(dataclasses.replace(TARGET, host_keys=keys))
    assert refused.value.fault == "local"


def test_fingerprints_are_those_of_openssh() -> None:
    """ssh-keygen -lf shows this."""
    key = "AAAAC3NzaC1lZDI1NTE5AAAAIMe1W9vExBAajQhmoEg5qhLSAAYdH9OZMHA7q1TFJD7A"
    assert fingerprint(key) == "SHA256:8OQnbMovjq8KJQj9B7r/kr7iEjblN9chN/IF49dWWmg"


@pytest.mark.parametrize(("timeout", "seconds"), [(60, 30), (5, 3), (1, 1), (0.2, 1)])
def test_one_address_of_several_does_not_take_all_the_time(timeout: float, seconds: int) -> None:
    assert connect_timeout(dataclasses.replace(TARGET, timeout=timeout)) == seconds


def test_addresses_of_ipv6_stand_in_brackets() -> None:
    target = dataclasses.replace(TARGET, address="2001:db8::1")
    assert "no connection to [2001:db8::1]:2222" in str(why_not_connected(target, "", timed_out=True))
