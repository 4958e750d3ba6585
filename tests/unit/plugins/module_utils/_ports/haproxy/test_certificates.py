# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The transaction, against a scripted HAProxy: what a real one does only in rare moments."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.haproxy.content import parse_content
from ansible_collections.certops.rotation.plugins.module_utils._errors import HaproxyError, HaproxyUnavailable
from ansible_collections.certops.rotation.plugins.module_utils._ports.haproxy import transaction
from ansible_collections.certops.rotation.plugins.module_utils._ports.haproxy.certificates import CertificateMemory
from ansible_collections.certops.rotation.plugins.module_utils._ports.haproxy.errors import (
    CertificateInUse,
    CertificateRefused,
    PayloadTooLarge,
    ReloadRequired,
    TransactionOpen,
)
from ansible_collections.certops.rotation.plugins.module_utils._ports.haproxy.runtime import RuntimeApi, escape
from ansible_collections.certops.rotation.tests.support import pki

CONTENT = parse_content(pki.self_signed("a.example.com").combined_pem)
DETAILS = f"""Status: Used
Serial: {CONTENT.leaf.serial_number}
notBefore: {CONTENT.leaf.not_before:%b %d %H:%M:%S %Y} GMT
notAfter: {CONTENT.leaf.not_after:%b %d %H:%M:%S %Y} GMT
SHA1 FingerPrint: {CONTENT.fingerprint_sha1.upper()}"""
LOCKED = "Operations on certificates are currently locked!"
NAME = "/c/a.pem"
OURS = f"abort ssl cert {NAME}"
PROBE = "abort ssl cert @nobody"  # tells whose transaction is open


def open_about(name: str) -> str:
    return f"The ongoing transaction is about '{name}' but you are trying to abort a transaction for '@nobody'"


class ScriptedApi(RuntimeApi):
    """Answers by the beginning of the command: the next of its list, the last one for ever. An exception is raised."""

    def __init__(self, **answers: str | Exception | list[str | Exception]) -> None:
        super().__init__("/nowhere", timeout=5)
        usual: dict[str, t.Any] = {
            "show ssl cert": f"# filename\n{NAME}\n/c/other.pem",
            "show ssl cert *": f"Filename: *{NAME}\n{DETAILS}",
            "set": f"Transaction created for certificate {NAME}!",
            "commit": f"Committing {NAME}.\nSuccess!",
            PROBE: "No ongoing transaction!",
            "abort": f"Transaction aborted for certificate '{NAME}'!",
            "new": f"New empty certificate store '{NAME}'!",
            "del ssl cert": f"Certificate '{NAME}' deleted!",
            "del ssl crt-list": f"Entry '{NAME}' deleted in crtlist '/c'!",
            "add": f"Inserting certificate '{NAME}' in crt-list '/c'.\nSuccess!",
            "show ssl ca-file": "# filename",
            "show ssl crt-list": "/c",
            "show ssl crt-list -n": f"# /c\n{NAME}:0",
        }
        self.answers = {**usual, **{key.replace("_", " "): answer for key, answer in answers.items()}}
        self.commands: list[str] = []
        self.lines = 0  # of several commands
        self.at_once: int | None = None  # that many commands of a line are run; None: all

    def execute(self, command: str, *arguments: str, **_options: t.Any) -> str:
        self.commands.append(" ".join((command, *arguments)))
        key = command if command.startswith(("show", "del")) else command.split(maxsplit=1)[0]
        if command == "show ssl cert" and arguments:
            key = "show ssl cert *"
        if self.commands[-1] == PROBE:
            key = PROBE
        answer = self.answers[key]
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if isinstance(answer, Exception):
            raise answer
        return t.cast("str", answer)

    def execute_all(self, *commands: t.Sequence[str], payload: str | None = None) -> list[str]:
        for name in (name for _command, *names in commands for name in names):
            escape(name)
        self.lines += 1
        return [self.execute(*command) for command in commands[: self.at_once]]

    def count(self, command: str) -> int:
        return sum(asked.startswith(command) for asked in self.commands)


def memory(api: ScriptedApi) -> CertificateMemory:
    return CertificateMemory(api, patience=0.2)


def looked_at(api: ScriptedApi) -> CertificateMemory:
    """Its names have been read before anything was sent, as the module does."""
    found = memory(api)
    found.list_names()
    api.commands.clear()
    return found


@pytest.mark.parametrize("at_once", [None, 1])
def test_order_of_an_update(at_once: int | None) -> None:
    api = ScriptedApi()
    api.at_once = at_once
    memory(api).update(NAME, CONTENT)
    assert api.commands[:5] == [
        PROBE,
        f"set ssl cert {NAME}",
        f"show ssl cert *{NAME}",
        f"commit ssl cert {NAME}",
        f"show ssl cert {NAME}",
    ]
    # And the marks of what HAProxy does not tell, once for all certificates.
    assert api.commands[5:] == [*([PROBE] if at_once is None else []), "show ssl ca-file"]


def test_what_the_commit_showed_is_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next update begins with what was asked for behind the commit of this one, if it is fresh."""
    monkeypatch.setattr(transaction, "_FRESH", 60)
    api = ScriptedApi()
    certificates = memory(api)
    for _update in range(3):
        certificates.update(NAME, CONTENT)
    assert api.count(PROBE) == 4
    api.answers[PROBE] = open_about("/c/other.pem")
    certificates.update(NAME, CONTENT)
    with pytest.raises(TransactionOpen, match="another's transaction"):
        certificates.update(NAME, CONTENT)
    assert api.count(f"set ssl cert {NAME}") == 4


def test_what_was_seen_before_a_pause_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transaction, "_FRESH", -1)
    api = ScriptedApi()
    certificates = memory(api)
    certificates.update(NAME, CONTENT)
    api.answers[PROBE] = open_about("/c/other.pem")
    with pytest.raises(TransactionOpen):
        certificates.update(NAME, CONTENT)
    assert api.count(f"set ssl cert {NAME}") == 1


def test_a_peer_that_does_not_say_whose_transaction_is_open() -> None:
    with pytest.raises(HaproxyError, match="does not say whether"):
        memory(ScriptedApi(**{PROBE: "Success!"})).update(NAME, CONTENT)


def test_a_condition_is_asked_for_before_each_update() -> None:
    """Others may change CA files meanwhile: issue 3165 of HAProxy."""
    api = ScriptedApi(show_ssl_ca_file=["# filename", "# filename", "# filename\n@changed-at-run-time"])
    api.answers["show ssl ca-file"] = api.answers.pop("show ssl ca file")
    certificates = memory(api)
    certificates.check_effective("2.6.12", [])
    certificates.check_effective("2.6.12", [])
    assert api.count("show ssl ca-file") == 1
    certificates.update(NAME, CONTENT)
    with pytest.raises(ReloadRequired, match="3165"):
        certificates.update(NAME, CONTENT)
    assert api.count("commit") == 1


def described(name: str) -> str:
    return f"Filename: {name}\n{DETAILS}"


def test_several_are_described_in_one_go() -> None:
    names = [f"/c/{number}.pem" for number in range(120)]
    api = ScriptedApi(**{"show_ssl_cert_*": [described(name) for name in names]})
    certificates = memory(api)
    certificates.expect(names)
    assert certificates.read_ahead(names[0]) is None
    for name in names:
        stored = certificates.describe(name)
        assert stored is not None
        assert stored.name == name
    assert api.lines < 10
    assert len(api.commands) == len(names)
    # What has been told is told anew.
    api.answers["show ssl cert *"] = "Can't display the certificate: Not found or the certificate is a bundle!"
    assert certificates.describe(names[0]) is None


def test_descriptions_that_are_not_clear_are_asked_for_one_by_one() -> None:
    names = ["/c/0.pem", "/c/1.pem", NAME, "/c/3.pem"]
    wrong, locked = described("/c/else.pem"), f"Can't show!\n{LOCKED}"
    answers: list[str | Exception] = [described(names[0]), wrong, locked, *(described(name) for name in names[2:])]
    api = ScriptedApi(**{"show_ssl_cert_*": [*answers, described(names[1])]})
    certificates = memory(api)
    api.at_once = 3
    certificates.expect(names)
    assert certificates.describe(names[0]) is not None
    assert [certificates.read_ahead(name) is not None for name in names] == [False, False, True, True]
    assert certificates.describe(names[1]) is not None
    certificates.update(names[2], CONTENT)
    assert certificates.read_ahead(names[2]) is None  # it is another one now


def test_a_name_that_no_command_can_carry_harms_no_other() -> None:
    certificates = memory(ScriptedApi(**{"show_ssl_cert_*": described("/c/0.pem")}))
    certificates.expect(["/c/0.pem", "/c/\0.pem"])
    assert certificates.describe("/c/0.pem") is not None


@pytest.mark.parametrize("step", ["set", "commit"])
def test_lock_is_waited_for(step: str) -> None:
    done = ScriptedApi().answers[step]
    api = ScriptedApi(**{step: [LOCKED, LOCKED, done]})
    memory(api).update(NAME, CONTENT)
    assert api.count(step) == 3
    assert api.count(OURS) == 2


@pytest.mark.parametrize("step", ["set", "commit"])
def test_lock_that_stays(step: str) -> None:
    api = ScriptedApi(**{step: LOCKED})
    with pytest.raises(HaproxyError, match="lock"):
        memory(api).update(NAME, CONTENT)
    assert api.commands[-1].startswith("abort")


@pytest.mark.parametrize(
    "answer",
    [
        f"inconsistencies between private key and certificate loaded '{NAME}'.\nCan't commit {NAME}!",
        "Committing /c/a.pem.\nunable to load SSL certificate into SSL Context '/c/a.pem'.\nFailed!",
        "Success! is not on a line of its own",
        "",
    ],
)
def test_only_the_documented_reply_is_success(answer: str) -> None:
    api = ScriptedApi(commit=answer)
    with pytest.raises(CertificateRefused, match="still serves what it had"):
        memory(api).update(NAME, CONTENT)
    assert api.commands[-1] == f"abort ssl cert {NAME}"


@pytest.mark.parametrize("step", ["set", "show_ssl_cert_*", "commit"])
def test_abort_when_haproxy_goes_away(step: str) -> None:
    api = ScriptedApi(**{step: HaproxyUnavailable("gone")})
    with pytest.raises(HaproxyUnavailable):
        memory(api).update(NAME, CONTENT)
    assert api.commands[-1] == f"abort ssl cert {NAME}"


def test_reload_between_set_and_commit_is_tried_again() -> None:
    api = ScriptedApi(commit=["No ongoing transaction! !\nCan't commit /c/a.pem!", "Committing\nSuccess!"])
    memory(api).update(NAME, CONTENT)
    assert api.count("set") == 2


def test_another_transaction_in_place_of_ours_at_the_commit() -> None:
    """Seen with three runs at once on one TCP socket, where they do not take turns."""
    theirs = f"The ongoing transaction is about '/c/other.pem' but you are trying to set '{NAME}'\nCan't commit {NAME}!"
    api = ScriptedApi(commit=[theirs, "Committing\nSuccess!"])
    memory(api).update(NAME, CONTENT)
    assert api.count("set") == 2
    assert api.count("abort ssl cert /c/other.pem") == 0
    with pytest.raises(TransactionOpen):
        memory(ScriptedApi(commit=theirs)).update(NAME, CONTENT)


def test_payload_that_2_6_drops_in_silence() -> None:
    for answer in ("", "The command is too big for the buffer size. Please change tune.bufsize."):
        api = ScriptedApi(set=answer)
        with pytest.raises(PayloadTooLarge):
            memory(api).update(NAME, CONTENT)
        assert api.count("commit") == 0
    # It says that it took the payload, and yet has no transaction.
    api = ScriptedApi(**{"show_ssl_cert_*": "Can't display the certificate: Not found or the certificate is a bundle!"})
    with pytest.raises(HaproxyError):
        memory(api).update(NAME, CONTENT)
    assert api.count("commit") == 0


def test_reading_waits_for_the_lock_too() -> None:
    """Or else every certificate would look like a new one."""
    api = ScriptedApi(show_ssl_cert=[f"Can't show!\n{LOCKED}", f"# filename\n{NAME}"])
    assert memory(api).list_names() == (None, [NAME])
    described = ScriptedApi(**{"show_ssl_cert_*": [f"Can't show!\n{LOCKED}", f"Filename: {NAME}\nStatus: Used"]})
    assert memory(described).describe(NAME) is not None
    with pytest.raises(HaproxyError, match="stay locked"):
        memory(ScriptedApi(show_ssl_cert=f"Can't show!\n{LOCKED}")).list_names()


def test_removal_during_a_transaction() -> None:
    api = ScriptedApi(del_ssl_cert=f"Can't remove the certificate: ongoing transaction for the certificate '{NAME}'")
    with pytest.raises(TransactionOpen):
        memory(api).remove(NAME)
    assert api.count("add ssl crt-list") == 1


def test_content_of_another_is_not_committed_and_not_left() -> None:
    ours = f"Filename: *{NAME}\n{DETAILS}"
    theirs = ours.replace("Serial: ", "Serial: AB")
    # Seen before the commit, then seen after it: each time all is done again.
    api = ScriptedApi(**{"show_ssl_cert_*": [theirs, ours, theirs, ours, ours]})
    memory(api).update(NAME, CONTENT)
    assert (api.count("set"), api.count("commit")) == (3, 2)


def test_another_transaction_seen_before() -> None:
    api = ScriptedApi(**{PROBE: open_about("/c/other.pem")})
    with pytest.raises(TransactionOpen, match=r"/c/other\.pem"):
        memory(api).update(NAME, CONTENT)
    assert set(api.commands) == {PROBE}


def test_another_transaction_opened_in_between() -> None:
    api = ScriptedApi(set=f"The ongoing transaction is about '/c/other.pem' but you are trying to set '{NAME}'")
    with pytest.raises(TransactionOpen, match=r"/c/other\.pem"):
        looked_at(api).update(NAME, CONTENT)
    assert f"abort ssl cert {NAME}" in api.commands
    assert "abort ssl cert /c/other.pem" not in api.commands


def test_our_content_never_stays_in_another_transaction() -> None:
    """Before 3.1 `set` ignores the name when a transaction is open: the other would commit our content."""
    api = ScriptedApi(set="Transaction updated for certificate /c/other.pem!")
    with pytest.raises(TransactionOpen, match=r"/c/other\.pem"):
        looked_at(api).update(NAME, CONTENT)
    assert "abort ssl cert /c/other.pem" in api.commands
    assert api.count("commit") == 0


def test_own_transaction_of_a_killed_run_is_taken_over() -> None:
    api = ScriptedApi(**{PROBE: open_about(NAME)}, set=f"Transaction updated for certificate {NAME}!")
    memory(api).update(NAME, CONTENT)
    assert api.count("commit") == 1


def test_failed_add_leaves_nothing() -> None:
    api = ScriptedApi(add="Can't edit the crt-list: crt-list '/c' does not exist!")
    with pytest.raises(CertificateRefused, match="does not exist"):
        memory(api).add(NAME, CONTENT, "/c")
    assert api.commands[-1] == f"del ssl cert {NAME}"
    # What was there before the add stays.
    api = ScriptedApi(add="no", new=f"Certificate '{NAME}' already exists!")
    with pytest.raises(CertificateRefused):
        memory(api).add(NAME, CONTENT, "/c")
    assert api.count("del") == 0


def test_failed_removal_puts_the_entries_back() -> None:
    entries = f"# /c\n{NAME}:1 [alpn h2] x.example.com\n/c/b.pem:2\n{NAME}:3"
    api = ScriptedApi(
        **{
            "show_ssl_crt-list_-n": entries,
            "del_ssl_cert": f"Can't remove the certificate: certificate '{NAME}' in use, can't be deleted!",
        }
    )
    with pytest.raises(CertificateInUse, match="in use"):
        memory(api).remove(NAME)
    assert f"del ssl crt-list /c {NAME}:1" in api.commands
    assert f"del ssl crt-list /c {NAME}:3" in api.commands
    assert api.count("add ssl crt-list /c") == 2
