# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts that take uploads: real SSH servers on loopback, each confined to SFTP below a directory of its own.

Each runs in name spaces of its own, where its account is known and its directory is a chroot that sshd accepts: this
machine gets no user, no settings and no other file, and whatever runs in there ends with the server.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time
import typing as t

from ansible_collections.certops.rotation.plugins.module_utils._core.push.targets import PushTarget
from ansible_collections.certops.rotation.plugins.module_utils._ports.host.processes import children_of

from . import secrets_scan
from .disk import tiny_file_system
from .ports import free_port
from .systemd_host import become

KeyType = t.Literal["ed25519", "ecdsa", "rsa"]

# Runs as root. $1: the chroot; $2: where the files below lie; more: the server. Standard input: a pipe that closes when
# the tests end, in whatever way.
_HOST = """
set -eu
root=$1 settings=$2
shift 2
mkdir -p -m 0755 /run/sshd
exec 3<&0
unshare --mount --pid --fork --kill-child -- sh -euc '
    root=$1 settings=$2
    shift 2
    for name in passwd group shadow; do mount --bind "$settings/$name" "/etc/$name"; done
    mount --rbind "$root" /mnt
    mount -t tmpfs -o mode=0755 certops-test /run/sshd # its user need not be able to look into the settings
    touch /run/sshd/authorized_keys
    mount --bind "$settings/authorized_keys" /run/sshd/authorized_keys
    exec "$@"
' sh "$root" "$settings" "$@" </dev/null 3<&- &
read -r _ <&3 || :
kill -KILL "$!" 2>/dev/null || :
wait
"""


class SshHost:
    """One of them. Use it as a context; it runs within.

    root: its chroot, owned by root, with ``staging`` (of its user alone) and ``receipts``; log: what the server says;
    private_key_file: of the user's key, which opens it.
    """

    def __init__(
        self,
        directory: pathlib.Path,
        name: str = "host",
        *,
        address: str = "127.0.0.1",
        port: int | None = None,
        user: str = "certdeploy",
        key_types: t.Sequence[KeyType] = ("ed25519",),
        settings: t.Sequence[str] = (),
        small_disk: bool = False,
    ) -> None:
        """directory: shared by all hosts that are opened by the same key; port: None for a free one; settings: further
        lines of sshd_config, before its own, so that they prevail; small_disk: staging is a file system of 256 KiB.
        """
        self.name, self.address, self.port, self.user = name, address, port or free_port(), user
        self.private_key_file = directory / "user"
        self.root = directory / name / "root"
        self.staging, self.receipts = self.root / "staging", self.root / "receipts"
        self.log = directory / name / "sshd.log"
        self._settings_directory = directory / name
        self._key_types, self._settings, self._small_disk = tuple(key_types), tuple(settings), small_disk
        self._server: subprocess.Popen[bytes] | None = None
        self._resources = contextlib.ExitStack()

    # Who it is

    @property
    def host_keys(self) -> tuple[str, ...]:
        """As PushTarget takes them."""
        publics = [self._host_key(key_type).with_suffix(".pub").read_text().split() for key_type in self._key_types]
        return tuple(f"{fields[0]} {fields[1]}" for fields in publics)

    @property
    def uid(self) -> int:
        """Of the user who uploads: the tests' own where that is not root, so that they see what was uploaded."""
        return os.geteuid() or 64123

    def target(self, **changed: t.Any) -> PushTarget:
        """Everything to push to it; all lineages, if not changed."""
        target = PushTarget(
            name=self.name,
            address=self.address,
            domains=("*",),
            host_keys=self.host_keys,
            port=self.port,
            user=self.user,
            private_key_file=str(self.private_key_file),
        )
        return dataclasses.replace(target, **changed)

    def write_receipt(self, name: str, text: str) -> None:
        """As the receiving side does it: by renaming, owned by root, readable by the user."""
        script = 'umask 022; cat >"$1/.new" && mv "$1/.new" "$1/$2"'
        command = [*become(), "sh", "-euc", script, "sh", str(self.receipts), name]
        subprocess.run(command, input=text.encode(), check=True)

    def authorize(self, *public_keys: str) -> None:
        """These keys open it, instead of the one of all hosts of the directory."""
        (self._settings_directory / "authorized_keys").write_text("".join(f"{key.strip()}\n" for key in public_keys))

    # Its life

    def __enter__(self) -> SshHost:
        self._settings_directory.mkdir(parents=True)
        make_key(self.private_key_file)
        for key_type in self._key_types:
            make_key(self._host_key(key_type), key_type)
        self.authorize(self.private_key_file.with_suffix(".pub").read_text())
        self._write_settings()
        owner, group = f"--owner={self.uid}", f"--group={os.getegid() or self.uid}"
        _as_root("install", "--directory", "--mode=0755", str(self.root), str(self.receipts))
        _as_root("install", "--directory", "--mode=0700", owner, group, str(self.staging))
        self._resources.callback(_as_root, "rm", "--recursive", "--force", str(self.root))
        try:
            if self._small_disk:
                self._resources.enter_context(tiny_file_system(self.staging, self.uid))
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()
        self._resources.close()

    def start(self, timeout: float = 30) -> None:
        """Returns when it answers. Raises AssertionError with its log when it does not."""
        program = shutil.which("sshd")
        assert program, "sshd is missing: install openssh-server"
        command = ["sh", "-c", _HOST, "sh", str(self.root), str(self._settings_directory)]
        server = [program, "-D", "-e", "-f", str(self._settings_directory / "sshd_config")]
        with self.log.open("ab") as log:
            self._server = subprocess.Popen(
                [*become(), *command, *server], stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + timeout
        while not self._answers():
            assert time.monotonic() < deadline, f"{self.name} did not start: {self.log.read_text()}"
            time.sleep(0.01)

    def stop(self) -> None:
        """At once, with all its sessions: as if its power failed. Then its port refuses connections."""
        if self._server is None:
            return
        self._signal(signal.SIGKILL)
        assert self._server.stdin
        self._server.stdin.close()
        self._server.wait(30)
        self._server = None

    def restart(self) -> None:
        self.stop()
        self.start()

    def hang(self) -> None:
        """Connections are accepted, by the kernel, and nobody says a word; sessions that there are fall silent."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def change_host_key(self, key_types: t.Sequence[KeyType] | None = None) -> None:
        """As after a new installation, and start again. key_types: None for those it had."""
        self._key_types = tuple(key_types or self._key_types)
        for key_type in self._key_types:
            key = self._host_key(key_type)
            key.unlink(missing_ok=True)
            make_key(key, key_type)
        self._write_settings()
        self.restart()

    def sessions(self) -> list[int]:
        """Processes that serve connections."""
        listener = self._processes()[:1]
        return [pid for pid in self._processes() if pid not in listener]

    def _processes(self) -> list[int]:
        """The listening server first, then its children and theirs."""
        if self._server is None:
            return []
        found = [self._server.pid]
        for pid in found:
            found += [child.pid for child in children_of(pid)]
        names = {pid: pathlib.Path(f"/proc/{pid}/comm") for pid in found}
        return [pid for pid, name in names.items() if _content(name).startswith("sshd")]

    def _signal(self, number: signal.Signals) -> None:
        processes = self._processes()
        if processes:
            command = [*become(), "kill", f"-{number.value}", *map(str, processes)]
            subprocess.run(command, stderr=subprocess.DEVNULL, check=False)  # some end by themselves meanwhile

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection((self.address, self.port), timeout=2) as connection:
            return connection.recv(4) == b"SSH-"
        return False

    # What it is made of

    def _host_key(self, key_type: KeyType) -> pathlib.Path:
        return self._settings_directory / f"host_{key_type}"

    def _write_settings(self) -> None:
        sshd_config = [
            *self._settings,
            f"Port {self.port}",
            f"ListenAddress {self.address}",
            *(f"HostKey {self._host_key(key_type)}" for key_type in self._key_types),
            "AuthorizedKeysFile /run/sshd/authorized_keys",
            "PidFile none",
            "UsePAM no",
            "StrictModes no",
            "AuthenticationMethods publickey",
            "MaxStartups 200",
            *(["PerSourcePenalties no"] if _openssh() >= (9, 8) else []),
            f"AllowUsers {self.user}",
            "Subsystem sftp internal-sftp",
            "ChrootDirectory /mnt",
            "ForceCommand internal-sftp -u 0077",
            "DisableForwarding yes",
            "PermitTTY no",
        ]
        uid, gid = self.uid, os.getegid() or self.uid
        texts = {
            "sshd_config": sshd_config,
            "passwd": [
                "root:x:0:0::/root:/bin/sh",
                "sshd:x:64122:64122::/run/sshd:/usr/sbin/nologin",
                f"{self.user}:x:{uid}:{gid}::/staging:/bin/sh",
            ],
            "group": ["root:x:0:", "sshd:x:64122:", f"{self.user}:x:{gid}:"],
            "shadow": ["root:*:19000::::::", f"{self.user}:*:19000::::::"],
        }
        for name, lines in texts.items():
            (self._settings_directory / name).write_text("".join(f"{line}\n" for line in lines))


@contextlib.contextmanager
def ssh_hosts(directory: pathlib.Path, count: int, **options: t.Any) -> t.Iterator[list[SshHost]]:
    """host1, host2, ... on the same port of 127.0.1.1, 127.0.1.2, ... options: of SshHost."""
    port = options.pop("port", None) or free_port()
    with contextlib.ExitStack() as running:
        yield [
            running.enter_context(SshHost(directory, f"host{n}", address=f"127.0.1.{n}", port=port, **options))
            for n in range(1, count + 1)
        ]


def make_key(path: pathlib.Path, key_type: KeyType = "ed25519", passphrase: str = "") -> None:
    """A private key and, with .pub, its public one, unless it is there; known to secrets_scan."""
    if not path.exists():
        command = ["ssh-keygen", "-q", "-t", key_type, "-C", "", "-N", passphrase, "-f", str(path)]
        subprocess.run(command, check=True, timeout=60, stdin=subprocess.DEVNULL)
    secrets_scan.register_private_key(path.read_text())


def _as_root(*command: str) -> None:
    subprocess.run([*become(), *command], check=True)


def _openssh() -> tuple[int, int]:
    told = subprocess.run(["ssh", "-V"], capture_output=True, text=True, check=True).stderr
    found = re.search(r"OpenSSH_(\d+)\.(\d+)", told)
    assert found, told
    return int(found[1]), int(found[2])


def _content(path: pathlib.Path) -> str:
    """Empty when it is gone."""
    try:
        return path.read_text()
    except OSError:
        return ""
