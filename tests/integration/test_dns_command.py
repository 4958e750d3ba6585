# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TXT values by a program of the user's: the example that is documented, and programs that behave badly."""

from __future__ import annotations

import json
import pathlib
import sys
import time
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.dns import TxtRecord, Zone
from ansible_collections.certops.rotation.plugins.module_utils._errors import DnsError
from ansible_collections.certops.rotation.plugins.module_utils._ports.dns.command import DnsCommand

EXAMPLE = pathlib.Path(__file__).parents[2] / "examples" / "dns" / "dns_command.py"
NAME = "_acme-challenge.example.com"
ZONE = Zone("example.com", "example.com")
RECORD = TxtRecord(NAME, ("ours", 'with "marks"'))


def script(tmp_path: pathlib.Path, text: str, *, timeout: float = 30, zones: t.Sequence[str] = ()) -> DnsCommand:
    """A program that runs this text of Python; its action is in sys.argv[1], its input in given."""
    path = tmp_path / "program.py"
    path.write_text(f"import json, os, sys, time\n{text}\n")
    return DnsCommand([sys.executable, str(path)], timeout=timeout, zones=zones)


class TestExample:
    def test_a_round(self, tmp_path: pathlib.Path) -> None:
        held = tmp_path / "records.json"
        held.write_text(json.dumps({NAME: ["theirs"]}))
        command = DnsCommand([sys.executable, str(EXAMPLE), str(held)])
        assert command.zones() == (ZONE,)
        changes = command.add(ZONE, [RECORD, TxtRecord("_acme-challenge.a.example.com", ("a",))])
        assert changes == ["1"]
        command.wait(changes, 10)
        command.add(ZONE, [RECORD])
        written = {NAME: ["theirs", "ours", 'with "marks"'], "_acme-challenge.a.example.com": ["a"]}
        assert json.loads(held.read_text()) == written
        for _again in range(2):
            command.remove(ZONE, [RECORD, TxtRecord("_acme-challenge.a.example.com", ("a",))])
        assert json.loads(held.read_text()) == {NAME: ["theirs"]}


def test_what_it_is_given(tmp_path: pathlib.Path) -> None:
    log = tmp_path / "log"
    command = script(
        tmp_path, f"open({str(log)!r}, 'a').write(json.dumps([sys.argv[1], json.load(sys.stdin)]) + '\\n')"
    )
    assert command.add(ZONE, [RECORD]) == []
    command.wait(["c1", "c2"], 7.9)
    command.remove(ZONE, [RECORD])
    work = {"zone": "example.com", "records": [{"name": NAME, "values": ["ours", 'with "marks"']}]}
    assert [json.loads(line) for line in log.read_text().splitlines()] == [
        ["add", work],
        ["wait", {"changes": ["c1", "c2"], "timeout": 7}],
        ["remove", work],
    ]


def test_zones_are_asked_for_once_and_are_names(tmp_path: pathlib.Path) -> None:
    log = tmp_path / "log"
    told = '{"zones": ["Example.COM.", "b\\u00fccher.example", "example.com"], "more": 1}'
    command = script(tmp_path, f"open({str(log)!r}, 'a').write('x'); print({told!r})")
    for _again in range(2):
        assert [zone.name for zone in command.zones()] == ["example.com", "xn--bcher-kva.example"]
    assert log.read_text() == "x"


def test_zones_that_are_given_are_not_asked_for(tmp_path: pathlib.Path) -> None:
    assert script(tmp_path, "sys.exit(1)", zones=["Example.com."]).zones() == (ZONE,)


@pytest.mark.parametrize(
    "printed",
    ["", "nonsense", "[]", '{"zones": "example.com"}', '{"zones": [1]}', '{"zones": [""]}', "[" * 100_000, "null"],
)
def test_an_answer_that_is_none(tmp_path: pathlib.Path, printed: str) -> None:
    with pytest.raises(DnsError, match="printed something else"):
        script(tmp_path, f"print({printed!r})").zones()


def test_a_zone_that_is_no_name(tmp_path: pathlib.Path) -> None:
    with pytest.raises(DnsError, match="no name that the DNS can have"):
        script(tmp_path, """print('{"zones": ["a..b"]}')""").zones()


def test_a_failure_is_told_with_what_it_says_and_harmlessly(tmp_path: pathlib.Path) -> None:
    text = r"sys.stderr.write('no such\nzone \x1b[2J' + 'x' * 10_000_000); sys.exit(3)"
    with pytest.raises(DnsError) as caught:
        script(tmp_path, text).add(ZONE, [RECORD])
    message = caught.value.message
    assert "program.py add' ended with 3: no such zone \\x1b[2Jxxx" in message
    assert len(message) < 1000


@pytest.mark.parametrize(
    "text", ["time.sleep(60)", "os.fork() or time.sleep(60); time.sleep(60)", "while 1: print('y' * 1000)"]
)
def test_one_that_does_not_end_is_ended(tmp_path: pathlib.Path, text: str) -> None:
    begun = time.monotonic()
    with pytest.raises(DnsError, match=r"took more than 1 seconds and was ended"):
        script(tmp_path, text, timeout=1).remove(ZONE, [RECORD])
    assert time.monotonic() - begun < 15


def test_a_child_that_it_leaves_behind_is_not_waited_for(tmp_path: pathlib.Path) -> None:
    begun = time.monotonic()
    assert script(tmp_path, "if os.fork() == 0: time.sleep(20)").add(ZONE, [RECORD]) == []
    assert time.monotonic() - begun < 15


def test_one_that_reads_nothing_of_a_long_input(tmp_path: pathlib.Path) -> None:
    many = [TxtRecord(f"_acme-challenge.n{number}.example.com", ("x" * 255,)) for number in range(2000)]
    assert script(tmp_path, "").add(ZONE, many) == []


def test_too_much_output(tmp_path: pathlib.Path) -> None:
    with pytest.raises(DnsError, match="printed more than 1048576 bytes"):
        script(tmp_path, "print('x' * 2_000_000)").add(ZONE, [RECORD])


def test_one_that_is_not_there() -> None:
    with pytest.raises(DnsError, match=r"cannot run /no/such/program: No such file or directory. Correct command"):
        DnsCommand(["/no/such/program"]).zones()
    with pytest.raises(DnsError, match="cannot run"):
        DnsCommand(["nul\0l"]).zones()


def test_one_ended_by_a_signal(tmp_path: pathlib.Path) -> None:
    with pytest.raises(DnsError, match=r"ended with -9: it said nothing"):
        script(tmp_path, "os.kill(os.getpid(), 9)").add(ZONE, [RECORD])
