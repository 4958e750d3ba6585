# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the resolver sees of a real DNS: delegations, CNAMEs, CAA; and of servers that lag, lie, drip or are silent."""

from __future__ import annotations

import time
import typing as t

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.caa import CaaRecord, CaaSet
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.dns import TxtRecord
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.zones import challenge_name
from ansible_collections.certops.rotation.plugins.module_utils._errors import DnsError, InvalidOption
from ansible_collections.certops.rotation.plugins.module_utils._ports.dns.propagation import (
    Propagation,
    wait_until_published,
)
from ansible_collections.certops.rotation.plugins.module_utils._ports.dns.resolver import DnsResolver
from ansible_collections.certops.rotation.tests.support.dns_world import Behaviour, DnsServer, DnsWorld

NAME = "_acme-challenge.corp.test"
RECORD = TxtRecord(NAME, ("ours",))


@pytest.fixture
def world() -> t.Iterator[DnsWorld]:
    made = DnsWorld()
    yield made
    made.close()


@pytest.fixture
def corp(world: DnsWorld) -> list[DnsServer]:
    """Two servers of corp.test."""
    return world.zone("corp.test")


@pytest.fixture
def resolver(world: DnsWorld) -> DnsResolver:
    return world.resolver()


def put(servers: list[DnsServer], name: str, kind: str, *values: str) -> None:
    for server in servers:
        server.records[name, kind] = list(values)


class TestCnames:
    def test_explicit_ones_are_followed_into_another_zone(
        self, world: DnsWorld, corp: list[DnsServer], resolver: DnsResolver
    ) -> None:
        other = world.zone("validation.test")
        put(corp, NAME, "CNAME", "Corp.Validation.test.")
        put(other, "corp.validation.test", "CNAME", "final.validation.test.")
        assert resolver.target(NAME) == "final.validation.test"
        assert resolver.target("_acme-challenge.www.corp.test") == "_acme-challenge.www.corp.test"

    def test_a_name_that_a_wildcard_stands_in_for_is_not_followed(
        self, corp: list[DnsServer], resolver: DnsResolver
    ) -> None:
        put(corp, "*.corp.test", "CNAME", "web.corp.test.")
        put(corp, "_acme-challenge.api.corp.test", "CNAME", "api.validation.test.")
        names = ["_acme-challenge.www.corp.test", "_acme-challenge.api.corp.test"]
        assert resolver.targets(names) == {names[0]: names[0], names[1]: "api.validation.test"}

    def test_circles_and_endless_chains_end(self, corp: list[DnsServer], resolver: DnsResolver) -> None:
        put(corp, NAME, "CNAME", "a.corp.test.")
        put(corp, "a.corp.test", "CNAME", f"{NAME}.")
        with pytest.raises(DnsError, match=r"lead in a circle: _acme-challenge.corp.test -> a.corp.test -> _acme"):
            resolver.target(NAME)
        for number in range(20):
            put(corp, f"n{number}.corp.test", "CNAME", f"n{number + 1}.corp.test.")
        with pytest.raises(DnsError, match="More than 10 CNAME records"):
            resolver.target("n0.corp.test")

    def test_many_at_once_and_one_bad_one_alone(self, world: DnsWorld, corp: list[DnsServer]) -> None:
        broken = world.zone("broken.test", servers=1)
        broken[0].behaviour = "SERVFAIL"
        names = [f"_acme-challenge.n{number}.corp.test" for number in range(50)]
        found = world.resolver().targets([*names, "_acme-challenge.broken.test"])
        assert {name: found[name] for name in names} == {name: name for name in names}
        error = found["_acme-challenge.broken.test"]
        assert isinstance(error, DnsError)
        assert f"ns1.broken.test ({broken[0].address} port {world.port}) answers SERVFAIL" in error.message
        # The delegation is asked for once or so, not once a name.
        assert len([name for name in world.top.asked("CNAME") if name.endswith("corp.test")]) <= 16

    def test_a_name_that_is_too_long_with_the_label_is_out_alone(
        self, corp: list[DnsServer], resolver: DnsResolver
    ) -> None:
        """As a name of a certificate it is legal."""
        longest = ".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 51, "corp.test"])
        assert len(longest) == 253
        name = challenge_name(longest)
        found = resolver.targets([name, NAME, "a..b"])
        assert found[NAME] == NAME
        for bad in (name, "a..b"):
            assert isinstance(found[bad], DnsError)
            assert found[bad].names == (bad,)  # type: ignore[union-attr]
        assert resolver.caa([longest]) == {longest: None}
        put(corp, "*.corp.test", "CNAME", "web.corp.test.")
        close = ".".join(["x", "b" * 63, "c" * 63, "d" * 63, "e" * 49, "corp.test"])
        assert len(close) == 253
        assert isinstance(resolver.targets([close])[close], (DnsError, str))


class TestDelegations:
    def test_the_systems_resolver_is_not_asked_for_content(
        self, world: DnsWorld, corp: list[DnsServer], resolver: DnsResolver
    ) -> None:
        """It may know a private zone of the same name."""
        world.system.records[NAME, "CNAME"] = ["private.corp.test."]
        world.system.records["corp.test", "NS"] = ["ns.private.test."]
        assert resolver.target(NAME) == NAME
        assert [server.address for server in resolver.servers_of("corp.test")] == [server.address for server in corp]

    def test_zones_below_zones(self, world: DnsWorld, corp: list[DnsServer], resolver: DnsResolver) -> None:
        below = world.zone("sub.corp.test", parent=corp[0])
        corp[1].delegations["sub.corp.test"] = below
        assert [server.address for server in resolver.servers_of("sub.corp.test")] == [each.address for each in below]

    def test_a_zone_on_the_servers_of_its_parent(self, world: DnsWorld, resolver: DnsResolver) -> None:
        """Then there is no referral."""
        world.top.records["same.test", "NS"] = ["ns.nic.test."]
        assert [server.address for server in resolver.servers_of("same.test")] == [world.top.address]

    def test_an_unknown_top_level_domain(self, resolver: DnsResolver) -> None:
        with pytest.raises(DnsError, match=r"top-level domain internal of a.internal.*nameservers"):
            resolver.target("a.internal")

    def test_a_server_that_refers_upwards_is_not_followed(
        self, world: DnsWorld, corp: list[DnsServer], resolver: DnsResolver
    ) -> None:
        for server in corp:
            server.delegations["test"] = [world.top]
        assert resolver.target(NAME) == NAME

    @pytest.mark.parametrize("behaviour", ["silent", "wrong id", "garbage", "REFUSED", "SERVFAIL", "FORMERR"])
    def test_one_bad_server_of_two_does_no_harm(
        self, corp: list[DnsServer], resolver: DnsResolver, behaviour: Behaviour
    ) -> None:
        corp[0].behaviour = behaviour
        corp[1].records[NAME, "CNAME"] = ["a.corp.test."]
        assert resolver.target(NAME) == "a.corp.test"

    def test_a_server_that_drips_costs_its_time_limit(self, corp: list[DnsServer], resolver: DnsResolver) -> None:
        corp[0].behaviour = "drips"
        begun = time.monotonic()
        assert resolver.target(NAME) == NAME
        assert time.monotonic() - begun < 5

    def test_silent_servers_cost_their_time_once_and_not_once_a_name(self, world: DnsWorld) -> None:
        dead, half = world.zone("dead.test"), world.zone("half.test")
        for server in (*dead, half[0]):
            server.behaviour = "silent"
        names = [f"_acme-challenge.n{number}.{zone}.test" for number in range(60) for zone in ("dead", "half")]
        begun = time.monotonic()
        found = world.resolver().targets(names)
        assert time.monotonic() - begun < 15  # 30 of them would wait for 48 s
        for name in names:
            if "half" in name:
                assert found[name] == name
            else:
                error = found[name]
                assert isinstance(error, DnsError)
                assert "ns1.dead.test" in error.message
                assert "ns2.dead.test" in error.message
        assert len(dead[0].asked("CNAME")) < 40
        assert len(half[0].asked("CNAME")) < 40

    def test_servers_without_edns_are_understood(self, corp: list[DnsServer], resolver: DnsResolver) -> None:
        put(corp, NAME, "CNAME", "a.corp.test.")
        for server in corp:
            server.behaviour = "no EDNS"
        assert resolver.target(NAME) == "a.corp.test"


class TestCaa:
    def test_the_nearest_set_above_counts(self, corp: list[DnsServer], resolver: DnsResolver) -> None:
        put(corp, "corp.test", "CAA", '0 issue "ca.example; a=b"', '128 iodef "mailto:a@corp.test"')
        put(corp, "own.corp.test", "CAA", '0 issue ";"')
        found = resolver.caa(["a.b.corp.test", "own.corp.test", "x.own.corp.test", "corp.test"])
        apex = CaaSet(
            "corp.test", (CaaRecord(0, "issue", "ca.example; a=b"), CaaRecord(128, "iodef", "mailto:a@corp.test"))
        )
        own = CaaSet("own.corp.test", (CaaRecord(0, "issue", ";"),))
        assert found == {"a.b.corp.test": apex, "own.corp.test": own, "x.own.corp.test": own, "corp.test": apex}

    def test_none_up_to_the_top(self, corp: list[DnsServer], resolver: DnsResolver) -> None:
        names = [f"n{number}.corp.test" for number in range(30)]
        assert resolver.caa(names) == dict.fromkeys(names)
        assert sum(server.asked("CAA").count("corp.test") for server in corp) <= 16

    def test_records_behind_a_cname_count(self, world: DnsWorld, corp: list[DnsServer], resolver: DnsResolver) -> None:
        """RFC 8659 section 3: as for any other type."""
        put(corp, "www.corp.test", "CNAME", "cdn.other.test.")
        put(corp, "corp.test", "CAA", '0 issue "parent.example"')
        put(world.zone("other.test"), "cdn.other.test", "CAA", '0 issue "cdn.example"')
        found = resolver.caa(["www.corp.test"])["www.corp.test"]
        assert found == CaaSet("www.corp.test", (CaaRecord(0, "issue", "cdn.example"),))

    def test_servers_that_fail_are_an_error_as_for_the_ca(self, corp: list[DnsServer], resolver: DnsResolver) -> None:
        for server in corp:
            server.behaviour = "SERVFAIL"
        assert isinstance(resolver.caa(["www.corp.test"])["www.corp.test"], DnsError)

    def test_cnames_in_a_circle(self, corp: list[DnsServer], resolver: DnsResolver) -> None:
        put(corp, "www.corp.test", "CNAME", "web.corp.test.")
        put(corp, "web.corp.test", "CNAME", "www.corp.test.")
        error = resolver.caa(["www.corp.test"])["www.corp.test"]
        assert isinstance(error, DnsError)
        assert "circle" in error.message


class TestTxt:
    def test_strings_are_joined_and_cnames_followed(self, corp: list[DnsServer], resolver: DnsResolver) -> None:
        put(corp, "p.corp.test", "TXT", '"one" "two"', f'"{"x" * 255}" "{"y" * 255}" "{"z" * 255}"')
        put(corp, "alias.corp.test", "CNAME", "p.corp.test.")
        found = resolver.txt(["alias.corp.test", "none.corp.test"])
        assert sorted(found["alias.corp.test"]) == ["onetwo", "x" * 255 + "y" * 255 + "z" * 255]  # type: ignore[arg-type]
        assert found["none.corp.test"] == ()


def waited(resolver: DnsResolver, *records: TxtRecord, timeout: float = 20) -> Propagation:
    return wait_until_published(resolver, {"corp.test": records or (RECORD,)}, timeout)


class TestPropagation:
    def test_all_servers_are_asked_for_all_names_once(self, corp: list[DnsServer], resolver: DnsResolver) -> None:
        records = [TxtRecord(f"_acme-challenge.n{number}.corp.test", ("a", "b")) for number in range(60)]
        for record in records:
            put(corp, record.name, "TXT", '"theirs"', '"b"', '"a"')
        assert waited(resolver, *records) == Propagation({})
        for server in corp:
            assert sorted(server.asked("TXT")) == sorted(record.name for record in records)

    def test_only_what_is_missing_is_asked_for_again(self, corp: list[DnsServer], resolver: DnsResolver) -> None:
        late = "_acme-challenge.late.corp.test"
        for name in (NAME, late):
            put(corp, name, "TXT", '"ours"')
        shown = corp[1].records.pop((late, "TXT"))
        real = corp[1]._made

        def later(request: t.Any) -> t.Any:
            if corp[1].asked("TXT").count(late) > 2:
                corp[1].records[late, "TXT"] = shown
            return real(request)

        corp[1]._made = later  # type: ignore[method-assign]
        assert waited(resolver, RECORD, TxtRecord(late, ("ours",))) == Propagation({})
        assert corp[1].asked("TXT").count(NAME) == 1
        assert corp[1].asked("TXT").count(late) == 3
        assert corp[0].asked("TXT") == [NAME, late]

    def test_a_server_that_lags_for_ever_is_told_by_name(self, corp: list[DnsServer], resolver: DnsResolver) -> None:
        corp[0].records[NAME, "TXT"] = ['"ours"']
        corp[1].records[NAME, "TXT"] = ['"other"']
        found = waited(resolver, timeout=1)
        assert list(found.missing) == [NAME]
        assert f"the server ns2.corp.test ({corp[1].address}" in found.missing[NAME]
        assert found.silent == ()

    @pytest.mark.parametrize("behaviour", ["silent", "wrong id", "garbage", "REFUSED", "SERVFAIL", "drips"])
    def test_one_that_does_not_answer_is_passed_over_and_told(
        self, corp: list[DnsServer], resolver: DnsResolver, behaviour: Behaviour
    ) -> None:
        put(corp, NAME, "TXT", '"ours"')
        corp[1].behaviour = behaviour
        records = [TxtRecord(NAME, ("ours",))]
        for number in range(60):
            records.append(TxtRecord(f"_acme-challenge.n{number}.corp.test", ("ours",)))
            put(corp, records[-1].name, "TXT", '"ours"')
        begun = time.monotonic()
        found = waited(resolver, *records)
        assert found.missing == {}
        assert len(found.silent) == 1
        assert found.silent[0].startswith(f"ns2.corp.test ({corp[1].address}")
        # Its own time limit, a few times; not once for each name.
        assert time.monotonic() - begun < 12

    def test_a_name_that_all_servers_fail_for_is_out_alone(self, corp: list[DnsServer], resolver: DnsResolver) -> None:
        bad = TxtRecord("_acme-challenge.bad.corp.test", ("ours",))
        for record in (RECORD, bad):
            put(corp, record.name, "TXT", '"ours"')
        for server in corp:
            server.refused_names = {bad.name}
        found = waited(resolver, RECORD, bad, timeout=2)
        assert list(found.missing) == [bad.name]
        assert "answers SERVFAIL after 2 seconds" in found.missing[bad.name]

    def test_a_server_that_dies_after_it_has_answered(self, corp: list[DnsServer], resolver: DnsResolver) -> None:
        late = TxtRecord("_acme-challenge.late.corp.test", ("ours",))
        put(corp, NAME, "TXT", '"ours"')
        corp[0].records[late.name, "TXT"] = ['"ours"']
        real = corp[1]._made

        def dies(request: t.Any) -> t.Any:
            if len(corp[1].asked("TXT")) > 2:
                corp[1].behaviour = "silent"
            return real(request)

        corp[1]._made = dies  # type: ignore[method-assign]
        found = waited(resolver, RECORD, late)
        assert found.missing == {}
        assert found.silent[0].startswith("ns2.corp.test")

    def test_all_silent_ends_before_the_time_and_says_so(self, corp: list[DnsServer], resolver: DnsResolver) -> None:
        resolver.servers_of("corp.test")
        for server in corp:
            server.behaviour = "silent"
        begun = time.monotonic()
        found = waited(resolver, timeout=600)
        assert "No server of the zone corp.test answers" in found.missing[NAME]
        assert "ns1.corp.test" in found.missing[NAME]
        assert "ns2.corp.test" in found.missing[NAME]
        assert time.monotonic() - begun < 60

    def test_answers_too_long_for_udp(self, corp: list[DnsServer], resolver: DnsResolver) -> None:
        put(corp, NAME, "TXT", *[f'"{number:03}{"x" * 200}"' for number in range(40)], '"ours"')
        assert waited(resolver) == Propagation({})

    def test_a_zone_that_is_delegated_nowhere(self, world: DnsWorld, resolver: DnsResolver) -> None:
        found = waited(resolver, timeout=1)
        assert "corp.test is delegated to no server" in found.missing[NAME]

    def test_one_bad_zone_does_not_stop_another(self, world: DnsWorld, corp: list[DnsServer]) -> None:
        put(corp, NAME, "TXT", '"ours"')
        nowhere = TxtRecord("_acme-challenge.nowhere.test", ("x",))
        found = wait_until_published(world.resolver(), {"nowhere.test": [nowhere], "corp.test": [RECORD]}, 20)
        assert list(found.missing) == [nowhere.name]


class TestNameservers:
    def test_they_are_asked_instead_of_all_others(self, world: DnsWorld, corp: list[DnsServer]) -> None:
        own = world.server("own", "corp.test")
        own.records[NAME, "TXT"] = ['"ours"']
        resolver = world.resolver(f"{own.address}:{world.port}")
        assert resolver.target(NAME) == NAME
        assert waited(resolver) == Propagation({})
        assert world.top.queries == corp[0].queries == []

    def test_by_name(self, world: DnsWorld, corp: list[DnsServer]) -> None:
        world.system.records["dns.corp.test", "A"] = [corp[1].address]
        put(corp, NAME, "TXT", '"ours"')
        assert waited(world.resolver(f"dns.corp.test:{world.port}")) == Propagation({})
        with pytest.raises(InvalidOption, match=r"the host no\.corp\.test has no address"):
            world.resolver("no.corp.test")

    def test_the_second_is_asked_where_the_first_does_not_answer(self, world: DnsWorld, corp: list[DnsServer]) -> None:
        corp[0].behaviour = "silent"
        put(corp, NAME, "CNAME", "a.corp.test.")
        resolver = world.resolver(*(f"{server.address}:{world.port}" for server in corp))
        assert resolver.target(NAME) == "a.corp.test"
        corp[1].behaviour = "REFUSED"
        with pytest.raises(DnsError, match=r"No server of nameservers answers for .* answers REFUSED; .* is silent"):
            resolver.target(NAME)

    def test_one_that_caches_is_told(self, world: DnsWorld, corp: list[DnsServer]) -> None:
        cache = corp[0]
        cache.authoritative = False
        found = waited(world.resolver(f"{cache.address}:{world.port}"), timeout=0.5)
        assert "answers from a cache for" in found.missing[NAME]

    @pytest.mark.parametrize("text", ["", ":53", "host:", "host:0", "host:65536", "host:x", "[::1", "[::1]:x"])
    def test_what_is_no_server(self, world: DnsWorld, text: str) -> None:
        with pytest.raises(InvalidOption, match="nameservers"):
            world.resolver(text)

    @pytest.mark.parametrize(
        ("text", "address", "port"),
        [
            ("192.0.2.1", "192.0.2.1", 53),
            ("192.0.2.1:5353", "192.0.2.1", 5353),
            ("2001:DB8::1", "2001:db8::1", 53),
            ("[2001:db8::1]", "2001:db8::1", 53),
            (" [2001:db8::1]:5353 ", "2001:db8::1", 5353),
        ],
    )
    def test_what_is_one(self, world: DnsWorld, text: str, address: str, port: int) -> None:
        (server,) = world.resolver(text).nameservers
        assert (server.address, server.port) == (address, port)
