# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What anybody may answer: nothing of it is quoted that is not known, and nothing ends a run in an unknown way."""

from __future__ import annotations

import contextlib
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.haproxy import parsing, refusals
from ansible_collections.certops.rotation.plugins.module_utils._errors import HaproxyError, InvalidOption
from ansible_collections.certops.rotation.plugins.module_utils._ports.haproxy import workers
from ansible_collections.certops.rotation.plugins.module_utils._ports.haproxy.runtime import check_payload
from ansible_collections.certops.rotation.plugins.module_utils._ports.reload import master
from hypothesis import given
from hypothesis import strategies as st

WORDS = (
    "# filename", "# transaction", "*", "Filename: ", "Status: ", "Serial: ", "SHA1 FingerPrint: ", "notAfter: ", "\n",
    "Certificate #1:", "Certificate Revocation List #1:", "Revoked Certificates:\n", "Serial Number: ", "Subject: ",
    "Revocation Date: ", "#<PID> <type> <reloads> <uptime>", "# old workers", "# workers", "1", "master", "worker", " ",
    "99999999999d99h99m99s", "[failed: 99999999999]", "\0", ":", "Success=1\n--\n", "é",
)  # fmt: skip
ANSWERS = st.lists(st.one_of(st.sampled_from(WORDS), st.text(max_size=20)), max_size=30).map("".join)
PARSERS: tuple[t.Callable[[str], object], ...] = (
    parsing.parse_names,
    parsing.parse_certificate,
    parsing.parse_held_response,
    parsing.parse_server_names,
    parsing.parse_authorities,
    parsing.parse_crls,
    parsing.parse_crt_lists,
    parsing.parse_crt_list,
    workers.parse_old_workers,
    master.parse_processes,
    master.parse_reload_answer,
)


@given(ANSWERS)
def test_every_answer_is_understood_or_a_haproxy_error(answer: str) -> None:
    for parse in PARSERS:
        with contextlib.suppress(HaproxyError):
            parse(answer)


@given(ANSWERS)
def test_only_known_sentences_are_quoted(answer: str) -> None:
    assert refusals.reason(f"SECRET {answer} SECRET").count("SECRET") == 0


def test_known_sentences() -> None:
    said = "inconsistencies between private key and certificate loaded '/c/MIIEvg.pem'.\nCan't commit MIIEvg!"
    assert refusals.reason(said) == "inconsistencies between private key and certificate loaded."
    assert refusals.reason("Can't edit the crt-list: file already exists in this directory!") == (
        "file already exists in this directory."
    )
    for unknown in ("", "MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSkAgEAAoIBAQC7"):
        assert refusals.reason(unknown) == refusals.UNKNOWN


def test_names_that_no_path_can_have_are_no_names() -> None:
    assert parsing.parse_names(f"# transaction\n*{'x' * 5000}\n# filename\n/a\n{'y' * 5000}\n") == (None, ["/a"])
    assert parsing.parse_crt_lists(f"/a\n{'y' * 5000}\n") == ["/a"]
    # A name may have what Python takes for the end of a line.
    assert parsing.parse_names("# filename\n/c/a\x0b\x85\u2028.pem\n")[1] == ["/c/a\x0b\x85\u2028.pem"]


@pytest.mark.parametrize(
    ("text", "answers"),
    [
        ("Success!\n\nFilename: a\nStatus: Used\n\n", ["Success!", "Filename: a\nStatus: Used"]),
        ("\nName: HAProxy\n\n", ["", "Name: HAProxy"]),  # as 2.8 says that it has no CA files
        ("Success!\n\n", ["Success!"]),  # one that runs only the first
        ("Success!\n\nFilename: a\nStat", ["Success!"]),  # cut off
        ("Committing.a warning\n\nSuccess!\n\nFilename: a\n\n", ["Committing.a warning\n\nSuccess!", "Filename: a"]),
        ("No.\n", ["No.\n"]),
        ("", []),
    ],
)
def test_answers_to_two_commands(text: str, answers: list[str]) -> None:
    assert parsing.split_answers(text, 2) == answers


@given(st.lists(st.lists(st.text(st.characters(blacklist_characters="\n"), min_size=1)), min_size=1))
def test_answers_are_told_apart(answers: list[list[str]]) -> None:
    text = "".join("".join(f"{line}\n" for line in lines) + "\n" for lines in answers)
    assert parsing.split_answers(text, len(answers)) == ["\n".join(lines) for lines in answers]


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        ("No ongoing transaction!", None),
        ("The ongoing transaction is about '/c/it's a.pem' but you are trying to set '/c/b.pem'", "/c/it's a.pem"),
        ("The ongoing transaction is about '/c/a' but you are trying to abort a transaction for '@nobody'", "/c/a"),
        ("Transaction aborted for certificate '/c/a'!", None),
    ],
)
def test_whose_transaction_is_in_the_way(answer: str, name: str | None) -> None:
    assert parsing.parse_open_transaction(answer) == name


@pytest.mark.parametrize(
    ("version", "limit"), [("2.6.12-1", 16384), ("3.3.0", 16384), ("3.4-dev2", None), ("4.0", None), ("", None)]
)
def test_room_for_a_payload(version: str, limit: int | None) -> None:
    pools = "Dumping pools usage.\n  - Pool buffer (16384 bytes) : 3 allocated\n  - Pool buffers (32 bytes) : 1"
    assert parsing.parse_payload_limit(f"Name: HAProxy\nVersion: {version}\n", pools) == limit
    assert parsing.parse_payload_limit(f"Version: {version}", "nothing") is None


@pytest.mark.parametrize(
    "payload", ["", "\n", "a\n", "\na", "a\n\nb", "a\n \nb", "a\r\nb", "a\n\tb", "a <<", "\0", "\x7f"]
)
def test_payloads_that_are_not_sent(payload: str) -> None:
    with pytest.raises(InvalidOption, match="Nothing was sent"):
        check_payload(payload)


@given(st.lists(st.text(st.characters(blacklist_categories=["C"], blacklist_characters="<"), min_size=1), min_size=1))
def test_payloads_that_are_sent_have_no_end_in_them(lines: list[str]) -> None:
    try:
        check_payload("\n".join(lines))
    except InvalidOption:
        assert any(not line.strip(" ") for line in lines)
    else:
        assert all(line.strip(" ") for line in lines)
