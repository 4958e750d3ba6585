# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TXT values by signed updates of a real Knot DNS."""

from __future__ import annotations

import dataclasses
import socket
import threading
import time
import typing as t

import dns.query
import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.dns import TxtRecord, Zone
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.txt import txt_records
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.update_key import UpdateKey, read_update_key
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.zones import challenge_name
from ansible_collections.certops.rotation.plugins.module_utils._errors import DnsError
from ansible_collections.certops.rotation.plugins.module_utils._flows.issue.dns import DnsPublisher
from ansible_collections.certops.rotation.plugins.module_utils._ports.dns.resolver import DnsResolver
from ansible_collections.certops.rotation.plugins.module_utils._ports.dns.rfc2136 import Rfc2136
from ansible_collections.certops.rotation.plugins.module_utils._ports.dns.servers import NameServer
from ansible_collections.certops.rotation.tests.support.ports import free_port
from ansible_collections.certops.rotation.tests.support.rfc2136_server import DnsUpdateServer, new_tsig_key

NAME = "_acme-challenge.example.com"
ZONE = Zone("example.com", "example.com")
THEIRS = ("theirs", "two words")


@pytest.fixture(scope="module")
def knot() -> t.Iterator[DnsUpdateServer]:
    with DnsUpdateServer(["example.com", "sub.example.com", "example.net"]) as server:
        yield server


@pytest.fixture(autouse=True)
def _emptied(knot: DnsUpdateServer) -> t.Iterator[None]:
    yield
    for zone in knot.zones:
        left = [TxtRecord(name, tuple(values)) for name, values in knot.txt(zone).items()]
        provider(knot).remove(Zone(zone, zone), left)
        assert knot.txt(zone) == {}


def key(knot: DnsUpdateServer) -> UpdateKey:
    return read_update_key(knot.key.secret, "a secret", knot.key.name, knot.key.algorithm)


def provider(knot: DnsUpdateServer, **more: t.Any) -> Rfc2136:
    settings = {"servers": [NameServer("127.0.0.1", knot.port)], "key": key(knot), **more}
    return Rfc2136(**settings)


def publisher(knot: DnsUpdateServer, **more: t.Any) -> DnsPublisher:
    return DnsPublisher([provider(knot, **more)], DnsResolver([knot.nameserver]))


@pytest.mark.parametrize("zones", [(), ("Example.com.", "sub.example.com")])
def test_a_round_with_zones_found_or_given(knot: DnsUpdateServer, zones: tuple[str, ...]) -> None:
    made = publisher(knot, zones=zones)
    names = ["example.com", "*.example.com", "a.b.example.com", "www.sub.example.com"]
    located = made.locate(map(challenge_name, names))
    assert located.failures == {}
    records = txt_records((located.records[challenge_name(name)], f"of {name}") for name in names)
    placed = made.place(records)
    assert made.wait(placed, 60) == {}
    assert set(knot.txt("example.com")) == {NAME, "_acme-challenge.a.b.example.com"}
    assert knot.txt("sub.example.com") == {"_acme-challenge.www.sub.example.com": ["of www.sub.example.com"]}
    assert knot.txt("example.com")[NAME] == ["of *.example.com", "of example.com"]
    assert made.withdraw(records) == {}
    assert knot.txt("example.com") == knot.txt("sub.example.com") == {}


def test_a_fresh_publisher_withdraws_what_a_killed_run_left(knot: DnsUpdateServer) -> None:
    knot.add("example.com", NAME, "TXT", "left", "theirs")
    assert publisher(knot).withdraw([TxtRecord(NAME, ("left", "never-written"))]) == {}
    assert knot.txt("example.com") == {NAME: ["theirs"]}


def test_a_name_in_no_zone_of_the_server(knot: DnsUpdateServer) -> None:
    located = publisher(knot).locate([NAME, "_acme-challenge.www.example.org"])
    assert list(located.records) == [NAME]
    assert "There are: example.com." in located.failures["_acme-challenge.www.example.org"].message


def test_others_values_survive_with_their_lifetime(knot: DnsUpdateServer) -> None:
    knot.add("example.com", NAME, "TXT", *(f'"{value}"' for value in THEIRS))
    made = provider(knot)
    made.add(ZONE, [TxtRecord(NAME, ("ours", "x" * 255))])
    made.add(ZONE, [TxtRecord(NAME, ("ours",))])
    assert set(knot.txt("example.com")[NAME]) == {*THEIRS, "ours", "x" * 255}
    assert made._lifetime(TxtRecord(NAME, ())) == 60
    made.remove(ZONE, [TxtRecord(NAME, ("ours", "x" * 255, "gone"))])
    made.remove(ZONE, [TxtRecord(NAME, ("ours",))])
    assert sorted(knot.txt("example.com")[NAME]) == sorted(THEIRS)


def test_runs_at_once_harm_nobodys_values(knot: DnsUpdateServer) -> None:
    knot.add("example.com", NAME, "TXT", "theirs")
    problems: list[BaseException] = []

    def run(number: int) -> None:
        try:
            made = provider(knot)
            for _again in range(5):
                made.add(ZONE, [TxtRecord(NAME, (f"run-{number}",))])
                assert f"run-{number}" in knot.txt("example.com")[NAME]
                made.remove(ZONE, [TxtRecord(NAME, (f"run-{number}",))])
        except BaseException as error:  # noqa: BLE001  # of a thread
            problems.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert problems == []
    assert knot.txt("example.com") == {NAME: ["theirs"]}


def test_three_hundred_names(knot: DnsUpdateServer) -> None:
    records = [TxtRecord(f"_acme-challenge.n{number}.example.com", ("v" * 43,)) for number in range(300)]
    provider(knot).add(ZONE, records)
    assert len(knot.txt("example.com")) == 300
    provider(knot).remove(ZONE, records)


class TestRefusals:
    """Each is told with what to do, and without anything of the key."""

    def failure(self, made: Rfc2136, zone: str = "example.com") -> DnsError:
        with pytest.raises(DnsError) as caught:
            made.add(Zone(zone, zone), [TxtRecord(f"_acme-challenge.{zone}", ("value",))])
        assert caught.value.names == (f"_acme-challenge.{zone}",)
        return caught.value

    def test_an_unknown_key(self, knot: DnsUpdateServer) -> None:
        unknown = dataclasses.replace(key(knot), name="nobody")
        assert "does not know the key nobody, or" in self.failure(provider(knot, key=unknown)).message

    def test_another_secret(self, knot: DnsUpdateServer) -> None:
        wrong = read_update_key(new_tsig_key("x").secret, "a secret", knot.key.name)
        assert "(BADSIG). Its secret differs" in self.failure(provider(knot, key=wrong)).message

    def test_another_time(self, knot: DnsUpdateServer, monkeypatch: pytest.MonkeyPatch) -> None:
        real = time.time
        monkeypatch.setattr("dns.message.time.time", lambda: real() + 3600)
        assert "(BADTIME). Set both clocks" in self.failure(provider(knot)).message

    def test_a_key_without_the_right(self, knot: DnsUpdateServer) -> None:
        reader = read_update_key(knot.reader.secret, "a secret", knot.reader.name)
        text = self.failure(provider(knot, key=reader)).message
        assert "the key certops-reader, or does not let it update the zone (BADKEY)" in text

    def test_no_key_at_all(self, knot: DnsUpdateServer) -> None:
        text = self.failure(provider(knot, key=None)).message
        assert "answers NOTAUTH" in text or "answers REFUSED" in text

    def test_a_zone_that_it_does_not_have(self, knot: DnsUpdateServer) -> None:
        text = self.failure(provider(knot), "example.org").message
        assert "without a signature, as servers do about a zone that is not theirs" in text
        assert "NOTAUTH. It is no server of this zone" in self.failure(provider(knot, key=None), "example.org").message

    def test_one_that_is_silent(self, knot: DnsUpdateServer) -> None:
        with socket.create_server(("127.0.0.1", free_port())) as silent:
            server = NameServer("127.0.0.1", silent.getsockname()[1])
            text = self.failure(provider(knot, servers=[server], timeout=0.3)).message
        assert "did not answer within 0.3 seconds" in text

    def test_nobody_there(self, knot: DnsUpdateServer) -> None:
        text = self.failure(provider(knot, servers=[NameServer("127.0.0.1", free_port())])).message
        assert "cannot be reached (Connection refused)" in text

    def test_the_second_address_is_tried(self, knot: DnsUpdateServer) -> None:
        servers = [NameServer("127.0.0.1", free_port()), NameServer("127.0.0.1", knot.port)]
        provider(knot, servers=servers).add(ZONE, [TxtRecord(NAME, ("value",))])
        assert knot.txt("example.com") == {NAME: ["value"]}

    @pytest.mark.parametrize("place", [0, 1, 50, 99, 100])
    def test_one_bad_name_does_not_stop_the_others(self, knot: DnsUpdateServer, place: int) -> None:
        """A message is refused as a whole."""
        records = [TxtRecord(f"_acme-challenge.n{number}.example.com", ("v",)) for number in range(100)]
        outside = TxtRecord("_acme-challenge.example.net", ("v",))
        with pytest.raises(DnsError, match="NOTZONE") as caught:
            provider(knot).add(ZONE, [*records[:place], outside, *records[place:]])
        assert caught.value.names == (outside.name,)
        assert len(knot.txt("example.com")) == 100

    def test_where_all_are_refused_not_each_is_tried(
        self, knot: DnsUpdateServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sent = []
        real = dns.query.tcp
        monkeypatch.setattr("dns.query.tcp", lambda *args, **more: sent.append(1) or real(*args, **more))
        records = [TxtRecord(f"_acme-challenge.n{number}.example.net", ("v",)) for number in range(50)]
        with pytest.raises(DnsError) as caught:
            provider(knot).add(ZONE, records)
        assert len(caught.value.names) == 50
        assert len(sent) == 4
