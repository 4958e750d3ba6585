# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How ssh is called: with which key exchange first, whatever version it is, and with no secret."""

from __future__ import annotations

import base64
import pathlib
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.push.targets import PushTarget
from ansible_collections.certops.rotation.plugins.module_utils._errors import PushError
from ansible_collections.certops.rotation.plugins.module_utils._ports.sftp.openssh import OpensshDeliverer

ED25519 = base64.b64encode(b"\0\0\0\x0bssh-ed25519" + bytes(36)).decode()
TARGET = PushTarget("web1", "-oProxyCommand=id", ("*",), (f"ssh-ed25519 {ED25519}",), port=2222, timeout=30)

# -Q kex, of OpenSSH 8.0, 9.2 and 10.0, shortened.
KNOWN = {
    "8.0": ("diffie-hellman-group14-sha256", "curve25519-sha256", "curve25519-sha256@libssh.org"),
    "9.2": ("diffie-hellman-group14-sha256", "curve25519-sha256", "sntrup761x25519-sha512@openssh.com"),
    "10.0": ("curve25519-sha256", "sntrup761x25519-sha512", "mlkem768x25519-sha256"),
}


@pytest.fixture
def ssh(tmp_path: pathlib.Path) -> t.Callable[..., pathlib.Path]:
    """A program that tells what it knows, and else keeps what it was called with."""

    def make(*known: str) -> pathlib.Path:
        program = tmp_path / "ssh"
        told = "\\n".join(known)
        script = [
            "#!/bin/sh",
            f"[ \"$1\" != -Q ] || {{ printf '{told}\\n'; exit; }}",
            f"cd '{tmp_path}'",
            "printf '%s\\n' \"$@\" >arguments",
            "env >environment",
            'for option; do case $option in -oUserKnownHostsFile=*) cat "${option#*=}" >pinned ;; esac; done',
        ]
        program.write_text("\n".join(script) + "\n")
        program.chmod(0o755)
        return program

    return make


def call(program: pathlib.Path, passphrase: str | None = None) -> list[str]:
    """Its arguments."""
    with OpensshDeliverer(passphrase, str(program)) as deliverer, pytest.raises(PushError) as refused:
        deliverer.deliver(TARGET, [], uploaded={}, wait=False)
    assert refused.value.fault == "unreachable"
    return program.with_name("arguments").read_text().splitlines()


@pytest.mark.parametrize(
    ("version", "option"),
    [
        ("8.0", None),  # it knows no ^, and nothing slow
        ("9.2", "-oKexAlgorithms=^curve25519-sha256"),
        ("10.0", "-oKexAlgorithms=^mlkem768x25519-sha256,curve25519-sha256"),
    ],
)
def test_the_quick_key_exchanges_go_first(ssh: t.Any, version: str, option: str | None) -> None:
    found = [argument for argument in call(ssh(*KNOWN[version])) if "KexAlgorithms" in argument]
    assert found == ([option] if option else [])


def test_settings_of_others_do_not_count_and_only_pinned_keys_do(ssh: t.Any, tmp_path: pathlib.Path) -> None:
    arguments = call(ssh(), "a secret")
    assert arguments[:2] == ["-F", "none"]
    for option in ("StrictHostKeyChecking=yes", "GlobalKnownHostsFile=/dev/null", "UpdateHostKeys=no"):
        assert f"-o{option}" in arguments
    assert (tmp_path / "pinned").read_text() == f"pinned ssh-ed25519 {ED25519}\n"
    assert "a secret" not in " ".join(arguments) + (tmp_path / "environment").read_text()


def test_what_looks_like_an_option_is_an_address(ssh: t.Any) -> None:
    assert call(ssh())[-4:] == ["-s", "--", "-oProxyCommand=id", "sftp"]
