# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host with a real systemd and the distribution's HAProxy unit: this machine's own system, booted once more.

systemd-nspawn boots it from an overlay over / that is kept in memory, in less than a second and without an image.
Nothing that happens in there reaches this machine, except over the network, which is shared. What this machine's
administrator enabled or mounts stays off: only the vendor's basic.target is started.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import typing as t

from . import forking, packing

_REPOSITORY = pathlib.Path(__file__).parents[2]

# Runs as root. $1: an empty directory; more: options of systemd-nspawn. Standard input: a pipe that closes when the
# tests end, in whatever way. All mounts are in a name space of this process and its children.
_BOOT = """
set -eu
directory=$1
shift
exec 3<&0 # of a background process, standard input would be /dev/null
mount -t tmpfs -o mode=0755 certops-test "$directory"
mkdir "$directory/upper" "$directory/work" "$directory/root" "$directory/units"
mount -t overlay -o "lowerdir=/,upperdir=$directory/upper,workdir=$directory/work" certops-test "$directory/root"
mkdir -p /run/systemd/nspawn
mount -t tmpfs certops-test /run/systemd/nspawn

groups=
if [ ! -d /run/systemd/system ]; then # nobody else makes and removes control groups here
    set -- --keep-unit "$@"
    for hierarchy in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
        if [ -e "$hierarchy/cgroup.procs" ]; then
            groups="$groups $hierarchy/certops-test-$$"
        fi
    done
fi
for group in $groups; do mkdir "$group"; done
{
    read -r _ <&3 || :
    kill "$(cat "$directory/container")" || :
} >/dev/null 2>&1 &
status=133 # of systemd-nspawn --keep-unit when the host in there wants to boot again
while [ "$status" -eq 133 ]; do
    (
        for group in $groups; do echo 0 >"$group/cgroup.procs"; done
        exec systemd-nspawn --directory="$directory/root" "$@"
    ) </dev/null 3<&- &
    echo "$!" >"$directory/container"
    status=0
    wait "$!" || status=$?
done
for group in $groups; do find "$group" -depth -type d -exec rmdir {} +; done
exit "$status"
"""


class SystemdHost(forking.Place):
    """Use it as a context. shared: a directory that both sides see at the same path, like this checkout and Python."""

    def __init__(self) -> None:
        self._directory = pathlib.Path(tempfile.mkdtemp(prefix="systemd-", dir="/tmp"))
        self._console = self._directory / "console.log"
        self._container: subprocess.Popen[bytes] | None = None
        self._leader = ""
        self._servers: dict[str, list[forking.ForkServer]] = {}
        self.shared: pathlib.Path = self._directory / "shared"

    def __enter__(self) -> SystemdHost:
        try:
            self._boot()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        self._end_servers()
        if self._container:
            assert self._container.stdin
            self._container.stdin.close()
            self._container.wait(60)
        shutil.rmtree(self._directory)

    def environment(self, env: t.Mapping[str, str]) -> dict[str, str]:
        inherited = ("PATH", "PYTHONPATH", "ANSIBLE_COLLECTIONS_PATH", *packing.ENVIRONMENT)
        return {
            **{name: os.environ[name] for name in inherited if name in os.environ},
            "HOME": "/root",
            "LC_ALL": "C.UTF-8",
            **env,
        }

    def command(self, command: t.Sequence[str], env: t.Mapping[str, str] | None = None) -> list[str]:
        """The command that runs another one in there as root, with env and little else in its environment."""
        assignments = [f"{name}={value}" for name, value in self.environment(env or {}).items()]
        return [*become(), "nsenter", f"--target={self._leader}", "--all", "--", "env", "-i", *assignments, *command]

    def kill_group(self, pid: int) -> None:
        self.run("kill", "-KILL", "--", f"-{pid}", check=False)

    @contextlib.contextmanager
    def server(self, program: str, env: t.Mapping[str, str]) -> t.Iterator[forking.ForkServer]:
        """One in there that nobody uses now, until the host ends. Further: see forking.borrowed."""
        idle = self._servers.setdefault(repr((program, self.environment(env))), [])
        server = idle.pop() if idle else forking.ForkServer(program, env, place=self)
        try:
            yield server
        except BaseException:
            server.close()
            raise
        idle.append(server)

    def _end_servers(self) -> None:
        for idle in self._servers.values():
            while idle:
                idle.pop().close()

    def run(
        self,
        *command: str,
        stdin: str = "",
        env: t.Mapping[str, str] | None = None,
        timeout: float = 120,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in there as root. timeout: seconds. Raises AssertionError when it fails, unless check=False."""
        process = subprocess.run(
            self.command(command, env), input=stdin, capture_output=True, text=True, timeout=timeout, check=False
        )
        assert process.returncode == 0 or not check, f"{command}: {process.stdout}{process.stderr}"
        return process

    def reboot(self, timeout: float = 60) -> None:
        """Without an orderly end. What was written is there again, but for /run, /tmp and /var/log."""
        self._end_servers()
        with self._notifications() as notifications:
            self.run("systemctl", "reboot", "--force", "--force", check=False)
            self._await_readiness(notifications, time.monotonic() + timeout)

    def write(self, path: str, text: str) -> None:
        """Write a file in there, for root only."""
        self.run("install", "-D", "--mode=0600", "/dev/stdin", path, stdin=text)

    def _boot(self, timeout: float = 60) -> None:
        root = self._directory / "root"
        for directory in (root, self.shared, packing.KEPT):
            directory.mkdir(parents=True, exist_ok=directory == packing.KEPT)
        options = [
            "--boot",
            f"--machine=certops-test-{os.getpid()}",
            "--register=no",
            "--link-journal=no",
            "--resolv-conf=off",
            "--timezone=off",
            "--console=read-only",
            "--notify-ready=yes",
            "--kill-signal=SIGKILL",  # nothing in there is worth an orderly end
            f"--bind={root}/units:/etc/systemd/system",  # empty, and there again after a reboot
            "--tmpfs=/var/log",
            *(f"--bind-ro=/dev/null:/etc/{table}" for table in ("fstab", "crypttab")),
            *(f"--overlay={path}::{path}" for path in ("/usr", "/var") if os.path.ismount(path)),
            *(f"--bind-ro={path}" for path in visible_directories()),
            *(f"--bind={path}" for path in (self.shared, packing.KEPT)),
            "--",
            "--unit=basic.target",
        ]
        environment = ["env", f"NOTIFY_SOCKET={self._directory}/notify", "SYSTEMD_COLORS=0"]
        with self._notifications() as notifications, self._console.open("wb") as console:
            self._container = subprocess.Popen(
                [*become(), *environment, "unshare", "--mount", "sh", "-c", _BOOT, "sh", str(root), *options],
                stdin=subprocess.PIPE,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C is for the tests, which then end this in good order
            )
            self._await_readiness(notifications, time.monotonic() + timeout)

    @contextlib.contextmanager
    def _notifications(self) -> t.Iterator[socket.socket]:
        address = self._directory / "notify"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notifications:
            notifications.bind(str(address))
            notifications.settimeout(0.2)
            yield notifications
        address.unlink()

    def _await_readiness(self, notifications: socket.socket, deadline: float) -> None:
        """sd_notify(3) and systemd-nspawn(1), --notify-ready: the process id of its systemd, then that it is up."""
        assert self._container
        while time.monotonic() < deadline and self._container.poll() is None:
            try:
                lines = notifications.recv(4096).decode().splitlines()
            except TimeoutError:
                continue
            for line in lines:
                if line.startswith("X_NSPAWN_LEADER_PID="):
                    self._leader = line.partition("=")[2]
            if "READY=1" in lines:
                return
        raise AssertionError(
            "systemd did not come up in a container. This needs root or sudo without a password, the programs"
            " systemd-nspawn, unshare and nsenter, and a kernel that lets root mount overlays. It said:\n"
            + self._console.read_text(errors="replace")
        )


def become() -> list[str]:
    """What makes a command run as root, without a question."""
    return [] if os.getuid() == 0 else ["sudo", "-n"]


def visible_directories() -> list[pathlib.Path]:
    """Directories that the container needs and might not have: its /tmp is empty, other file systems are not there."""
    wanted = {_REPOSITORY, pathlib.Path(sys.prefix), pathlib.Path(sys.base_prefix)}
    for variable in ("PYTHONPATH", "ANSIBLE_COLLECTIONS_PATH"):
        wanted.update(pathlib.Path(entry) for entry in os.environ.get(variable, "").split(os.pathsep) if entry)
    return sorted(path for path in wanted if path.is_dir() and not path.is_relative_to("/usr"))


def visible_in_services() -> list[str]:
    """The settings with which a confined service sees them as well, wherever they are, and packs modules once."""
    return [
        "ProtectHome=read-only",
        *(f"BindReadOnlyPaths={path}" for path in visible_directories()),
        f"ReadWritePaths={packing.KEPT}",
        *(f"Environment={name}={value}" for name, value in packing.ENVIRONMENT.items()),
    ]
