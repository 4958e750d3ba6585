# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Deliveries to real SSH servers: what arrives, with which keys, what is told of a host that does not take it."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import os
import pathlib
import re
import shutil
import stat
import subprocess
import sys
import threading
import time
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.push.delivery import Delivery
from ansible_collections.certops.rotation.plugins.module_utils._core.push.receipt import (
    Receipt,
    receipt_mark,
    receipt_to_json,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.push.targets import PushTarget
from ansible_collections.certops.rotation.plugins.module_utils._errors import PushError
from ansible_collections.certops.rotation.plugins.module_utils._ports.host.processes import children_of
from ansible_collections.certops.rotation.plugins.module_utils._ports.sftp.openssh import OpensshDeliverer
from ansible_collections.certops.rotation.tests.support import disk
from ansible_collections.certops.rotation.tests.support.ports import free_port
from ansible_collections.certops.rotation.tests.support.push_lineages import new_lineage
from ansible_collections.certops.rotation.tests.support.secrets_scan import private_key_findings
from ansible_collections.certops.rotation.tests.support.ssh_hosts import SshHost, make_key
from ansible_collections.certops.rotation.tests.support.stalling_proxy import StallingProxy
from ansible_collections.certops.rotation.tests.support.systemd_host import become

PASSPHRASE = "correct horse 'battery' \"staple\" $(id) é"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[SshHost]:
    with SshHost(tmp_path_factory.mktemp("ssh"), "web1", key_types=("ed25519", "ecdsa")) as host:
        yield host


@pytest.fixture(autouse=True)
def no_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)


def deliver(
    target: PushTarget,
    *lineages: t.Any,
    uploaded: t.Mapping[str, str | None] | None = None,
    wait: bool = False,
    passphrase: str | None = None,
) -> list[Delivery]:
    with OpensshDeliverer(passphrase) as deliverer:
        return deliverer.deliver(target, lineages, uploaded=uploaded or {}, wait=wait)


def refusal(target: PushTarget, fault: str, passphrase: str | None = None) -> str:
    with pytest.raises(PushError) as refused:
        deliver(target, new_lineage(), passphrase=passphrase)
    assert refused.value.fault == fault, str(refused.value)
    assert str(refused.value).startswith("web1: ")
    assert not private_key_findings(str(refused.value))
    return str(refused.value)


def content(directory: pathlib.Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


# What arrives


def test_lineages_arrive_whole_in_one_connection(host: SshHost) -> None:
    lineages = [new_lineage(name) for name in ("www.example.com", "example.com-0001", "_odd+name.example.com")]
    connections = host.log.read_text().count("Accepted publickey")
    assert deliver(host.target(), *lineages) == [Delivery(lineage.name, uploaded=True) for lineage in lineages]
    for lineage in lineages:
        staged = host.staging / f"{lineage.name}@{lineage.fingerprint_sha256}"
        assert content(staged) == {
            "fullchain.pem": lineage.parts["fullchain"],
            "privkey.pem": lineage.parts["privkey"],
        }
        assert stat.S_IMODE(staged.stat().st_mode) == 0o700
        assert {stat.S_IMODE(path.stat().st_mode) for path in staged.iterdir()} == {0o600}
        assert {path.stat().st_uid for path in (staged, *staged.iterdir())} == {host.uid}
    assert not list(host.staging.glob(".upload-*"))
    assert host.log.read_text().count("Accepted publickey") == connections + 1
    deadline = time.monotonic() + 30
    while host.sessions():  # the connection is closed, there too
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_second_delivery_sends_nothing(host: SshHost) -> None:
    lineage = new_lineage("again.example.com")
    assert deliver(host.target(), lineage) == [Delivery("again.example.com", uploaded=True)]
    staged = host.staging / f"again.example.com@{lineage.fingerprint_sha256}"
    before = staged.stat().st_mtime_ns
    assert deliver(host.target(), lineage) == [Delivery("again.example.com")]
    assert staged.stat().st_mtime_ns == before


def test_several_pushers_do_not_disturb_each_other(host: SshHost) -> None:
    lineage = new_lineage("shared.example.com")
    with concurrent.futures.ThreadPoolExecutor(6) as threads, OpensshDeliverer() as deliverer:
        pushes = [
            threads.submit(deliverer.deliver, host.target(), [lineage], uploaded={}, wait=False) for _pusher in range(6)
        ]
        deliveries = [push.result()[0] for push in pushes]
    assert [delivery.error for delivery in deliveries] == [""] * 6
    assert [delivery.uploaded for delivery in deliveries].count(True) == 1
    staged = f"{lineage.name}@{lineage.fingerprint_sha256}"
    assert [path.name for path in host.staging.iterdir() if lineage.name in path.name or "upload" in path.name] == [
        staged
    ]


def test_many_lineages_take_one_connection_and_few_round_trips(host: SshHost) -> None:
    """A hundred round trips by this way would take 40 seconds."""
    lineage = new_lineage()
    lineages = [dataclasses.replace(lineage, name=f"many{number}.example.com") for number in range(100)]
    with StallingProxy(host.address, host.port, delay=0.2) as far:
        started = time.monotonic()
        deliveries = deliver(host.target(address=far.address, port=far.port), *lineages)
    assert all(delivery.uploaded for delivery in deliveries)
    assert time.monotonic() - started < 30


def test_a_plain_directory_is_written_in_place(host: SshHost) -> None:
    target = host.target(protocol="directory", files=("fullchain", "chain", "privkey"))
    for _renewal in range(2):
        lineage = new_lineage("plain.example.com")
        assert deliver(target, lineage) == [Delivery("plain.example.com", uploaded=True)]
        wanted = {f"{part}.pem": lineage.parts[part] for part in target.files}
        assert content(host.staging / "plain.example.com") == wanted


def test_without_a_path_it_is_the_login_directory(host: SshHost) -> None:
    lineage = new_lineage("login.example.com")
    deliver(host.target(path=""), lineage)
    deliver(host.target(path="", protocol="directory"), lineage)
    assert {path.name for path in host.staging.glob("login.example.com*")} == {
        "login.example.com",
        f"login.example.com@{lineage.fingerprint_sha256}",
    }


def test_one_that_fails_does_not_stop_the_others(host: SshHost) -> None:
    good, bad = new_lineage("good.example.com"), new_lineage("bad.example.com")
    bad = dataclasses.replace(bad, parts={**bad.parts, "privkey": b""})
    first, second = deliver(host.target(), bad, good)
    assert (first.uploaded, first.fault) == (False, "remote")
    assert first.error.startswith("web1: bad.example.com: the lineage has no privkey here")
    assert second == Delivery("good.example.com", uploaded=True)


@pytest.mark.parametrize(
    ("path", "said"),
    [("/nowhere", "no such file or directory. Make /nowhere there"), ("/receipts", "permission denied. Let the user")],
)
def test_a_directory_that_does_not_take_it(host: SshHost, path: str, said: str) -> None:
    (delivery,) = deliver(host.target(path=path), new_lineage())
    assert delivery.fault == "remote"
    assert said in delivery.error


def test_a_full_disk_is_called_so_and_stays_clean(tmp_path: pathlib.Path) -> None:
    with SshHost(tmp_path, "web1", small_disk=True) as host:
        ballast = disk.fill(host.staging)
        lineage = new_lineage()
        for protocol in ("receiver", "directory"):
            (delivery,) = deliver(host.target(protocol=protocol), lineage)
            assert (delivery.uploaded, delivery.fault) == (False, "remote")
            assert "its disk is full. Make room there." in delivery.error
        assert [path.name for path in host.staging.rglob("*") if path.is_file()] == ["ballast"]
        ballast.unlink()
        assert deliver(host.target(), lineage) == [Delivery(lineage.name, uploaded=True)]


# Receipts


def receipt_for(lineage: t.Any, state: t.Any = "deployed", **more: t.Any) -> Receipt:
    return Receipt(lineage.name, lineage.fingerprint_sha256, state, "2026-11-26T12:00:00Z", **more)


def place(host: SshHost, receipt: Receipt) -> None:
    host.write_receipt(f"{receipt.lineage}.json", receipt_to_json(receipt).decode())


@contextlib.contextmanager
def receiving(host: SshHost, *receipts: Receipt) -> t.Iterator[None]:
    """Answers each upload, one receipt after the other; what is told of an earlier content is no answer."""

    def answer() -> None:
        deadline = time.monotonic() + 60
        for receipt in receipts:
            staged = host.staging / f"{receipt.lineage}@{receipt.fingerprint_sha256}"
            while not staged.exists() and time.monotonic() < deadline:
                time.sleep(0.01)
            time.sleep(0.3)  # the pusher has looked once by then, which finds nothing
            place(host, receipt)

    thread = threading.Thread(target=answer)
    thread.start()
    yield
    thread.join()


def test_receipts_are_waited_for_in_the_same_connection(host: SshHost) -> None:
    lineages = [new_lineage("wait1.example.com"), new_lineage("wait2.example.com")]
    receipts = [receipt_for(lineages[0]), receipt_for(lineages[1], "refused", message="the chain is incomplete")]
    place(host, dataclasses.replace(receipts[0], fingerprint_sha256="00" * 32))  # of the certificate before
    connections = host.log.read_text().count("Accepted publickey")
    with receiving(host, *receipts):
        deliveries = deliver(host.target(), *lineages, wait=True)
    assert [delivery.receipt for delivery in deliveries] == receipts
    assert host.log.read_text().count("Accepted publickey") == connections + 1


def test_a_receipt_of_an_earlier_upload_is_none_of_this_one(host: SshHost) -> None:
    """The same certificate, refused yesterday, is pushed again."""
    lineage = new_lineage("refused.example.com")
    earlier, later = receipt_for(lineage, "refused"), receipt_for(lineage, message="now it is")
    place(host, earlier)
    mark = receipt_mark(earlier)
    sent = Delivery(lineage.name, uploaded=True, receipt=None, earlier_receipt=mark)
    assert deliver(host.target(), lineage) == [sent]
    asked = Delivery(lineage.name, receipt=None, earlier_receipt=mark)
    assert deliver(host.target(), lineage, uploaded={lineage.name: mark}) == [asked]
    with receiving(host, later):
        answered = dataclasses.replace(asked, receipt=later)
        assert deliver(host.target(), lineage, uploaded={lineage.name: mark}, wait=True) == [answered]


def test_who_was_uploaded_before_is_only_asked_about(host: SshHost) -> None:
    lineage = new_lineage("asked.example.com")
    target = host.target(receipt_timeout=1)
    deliver(target, lineage)
    assert deliver(target, lineage, uploaded={lineage.name: None}, wait=True) == [Delivery(lineage.name)]
    shutil.rmtree(host.staging / f"{lineage.name}@{lineage.fingerprint_sha256}")  # the receiving side has taken it
    pending = receipt_for(lineage, "pending", due="2099-01-01T00:00:00Z")
    place(host, pending)
    far = host.target(receipt_timeout=600)  # it is due much later: nobody waits for it
    assert deliver(far, lineage, uploaded={lineage.name: None}, wait=True) == [Delivery(lineage.name, receipt=pending)]
    assert not list(host.staging.glob("asked.example.com*"))


def test_what_a_host_has_lost_is_uploaded_again(host: SshHost) -> None:
    """It was installed anew before it has deployed: it would never answer."""
    lineage = new_lineage("lost.example.com")
    place(host, dataclasses.replace(receipt_for(lineage), fingerprint_sha256="00" * 32))  # of the certificate before
    (delivery,) = deliver(host.target(), lineage, uploaded={lineage.name: None})
    assert (delivery.uploaded, delivery.error) == (True, "")
    assert (host.staging / f"{lineage.name}@{lineage.fingerprint_sha256}").is_dir()


def test_what_is_due_soon_is_waited_for(host: SshHost) -> None:
    lineage = new_lineage("soon.example.com")
    pending, done = receipt_for(lineage, "pending"), receipt_for(lineage, "proven")
    with receiving(host, pending, done):
        assert deliver(host.target(), lineage, wait=True) == [Delivery(lineage.name, uploaded=True, receipt=done)]


def test_something_else_in_the_place_of_a_receipt_is_told(host: SshHost) -> None:
    lineage = new_lineage("nonsense.example.com")
    host.write_receipt("nonsense.example.com.json", "\x1b[2J{")
    (delivery,) = deliver(host.target(), lineage, wait=True)
    assert delivery.uploaded
    assert delivery.fault == "remote"
    assert delivery.error.startswith("web1: nonsense.example.com: cannot use the receipt /receipts/nonsense")


# With which keys


@pytest.mark.parametrize("key_type", ["ed25519", "ecdsa", "rsa"])
def test_keys_of_any_type(tmp_path: pathlib.Path, key_type: t.Any) -> None:
    key = tmp_path / "100% 'mine'"
    make_key(key, key_type)
    with SshHost(tmp_path, "web1", address="127.0.1.9", key_types=(key_type,), user="push-er_1") as host:
        host.authorize(key.with_name(f"{key.name}.pub").read_text())
        lineage = new_lineage()
        assert deliver(host.target(private_key_file=str(key)), lineage) == [Delivery(lineage.name, uploaded=True)]


def test_any_of_the_pinned_keys_will_do(host: SshHost) -> None:
    for key in host.host_keys:
        assert deliver(host.target(host_keys=(key,)), new_lineage("pinned.example.com"))[0].uploaded


def test_a_quick_key_exchange_where_the_host_has_one(tmp_path: pathlib.Path) -> None:
    """And any other where it has not: Streamlined NTRU Prime takes most of the time of a push."""
    slow = "sntrup761x25519-sha512@openssh.com"
    known = subprocess.run(["ssh", "-Q", "kex"], capture_output=True, text=True, check=True).stdout.split()
    assert slow in known
    for name, settings in (("both", []), ("slow", [f"KexAlgorithms {slow}"])):
        with SshHost(tmp_path, name, settings=["LogLevel DEBUG1", *settings]) as host:
            assert deliver(host.target(), new_lineage())[0].uploaded
            agreed = re.findall(r"kex: algorithm: (\S+)", host.log.read_text())
            assert agreed
            assert (slow in agreed) is (name == "slow")


@pytest.fixture
def protected_key(tmp_path: pathlib.Path, host: SshHost) -> t.Iterator[str]:
    key, public = tmp_path / "protected", host.private_key_file.with_suffix(".pub").read_text()
    make_key(key, passphrase=PASSPHRASE)
    host.authorize(public, key.with_suffix(".pub").read_text())
    yield str(key)
    host.authorize(public)


def test_a_key_with_a_passphrase(host: SshHost, protected_key: str) -> None:
    target = host.target(private_key_file=protected_key)
    assert deliver(target, new_lineage("locked.example.com"), passphrase=PASSPHRASE)[0].uploaded
    assert "is the passphrase this key's?" in refusal(target, "local", "another one")
    assert "give it by the option passphrase" in refusal(target, "local")
    # A passphrase for keys that have one does not disturb one that has none.
    assert deliver(host.target(), new_lineage("open.example.com"), passphrase=PASSPHRASE)[0].uploaded


def test_a_passphrase_is_nowhere_to_be_seen(host: SshHost, protected_key: str, tmp_path: pathlib.Path) -> None:
    """While ssh runs: neither in a command line, nor in an environment, nor in a file."""
    target = host.target(private_key_file=protected_key, receipt_timeout=60)
    lineage = new_lineage("secret.example.com")
    found: list[Delivery] = []
    thread = threading.Thread(target=lambda: found.extend(deliver(target, lineage, wait=True, passphrase=PASSPHRASE)))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    thread.start()
    while not (host.staging / f"{lineage.name}@{lineage.fingerprint_sha256}").exists():
        time.sleep(0.01)
        assert thread.is_alive()
    (ssh,) = [process.pid for process in children_of(os.getpid()) if process.name == "ssh"]
    for file in ("cmdline", "environ"):
        seen = pathlib.Path(f"/proc/{ssh}/{file}").read_bytes()
        assert b"SSH_ASKPASS=/proc/" in seen or file == "cmdline"
        assert PASSPHRASE.encode() not in seen
        assert b"battery" not in seen
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    place(host, receipt_for(lineage))
    thread.join()
    assert found[0].receipt


def test_an_agent(host: SshHost, protected_key: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds the key that is protected, or of which the file has the public part; or any that it likes to try."""
    plain = tmp_path / "plain"
    make_key(plain)
    host.authorize(plain.with_suffix(".pub").read_text())
    socket = str(tmp_path / "agent")
    with subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.DEVNULL) as agent:
        try:
            while not pathlib.Path(socket).exists():
                time.sleep(0.01)
            monkeypatch.setenv("SSH_AUTH_SOCK", socket)
            subprocess.run(["ssh-add", "-q", str(plain)], check=True)
            for number, key in enumerate((f"{plain}.pub", None)):
                lineage = new_lineage(f"agent{number}.example.com")
                assert deliver(host.target(private_key_file=key), lineage)[0].uploaded
            # The key that is named is not in there.
            assert "does not let certdeploy in with the key" in refusal(
                host.target(private_key_file=protected_key), "denied"
            )
        finally:
            agent.terminate()
    monkeypatch.delenv("SSH_AUTH_SOCK")
    assert "holds no private key" in refusal(host.target(private_key_file=f"{plain}.pub"), "local")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda key: key.unlink(), "No such file or directory. Correct private_key_file"),
        (lambda key: key.chmod(0o644), "has mode 0644, so ssh does not use it. It must be 0600"),
        (lambda key: key.write_text("nothing"), "holds no private key"),
        (lambda key: (key.unlink(), key.mkdir()), "Is a directory"),
        (lambda key: (key.unlink(), os.mkfifo(key)), "holds no private key"),
    ],
)
def test_a_key_that_cannot_be_used_is_told_before_the_host_is_asked(
    host: SshHost, tmp_path: pathlib.Path, make: t.Any, said: str
) -> None:
    key = tmp_path / "key"
    make_key(key)
    make(key)
    assert said in refusal(host.target(private_key_file=str(key), port=free_port()), "local")


def test_a_damaged_key_is_ours_to_mend(host: SshHost, protected_key: str, tmp_path: pathlib.Path) -> None:
    key = tmp_path / "key"
    make_key(key)
    lines = key.read_text().splitlines()
    key.write_text("\n".join([lines[0], *lines[2:]]) + "\n")
    host.authorize(key.with_suffix(".pub").read_text())
    assert "ssh cannot use" in refusal(host.target(private_key_file=str(key)), "local")


def test_without_ssh_here(host: SshHost) -> None:
    with pytest.raises(
        PushError, match=r"^web1: cannot run /nowhere/ssh: No such file or directory. Install"
    ) as refused:
        OpensshDeliverer(program="/nowhere/ssh").deliver(host.target(), [new_lineage()], uploaded={}, wait=False)
    assert refused.value.fault == "local"


# Hosts that do not take it


def test_an_unknown_user_or_key_is_denied(host: SshHost, tmp_path: pathlib.Path) -> None:
    make_key(tmp_path / "stranger")
    stranger = str(tmp_path / "stranger")
    assert "does not let certdeploy in with the key" in refusal(host.target(private_key_file=stranger), "denied")
    assert "does not let root in" in refusal(host.target(user="root"), "denied")


def test_another_host_key_gets_nothing(tmp_path: pathlib.Path) -> None:
    with SshHost(tmp_path, "web1") as host:
        target = host.target()
        assert deliver(target, new_lineage())[0].uploaded
        for key_types in (("ed25519",), ("rsa",)):
            host.change_host_key(key_types)
            (shown,) = host.host_keys
            message = refusal(target, "host_key")
            assert "pinned is ssh-ed25519 SHA256:" in message
            lines = subprocess.run(
                ["ssh-keygen", "-lf", "/dev/stdin"], input=shown, capture_output=True, text=True, check=True
            )
            assert f"shows the host key {shown.split()[0]} {lines.stdout.split()[1]};" in message
        assert "Accepted publickey" not in host.log.read_text().rpartition("Server listening")[2]


ELSEWHERE = """
import sys
sys.path[:] = {path!r}
from ansible_collections.certops.rotation.plugins.module_utils._ports.sftp.openssh import OpensshDeliverer
from ansible_collections.certops.rotation.plugins.module_utils._core.push.targets import PushTarget
target = PushTarget(**{target!r})
print(OpensshDeliverer().deliver(target, [], uploaded={{}}, wait=False))
"""


def test_what_ssh_is_told_elsewhere_does_not_count(host: SshHost, tmp_path: pathlib.Path) -> None:
    """By the machine's settings, or the user's: here, in a name space of its own, they would reach no host at all."""
    (tmp_path / "ssh_config").write_text("Host *\n  ProxyCommand false\n  User nobody\n")
    # It would be asked for a passphrase, and for whether a host key is right.
    script = 'mount --bind "$1" /etc/ssh/ssh_config; shift; SSH_ASKPASS=/bin/false SSH_ASKPASS_REQUIRE=force exec "$@"'
    program = ELSEWHERE.format(path=sys.path, target=vars(host.target()))
    unshare = [*become(), "unshare", "--mount", "sh", "-euc", script, "sh", str(tmp_path / "ssh_config")]
    found = subprocess.run([*unshare, sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (found.stdout, found.stderr) == ("[]\n", "")


def test_hosts_that_are_not_there(host: SshHost) -> None:
    assert "Connection refused. Does an SSH server run there?" in refusal(host.target(port=free_port()), "unreachable")
    assert "cannot resolve nowhere.invalid:" in refusal(host.target(address="nowhere.invalid"), "unreachable")
    # What looks like an option is an address all the same.
    assert "-oProxyCommand=id" in refusal(host.target(address="-oProxyCommand=id"), "unreachable")


def test_a_host_comes_back(tmp_path: pathlib.Path) -> None:
    with SshHost(tmp_path, "web1") as host:
        host.stop()
        refusal(host.target(), "unreachable")
        host.start()
        host.hang()
        assert "did not speak SSH within 1 seconds" in refusal(host.target(timeout=2), "unreachable")
        host.resume()
        assert deliver(host.target(), new_lineage())[0].uploaded
