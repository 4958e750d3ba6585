# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Content that would be commands for HAProxy, and sockets behind which somebody else is."""

from __future__ import annotations

import itertools
import pathlib
import time
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._errors import InvalidOption
from ansible_collections.certops.rotation.plugins.module_utils._ports.haproxy.runtime import RuntimeApi
from ansible_collections.certops.rotation.tests.support import pki
from ansible_collections.certops.rotation.tests.support.haproxy import HaproxyInstance
from ansible_collections.certops.rotation.tests.support.haproxy_memory import deploy, served
from ansible_collections.certops.rotation.tests.support.lying_socket import LyingSocket
from ansible_collections.certops.rotation.tests.support.module import run_module
from ansible_collections.certops.rotation.tests.support.revocation import crl_pem

COMMANDS = (
    "disable frontend tls # a: b",
    "set server back/one addr 127.0.0.9 port 9 # a: b",
    "set maxconn global 7 # a: b",
)


class Guarded(HaproxyInstance):
    """With a backend, a CA file and a CRL file, and a view of what commands could have changed."""

    def write_config(self, extra: str = "") -> None:
        super().write_config(f"{extra}\nbackend back\n    server one 127.0.0.1:1")

    def state(self) -> list[str]:
        """Addresses and states of backend and frontends, and the limit of connections."""
        columns = [line.split(",") for line in self.execute("show stat -1 3 -1").splitlines()]
        states = [f"{row[0]}/{row[1]} {row[17]}" for row in columns if len(row) > 17]
        limit = next(line for line in self.execute("show info").splitlines() if line.startswith("Maxconn:"))
        server = self.execute("show servers state back").splitlines()[2].split()
        return [*states, f"{server[4]}:{server[18]} {server[5:7]}", limit]


@pytest.fixture
def guarded(intermediate: pki.CertificateAuthority) -> t.Iterator[Guarded]:
    root = intermediate.parent
    assert root is not None
    instance = Guarded(
        {name: intermediate.issue("a.example.com").combined_pem for name in ("a.pem", "b.pem")},
        tls=["crt {certs}", "crt {certs}/a.pem ca-file {dir}/ca.pem crl-file {dir}/crl.pem verify optional"],
    )
    (instance.directory / "ca.pem").write_text(root.certificate_pem)
    (instance.directory / "crl.pem").write_text(crl_pem(root))
    with instance:
        yield instance


def with_headers(pem: str, *headers: str) -> str:
    """Each block gets these header lines (RFC 1421), behind which an empty line follows."""
    lines = pem.splitlines()
    return (
        "\n".join("\n".join([line, *headers, ""]) if line.startswith("-----BEGIN") else line for line in lines) + "\n"
    )


def with_notes(pem: str) -> str:
    """Blocks and text that no certificate needs, around each of those that it does."""
    note = with_headers("-----BEGIN NOTE-----\nbm90ZQ==\n-----END NOTE-----", *COMMANDS)
    text = "\n\n".join(["", *COMMANDS, note, *COMMANDS, note, ""])
    return text + pem.replace("-----BEGIN", f"{text}-----BEGIN") + text


@pytest.mark.usefixtures("haproxy_version")
def test_no_line_of_a_file_becomes_a_command(guarded: Guarded, intermediate: pki.CertificateAuthority) -> None:
    root = intermediate.parent
    assert root is not None
    before = guarded.state()
    assert before[-2].startswith("127.0.0.1:1 ")
    renewed = [intermediate.issue("a.example.com") for dummy in range(3)]
    key_alone = renewed[0].replace(private_key_pem=with_headers(renewed[0].private_key_pem, *COMMANDS))
    run = deploy(
        guarded,
        {"name": guarded.certificate_name("a.pem"), "content": with_headers(renewed[0].combined_pem, *COMMANDS)},
        {"name": guarded.certificate_name("new.pem"), "content": key_alone.combined_pem},
        {"name": f"{guarded.certs_dir}/x\n{COMMANDS[0]}", "content": renewed[1].combined_pem},
        {"name": f"{guarded.certs_dir}/x <<\r\n{COMMANDS[0]}", "content": renewed[1].combined_pem},
        *({"name": f"{guarded.certs_dir}/x{odd}/y.pem", "content": renewed[1].combined_pem} for odd in ("\0", "\x1b")),
        {"name": guarded.certificate_name(f"x;{COMMANDS[0]}; "), "content": renewed[1].combined_pem},
        {"src": guarded.write_certificate("b.pem", with_notes(renewed[2].combined_pem))},
        force=True,
    )
    codes = [item["error_code"] for item in run.result["certificates"]]
    assert codes == ["pem_invalid"] * 2 + ["invalid_option"] * 4 + [None] * 2, run.output
    assert "export the certificate or the key again" in run.result["certificates"][0]["message"]
    assert served(guarded, None) != renewed[0].fingerprint_sha256
    assert guarded.state() == before

    ca, crl = str(guarded.directory / "ca.pem"), str(guarded.directory / "crl.pem")
    other = pki.CertificateAuthority("Other")
    revoked = crl_pem(root, intermediate.issue("x"))
    files = [
        {"name": ca, "content": with_notes(with_headers(root.certificate_pem + other.certificate_pem, *COMMANDS))},
        {"name": crl, "kind": "crl", "content": with_notes(with_headers(revoked, *COMMANDS))},
    ]
    run = run_module("haproxy_ca_file", {"socket": guarded.socket, "files": files})
    assert guarded.state() == before, run.output
    assert guarded.execute("show ssl cert").count("# transaction") == 0

    # The port itself refuses what could end a payload, whoever calls it.
    api = RuntimeApi(guarded.socket)
    pem = renewed[1].combined_pem.rstrip("\n")
    for gap in ("\n\n", "\n\r\n", "\n \n", "\n\t\n", "\n<<\n", " <<END\n", "\0\n", "\x1b\n"):
        with pytest.raises(InvalidOption, match="Nothing was sent") as refused:
            api.execute("set ssl cert", guarded.certificate_name("a.pem"), payload=f"{pem}{gap}{COMMANDS[0]}")
        assert renewed[1].private_key_pem.splitlines()[1] not in str(refused.value)
    for line in ("a [alpn h2]\n\ndisable frontend tls", "a\r\n\r\nb"):
        with pytest.raises(InvalidOption):
            api.execute("add ssl crt-list", str(guarded.certs_dir), payload=line)
    assert guarded.state() == before


def key_lines(request: str) -> list[str]:
    return [line for line in request.splitlines() if len(line) == 64]


class Liar:
    """Looks like a HAProxy 2.6 until it has got a key, and then says it wherever it is asked for something.

    where: in which of its answers.
    """

    def __init__(self, name: str, where: str) -> None:
        self._name = name
        self._where = where
        self._secret = ""

    def __call__(self, request: str) -> str:
        command = request.partition("\n")[0]
        self._secret = (key_lines(request) or [self._secret])[-1]
        said = self._secret or "nothing"
        if command == "show info":
            return f"Version: 2.6.12\nPid: {said if self._where == 'info' else 1}\n\n"
        if command == "show ssl cert":
            pending = f"# transaction\n*{said}\n" if self._secret and self._where == "pending" else ""
            return f"{pending}# filename\n{self._name}\n\n"
        if command.startswith("show ssl cert"):
            held = said if self._secret and self._where.startswith("held") else "00"
            facts = {"Serial": "01", "SHA1 FingerPrint": "0" * 40, "Subject": held, "notAfter": held}
            facts |= {self._where.partition(" ")[2]: held} if held == self._secret else {}
            return "".join(f"{fact}: {text}\n" for fact, text in {"Filename": held, "Status": "Used", **facts}.items())
        if command.startswith("abort") and self._secret and self._where == "pending":
            return (
                f"The ongoing transaction is about '{said}' but you are trying to abort a transaction for '@nobody'\n\n"
            )
        if command.startswith("set"):
            return {
                "taken": f"Transaction created for certificate {said}!\n\n",
                "ongoing": f"The ongoing transaction is about '{said}' but you are trying to set '{self._name}'\n\n",
                "all": f"Can't load the payload\n{request}\n\n",
            }.get(self._where, f"Transaction created for certificate {self._name}!\n\n")
        return f"No ongoing transaction! {said}\nPermission: {said}\n\n"


@pytest.mark.parametrize(
    "where",
    ["taken", "ongoing", "all", "pending", "info", "commit", "held Filename", "held Serial", "held SHA1 FingerPrint"],
)
def test_what_the_socket_says_never_shows_the_key(
    tmp_path: pathlib.Path, intermediate: pki.CertificateAuthority, where: str
) -> None:
    first, second = (intermediate.issue("a.example.com", key_type="rsa2048") for dummy in range(2))
    path = tmp_path / "a.pem"
    with LyingSocket(tmp_path / "s", Liar(str(path), where)) as socket:
        args = {
            "socket": socket.address,
            "timeout": 2,
            "certificates": [
                {"name": str(path), "content": first.combined_pem},
                {"name": f"{tmp_path}/../{tmp_path.name}/a.pem", "content": second.combined_pem},
            ],
        }
        run = run_module("haproxy_certificate", args)  # which looks for every key that was made here
        assert key_lines("\n".join(socket.requests))
    assert run.failed, run.output
    assert not set(key_lines("\n".join(socket.requests))) & set(run.output.split()), where


def test_what_the_socket_says_is_no_path_that_is_written(
    tmp_path: pathlib.Path, intermediate: pki.CertificateAuthority
) -> None:
    """It claims to have the certificate in a file that has a line like that."""
    path, victim = tmp_path / "a.pem", tmp_path / "victim"
    path.write_text(intermediate.issue("a.example.com").combined_pem)
    text = f"{path}\nroot:secret-word:0:0\n"
    victim.write_text(text)
    answers = {
        "show info\n": "Version: 2.6.12\nPid: 1\n",
        "show ssl cert\n": f"# filename\n{path}\n",
        "show ssl crt-list\n": f"{victim}\n{tmp_path}\n",
        f"show ssl crt-list -n {victim}\n": f"# {victim}\n{path}:1\n",
    }

    def reply(request: str) -> str:
        deleted = f"Entry '{path}' deleted in crtlist!\nCertificate '{path}' deleted!\nSuccess!\n"
        return answers.get(request, f"Filename: {path}\nStatus: Unused\n" if "show ssl cert " in request else deleted)

    with LyingSocket(tmp_path / "s", reply) as socket:
        for state, item in (("absent", {"name": str(path)}), ("present", {"src": str(path), "force": True})):
            args = {"socket": socket.address, "timeout": 2, "state": state, "certificates": [item]}
            run = run_module("haproxy_certificate", args)
            assert "secret-word" not in run.output
            assert victim.read_text() == text
            if state == "absent":
                assert run.result["certificates"][0]["error_code"] == "crt_list_required", run.output


def drip(_request: str) -> t.Iterator[bytes]:
    """A byte now and then, for ever."""
    while True:
        yield b"x\n"
        time.sleep(0.05)


def flood(_request: str) -> t.Iterator[bytes]:
    """All that the reader takes, for ever."""
    return itertools.repeat(b"x" * (1 << 20))


def tireless(request: str) -> t.Iterator[bytes]:
    """Has ever more names to be asked for, and each answer comes in time."""
    time.sleep(0.3)
    if request.startswith("show ssl"):
        yield b"# filename\n" + b"".join(b"/c/%d.pem\n" % number for number in range(10_000))
    yield b"Filename: /c/a.pem\nStatus: Used\n"


def nonsense(_request: str) -> str:
    return (
        "#<PID> <type>\n# workers\nx worker\n9999999999999 master 1\n: \nPid: x\nVersion: \n*\n# old workers\n1 worker"
    )


def test_reading_ends_for_a_peer_that_names_what_he_is_asked_for(tmp_path: pathlib.Path) -> None:
    started = time.monotonic()
    with LyingSocket(tmp_path / "s", tireless) as socket:
        run = run_module("haproxy_certificate_info", {"socket": socket.address, "timeout": 1})
    # On a busy machine one of the answers comes too late itself.
    assert "seconds together" in run.result["msg"] or "more than 1 seconds" in run.result["msg"], run.output
    assert time.monotonic() - started < 60


@pytest.mark.parametrize("peer", [drip, flood, nonsense])
def test_every_module_ends_in_time(tmp_path: pathlib.Path, peer: t.Callable[[str], t.Any]) -> None:
    pem = tmp_path / "a.pem"
    pem.write_text(pki.self_signed("a.example.com").combined_pem)
    with LyingSocket(tmp_path / "s", peer) as socket:
        common = {"socket": socket.address, "timeout": 1}
        for module, args in (
            ("haproxy_certificate", {"certificates": [{"src": str(pem)}]}),
            ("haproxy_certificate_info", {}),
            ("haproxy_ca_file", {"files": [{"src": str(pem)}]}),
            ("haproxy_reload", {"method": "master"}),
            ("rotation_status_info", {"path": str(tmp_path), "master_socket": socket.address}),
        ):
            started = time.monotonic()
            run = run_module(module, {**common, **args})
            assert time.monotonic() - started < 30, module
            assert "Unexpected" not in run.output, run.output
            assert len(run.output) < 100_000
            if peer is not nonsense and module != "rotation_status_info":
                assert run.failed, run.output
                assert "more than 1 seconds" in run.output or "does not end after" in run.output, run.output
