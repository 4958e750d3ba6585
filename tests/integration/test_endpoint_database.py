# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The registry in a real SQLite, PostgreSQL and MariaDB: what is registered, seen, told and forgotten."""

from __future__ import annotations

import dataclasses
import typing as t
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.changes import Judgement
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.endpoints import WatchedEndpoint
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.policy import WatchPolicy
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.registry import (
    EndpointChange,
    EndpointSelection,
    EndpointView,
    FleetDeployment,
)
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.sightings import SeenCertificate, Sighting
from ansible_collections.certops.rotation.plugins.module_utils._errors import RegistryError
from ansible_collections.certops.rotation.plugins.module_utils._ports.registry.sql_registry import SqlRegistry
from ansible_collections.certops.rotation.tests.support.databases import (
    DatabaseServer,
    mariadb_server,
    postgresql_server,
)
from ansible_collections.certops.rotation.tests.support.watching import ADDRESS, DAY, START, WWW, seen

if t.TYPE_CHECKING:
    import pathlib

ALL = EndpointSelection()
MAIL = WatchedEndpoint("mail", "mail.example.com", 25, starttls="smtp", tags=(("env", "prod"), ("team", "post")))
FIRST, SECOND = seen("first", -1, 89), seen("second", 59, 149)
CA = seen("ca", -1000, 1000)


@pytest.fixture(scope="module", params=["sqlite", "postgresql", "mariadb"])
def server(request: pytest.FixtureRequest) -> t.Iterator[DatabaseServer | None]:
    """None: SQLite needs none."""
    if request.param == "sqlite":
        yield None
    else:
        with {"postgresql": postgresql_server, "mariadb": mariadb_server}[request.param]() as started:
            yield started


@pytest.fixture
def url(server: DatabaseServer | None, tmp_path: pathlib.Path) -> str:
    return server.database() if server else f"sqlite:///{tmp_path}/registry/endpoints.db"


@pytest.fixture
def registry(url: str) -> SqlRegistry:
    return SqlRegistry(url)


def at(day: float) -> datetime:
    return START + day * DAY


def sighting(
    day: float,
    *chain: SeenCertificate,
    endpoint: WatchedEndpoint = WWW,
    address: str | None = ADDRESS,
    **fields: t.Any,
) -> Sighting:
    given = {"trusted": True} if chain else {"error": "connection refused"}
    return Sighting(endpoint.key, address, at(day), chain, **{**given, **fields})


def scan(registry: SqlRegistry, day: float, *sightings: Sighting) -> list[str]:
    return [event.kind for event in registry.record(sightings, WatchPolicy(), at(day))]


def view(registry: SqlRegistry, endpoint: WatchedEndpoint = WWW, *, history: bool = True) -> EndpointView:
    (found,) = registry.views(EndpointSelection(hosts=(str(endpoint),)), history=history)
    return found


# Endpoints


def test_nothing_is_there_before_something_is_written(url: str) -> None:
    """And reading makes nothing: not even a file."""
    for registry in (SqlRegistry(url, read_only=True), SqlRegistry(url)):
        assert not registry.exists()
        assert registry.endpoints(ALL) == []
        assert list(registry.views(ALL)) == []
        assert registry.events(ALL, None, 10) == registry.undelivered("chat", 10) == []
        assert registry.deployments() == []
        assert registry.certificate("00" * 32) is None
        assert registry.forget(DAY, START) == 0
        assert not registry.put([], START)
        assert registry.put([WWW], START, check=True) == [EndpointChange(None, WWW)]
        assert registry.remove([WWW.key], START) == [EndpointChange(None, None)]
    assert not SqlRegistry(url).exists()


def test_put_changes_what_differs(registry: SqlRegistry) -> None:
    assert registry.put([WWW, MAIL], START) == [EndpointChange(None, WWW), EndpointChange(None, MAIL)]
    assert registry.endpoints(ALL) == [MAIL, WWW]
    assert not any(change.changed for change in registry.put([WWW, MAIL], START))
    renamed = dataclasses.replace(
        WWW, name="shop", server_name="", address="::1", proxy_protocol=True, enabled=False, tags=(("a", "ü"),)
    )
    assert registry.put([renamed], at(1), check=True) == [EndpointChange(WWW, renamed)]
    assert registry.endpoints(ALL) == [MAIL, WWW]
    assert registry.put([renamed], at(1)) == [EndpointChange(WWW, renamed)]
    assert registry.endpoints(ALL) == [MAIL, renamed]
    assert view(registry, renamed).added == START


def test_one_endpoint_for_a_host_and_port(registry: SqlRegistry) -> None:
    """Whatever else differs; and whatever a collation would take for the same is another host."""
    other = [dataclasses.replace(WWW, port=8443), dataclasses.replace(WWW, host="xn--mller-kva.example.com")]
    registry.put([WWW, *other], START)
    registry.put([dataclasses.replace(WWW, name="again")], START)
    assert [(each.host, each.port, each.name) for each in registry.endpoints(ALL)] == [
        ("www.example.com", 443, "again"),
        ("www.example.com", 8443, "www"),
        ("xn--mller-kva.example.com", 443, "www"),
    ]


def test_the_longest_and_the_oddest_names(registry: SqlRegistry) -> None:
    long = WatchedEndpoint("ü" * 63 + "𝄞", "a" * 256, 65535, server_name="b" * 256, address="fe80::1%" + "x" * 60)
    odd = [
        dataclasses.replace(WWW, name=name, port=number)
        for number, name in enumerate(["Www", "www ", "WWW", "wẃw", "'; DROP TABLE", "%", "_", "\\", "<b>"], 1000)
    ]
    registry.put([long, *odd], START)
    assert registry.endpoints(EndpointSelection(hosts=(long.host,))) == [long]
    for endpoint in odd:
        assert registry.endpoints(EndpointSelection(names=(endpoint.name,))) == [endpoint]


def test_prune_retires_the_others(registry: SqlRegistry) -> None:
    registry.put([WWW, MAIL], START)
    changes = registry.put([WWW], at(1), prune=True, check=True)
    assert [change for change in changes if change.changed] == [EndpointChange(MAIL, None)]
    assert registry.endpoints(ALL) == [MAIL, WWW]
    registry.put([WWW], at(1), prune=True)
    assert registry.endpoints(ALL) == [WWW]
    assert [event.kind for event in registry.events(ALL, None, 10)] == ["retired"]


def test_thousands_are_changed_and_retired_in_a_few_statements(registry: SqlRegistry, url: str) -> None:
    """With one for each, a database in another house would be locked for minutes."""
    many = [WatchedEndpoint("a", f"{number // 2}.example.com", 443 + number % 2) for number in range(2000)]
    said: list[str] = []

    def listen(_connection: t.Any, _cursor: t.Any, statement: str, *_more: t.Any) -> None:
        said.append(statement)

    sa.event.listen(sa.engine.Engine, "before_cursor_execute", listen)
    try:
        for wanted in (many, [dataclasses.replace(each, name="b") for each in many], many[:1], many):
            registry.put(wanted, START, prune=True)
            assert registry.endpoints(ALL) == sorted(wanted, key=lambda each: each.key)
    finally:
        sa.event.remove(sa.engine.Engine, "before_cursor_execute", listen)
    assert len(said) < 200
    assert len(registry.events(ALL, None, 9999)) == 1999
    assert rows_of(url, "endpoints") == 2000


def test_a_retired_endpoint_comes_back_with_its_history(registry: SqlRegistry) -> None:
    registry.put([WWW, MAIL], START)
    scan(registry, 0, sighting(0, FIRST))
    assert registry.remove([WWW.key], at(1)) == [EndpointChange(WWW, None)]
    assert scan(registry, 2, sighting(2, FIRST)) == [], "nobody watches it any more"
    assert list(registry.views(EndpointSelection(hosts=(WWW.host,)))) == []
    assert registry.remove([WWW.key], at(2)) == [EndpointChange(None, None)]
    registry.put([WWW], at(3))
    found = view(registry)
    assert (found.added, found.states) == (at(3), ())
    assert [(entry.since, entry.until, entry.is_open) for entry in found.history] == [(START, START, False)]
    assert scan(registry, 4, sighting(4, FIRST)) == ["new"]
    assert [event.kind for event in registry.events(EndpointSelection(names=("www",)), None, 9)] == [
        "new",
        "retired",
        "new",
    ]


def test_selection(registry: SqlRegistry) -> None:
    disabled = dataclasses.replace(WWW, port=444, enabled=False, tags=(("env", "prod"),))
    registry.put([WWW, MAIL, disabled], START)
    for selection, expected in (
        (EndpointSelection(names=("www",)), [WWW, disabled]),
        (EndpointSelection(names=("www", "mail")), [MAIL, WWW, disabled]),
        (EndpointSelection(names=("www.example.com:444",)), [disabled]),
        (EndpointSelection(hosts=("WWW.example.com.",)), [WWW, disabled]),
        (EndpointSelection(hosts=("mail.example.com:25", "www.example.com:443")), [MAIL, WWW]),
        (EndpointSelection(tags=(("env", "prod"),)), [MAIL, disabled]),
        (EndpointSelection(tags=(("env", "prod"), ("team", "post"))), [MAIL]),
        (EndpointSelection(tags=(("env", "pro"),)), []),
        (EndpointSelection(enabled=True), [MAIL, WWW]),
        (EndpointSelection(names=("www",), enabled=False), [disabled]),
        (EndpointSelection(names=("ww",)), []),
    ):
        assert registry.endpoints(selection) == expected, selection
        assert [each.endpoint for each in registry.views(selection)] == expected, selection


# What was seen


def test_the_life_of_an_endpoint(registry: SqlRegistry) -> None:
    """The defects of the older system: each poll was a change, and the oldest certificate was the current one."""
    registry.put([WWW], START)
    fields: dict[str, t.Any] = {
        "needed_until": FIRST.not_after,
        "chain_notes": ("a root is sent, too",),
        "protocol": "TLSv1.3",
        "cipher": "TLS_AES_256_GCM_SHA384",
        "staple": "good",
        "key_type_ignored": True,
    }
    assert scan(registry, 0, sighting(0, FIRST, CA, **fields)) == ["new"]
    assert scan(registry, 1, sighting(1, FIRST, CA, **fields)) == []
    found = view(registry)
    (state,) = found.states
    assert (state.since, state.last_seen, state.fingerprint_sha256) == (at(0), at(1), FIRST.fingerprint_sha256)
    (entry,) = found.history
    assert (entry.since, entry.until, entry.is_open) == (at(0), at(1), True)
    assert entry.sighting == sighting(1, FIRST, CA, **fields)
    assert scan(registry, 60, sighting(60, SECOND, CA)) == ["renewed", "key_changed"]
    assert scan(registry, 61, sighting(61)) == []
    assert scan(registry, 62, sighting(62)) == ["unreachable"]
    found = view(registry)
    assert [state.fingerprint_sha256 for state in found.states] == [SECOND.fingerprint_sha256]
    assert [state.error for state in found.states] == ["connection refused"]
    assert scan(registry, 63, sighting(63, SECOND, CA)) == ["recovered"]
    history = view(registry).history
    assert [(entry.since, entry.until, entry.is_open, entry.sighting.leaf) for entry in history] == [
        (at(63), at(63), True, SECOND),
        (at(61), at(62), False, None),
        (at(60), at(60), False, SECOND),
        (at(0), at(1), False, FIRST),
    ]
    assert view(registry, history=False).history == history[:1]
    assert set(view(registry).certificates) == {each.fingerprint_sha256 for each in (FIRST, SECOND, CA)}
    assert registry.certificate(FIRST.fingerprint_sha256) == FIRST


def test_instants_are_exact_to_the_second(registry: SqlRegistry) -> None:
    registry.put([WWW], START)
    moment = START + timedelta(seconds=12345)
    ages = seen("ages", 0, 90, not_before=datetime.fromisoformat("1901-02-03T04:05:06+00:00"))
    ages = dataclasses.replace(ages, not_after=datetime.fromisoformat("9999-12-31T23:59:59+00:00"))
    registry.record([Sighting(WWW.key, ADDRESS, moment, (ages,))], WatchPolicy(), moment)
    assert view(registry).states[0].since == moment
    assert registry.certificate(ages.fingerprint_sha256) == ages
    assert [event.at for event in registry.events(ALL, None, 9)] == [moment]


def test_addresses_each_have_their_own_history(registry: SqlRegistry) -> None:
    registry.put([WWW], START)
    both = [sighting(0, FIRST), sighting(0, FIRST, address="2001:db8::1")]
    scan(registry, 0, *both)
    scan(registry, 1, sighting(1, SECOND), sighting(1, address="2001:db8::1"))
    found = view(registry)
    assert [(state.address, state.reach) for state in found.states] == [
        (ADDRESS, "served"),
        ("2001:db8::1", "unreachable"),
    ]
    scan(registry, 2, sighting(2, address=None, error="the name does not resolve"))
    assert [state.address for state in view(registry).states] == [None, ADDRESS, "2001:db8::1"]
    scan(registry, 3, sighting(3, SECOND))
    assert [state.address for state in view(registry).states] == [ADDRESS], "it resolves again, to this one"


def test_one_certificate_is_kept_once(registry: SqlRegistry, url: str) -> None:
    endpoints = [dataclasses.replace(WWW, host=f"{number}.example.com") for number in range(600)]
    registry.put(endpoints, START)
    scan(registry, 0, *[sighting(0, FIRST, CA, endpoint=each) for each in endpoints])
    assert rows_of(url, "certificates") == 2
    assert len(list(registry.views(ALL))) == 600
    scan(registry, 1, *[sighting(1, FIRST, CA, endpoint=each) for each in endpoints])
    assert rows_of(url, "intervals") == rows_of(url, "events") == 600


def test_a_whole_year_is_few_rows(registry: SqlRegistry, url: str) -> None:
    registry.put([WWW], START)
    certificates = [seen(f"of day {day}", day - 1, day + 89) for day in range(0, 365, 60)]
    for day in range(0, 365, 4):
        scan(registry, day, sighting(day, certificates[day // 60], CA))
    assert rows_of(url, "intervals") == len(certificates)
    assert [entry.until - entry.since for entry in view(registry).history] == [4 * DAY, *[56 * DAY] * 6]


def test_what_certificates_may_hold(registry: SqlRegistry) -> None:
    """NUL, half characters, megabytes, and nothing at all: text for every database."""
    odd = seen("odd", 0, 90, subject="CN=\x00\ud800<script>𝄞", subject_alternative_names=("\x00", "a" * 300_000))
    odd = dataclasses.replace(odd, issuer="O=" + "x" * 200_000, der=b"\x00\xff" * 200_000, odd="it is odd")
    unread = SeenCertificate("ab" * 32, "ab" * 20, "ab" * 16, b"\x00", odd="it is not valid X.509")
    registry.put([WWW], START)
    scan(registry, 0, sighting(0, odd, unread, error="\x00" + "e" * 100_000))
    kept = registry.certificate(odd.fingerprint_sha256)
    assert kept == dataclasses.replace(odd, subject="CN=\ufffd\ufffd<script>𝄞")
    assert registry.certificate(unread.fingerprint_sha256) == unread
    assert view(registry).history[0].sighting.error == "\ufffd" + "e" * 100_000


def test_one_that_fails_in_the_middle_of_a_scan(registry: SqlRegistry) -> None:
    """What came before is kept as far as it was a whole batch, and nothing is half written."""
    endpoints = [dataclasses.replace(WWW, host=f"{number}.example.com") for number in range(700)]
    registry.put(endpoints, START)

    def ending() -> t.Iterator[Sighting]:
        for each in endpoints[:600]:
            yield sighting(0, FIRST, endpoint=each)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        registry.record(ending(), WatchPolicy(), START)
    seen_ones = [each for each in registry.views(ALL) if each.states]
    events = registry.events(ALL, None, 1000)
    assert len(seen_ones) == len(events) == 500


# Events


def test_each_receiver_gets_each_event(registry: SqlRegistry) -> None:
    endpoints = [dataclasses.replace(WWW, host=f"{number}.example.com") for number in range(5)]
    registry.put(endpoints, START)
    for day, each in enumerate(endpoints):
        scan(registry, day, sighting(day, FIRST, endpoint=each))
    waiting = registry.undelivered("chat", 3)
    assert [event.host for event in waiting] == ["0.example.com", "1.example.com", "2.example.com"]
    registry.delivered("chat", [waiting[1].id, waiting[1].id], at(9))
    registry.delivered("chat", [waiting[1].id], at(9))
    registry.delivered("chat", [], at(9))
    assert [event.host[0] for event in registry.undelivered("chat", 9)] == ["0", "2", "3", "4"]
    assert [event.host[0] for event in registry.undelivered("tickets", 9)] == ["0", "1", "2", "3", "4"]
    assert [event.host[0] for event in registry.events(ALL, at(3), 9)] == ["4", "3"]
    assert [event.host[0] for event in registry.events(ALL, None, 2)] == ["4", "3"]
    assert [event.host[0] for event in registry.events(EndpointSelection(hosts=("1.example.com",)), None, 2)] == ["1"]


def test_an_event_is_recorded_once(registry: SqlRegistry) -> None:
    """Also when the same sighting is told again, as by a run that was killed before it heard of its success."""
    registry.put([WWW], START)
    (event,) = registry.record([sighting(0, FIRST)], WatchPolicy(), START)
    registry.remove([WWW.key], START)
    registry.put([WWW], START)
    assert registry.record([sighting(0, FIRST)], WatchPolicy(), START) == []
    assert [each.kind for each in registry.events(ALL, None, 9)] == ["retired", "new"]
    assert registry.undelivered("chat", 9)[0] == event


# The fleet


def taken(judgements: list[Judgement]) -> t.Callable[[Sighting, Judgement], None]:
    return lambda _sighting, judgement: judgements.append(judgement)


def test_check_tells_what_recording_would_do(registry: SqlRegistry, url: str) -> None:
    registry.put([WWW], START)
    for day, certificate in ((0, FIRST), (1, FIRST), (60, SECOND)):
        found = []
        for check in (True, False):
            judgements: list[Judgement] = []
            before = rows_of(url, "intervals"), rows_of(url, "events"), view(registry)
            seen_now = [sighting(day, certificate)]
            events = registry.record(seen_now, WatchPolicy(), at(day), check=check, judged=taken(judgements))
            found.append(([(judgement.after.reach, judgement.opens) for judgement in judgements], events))
            if check:
                assert (rows_of(url, "intervals"), rows_of(url, "events"), view(registry)) == before
        assert found[0] == found[1]
        assert found[0][0] == [("served", day != 1)]


def test_certificates_of_two_types_of_keys_have_a_history_each(registry: SqlRegistry) -> None:
    registry.put([WWW], START)
    for day in (0, 1):
        both = [sighting(day, FIRST), dataclasses.replace(sighting(day, SECOND), key_type="rsa")]
        assert scan(registry, day, *both) == ([] if day else ["new", "new"])
    found = view(registry)
    assert sorted((state.key_type, state.fingerprint_sha256) for state in found.states) == [
        ("any", FIRST.fingerprint_sha256),
        ("rsa", SECOND.fingerprint_sha256),
    ]
    assert {entry.sighting.key_type for entry in found.history} == {"any", "rsa"}


def test_an_address_that_its_name_no_longer_has_alarms_nobody(registry: SqlRegistry) -> None:
    """Not for the three days after which it is retired either."""
    registry.put([WWW], START)
    other = "192.0.2.9"
    scan(registry, 0, sighting(0, FIRST), sighting(0, SECOND, address=other))
    assert scan(registry, 1, sighting(1, FIRST)) == []
    found = view(registry)
    assert [state.address for state in found.states] == [ADDRESS]
    assert {entry.address: entry.until for entry in found.history} == {ADDRESS: at(1), other: START}
    assert [scan(registry, day, sighting(day, FIRST)) for day in (2, 3, 4)] == [[], [], ["retired"]]


def test_deployments_of_a_host_replace_each_other(registry: SqlRegistry) -> None:
    layers = {"source": "aa" * 32, "file": "bb" * 32, "memory": None, "wire": None}
    web1 = FleetDeployment("web1", "a.pem", layers, (("a.example.com", 443), ("::1", 8443)), START)
    web2 = dataclasses.replace(web1, host="web2")
    registry.put_deployments(["web1", "web2"], [web1, web2])
    assert registry.deployments() == [web1, web2]
    newer = dataclasses.replace(web1, certificate="b.pem", at=at(1))
    registry.put_deployments(["web1"], [newer])
    assert sorted(registry.deployments(), key=lambda each: each.host) == [newer, web2]
    registry.put_deployments(["web2"], [])
    assert registry.deployments() == [newer]


# Retention


def test_deployments_that_nobody_reads_again_go(registry: SqlRegistry) -> None:
    """Those of a host that left the inventory would be held against the wire for ever."""
    gone = FleetDeployment("gone", "a.pem", {"file": "0" * 64}, (WWW.key,), START)
    kept = dataclasses.replace(gone, host="kept", at=at(50))
    registry.put_deployments(["gone", "kept"], [gone, kept])
    assert registry.forget(60 * DAY, at(60)) == 0
    assert registry.forget(30 * DAY, at(60), check=True) == registry.forget(30 * DAY, at(60)) == 1
    assert registry.deployments() == [kept]


def test_what_is_open_stays(registry: SqlRegistry, url: str) -> None:
    registry.put([WWW, MAIL], START)
    scan(registry, 0, sighting(0, FIRST, CA), sighting(0, FIRST, endpoint=MAIL))
    scan(registry, 60, sighting(60, SECOND, CA), sighting(60, FIRST, endpoint=MAIL))
    registry.remove([MAIL.key], at(61))
    assert registry.forget(90 * DAY, at(80)) == registry.forget(2_000_000 * DAY, at(80)) == 0
    expected = {"intervals": 1, "events": 2}  # what WWW served first, and the two "new"
    before = {table: rows_of(url, table) for table in ("endpoints", "intervals", "events", "certificates")}
    assert registry.forget(30 * DAY, at(80), check=True) == sum(expected.values())
    assert registry.forget(30 * DAY, at(80)) == sum(expected.values())
    after = {table: rows_of(url, table) for table in before}
    assert {table: before[table] - after[table] for table in before if before[table] != after[table]} == expected
    assert registry.forget(30 * DAY, at(80)) == 0
    # By now the retired endpoint goes as well, with the certificate that only it had.
    assert registry.forget(30 * DAY, at(1000), check=True) == registry.forget(30 * DAY, at(1000))
    assert {table: rows_of(url, table) for table in before} == {
        "endpoints": 1,
        "intervals": 1,
        "events": 0,
        "certificates": 2,
    }
    assert [entry.sighting.chain for entry in view(registry).history] == [(SECOND, CA)]


def test_events_stay_until_everybody_has_them_who_takes_any(registry: SqlRegistry) -> None:
    registry.put([WWW, MAIL], START)
    scan(registry, 0, sighting(0, FIRST), sighting(0, FIRST, endpoint=MAIL))
    first, second = registry.undelivered("chat", 9)
    registry.delivered("chat", [first.id, second.id], at(99))
    registry.delivered("tickets", [first.id], at(99))
    registry.delivered("gone", [second.id], at(1))
    assert registry.forget(10 * DAY, at(100)) == 1
    assert registry.undelivered("tickets", 9) == [second]
    assert registry.undelivered("chat", 9) == []
    assert registry.forget(10 * DAY, at(200)) == 1, "by then, nobody takes any"


# Access


def test_a_registry_for_reading_only(registry: SqlRegistry, url: str) -> None:
    registry.put([WWW], START)
    reader = SqlRegistry(url, read_only=True)
    assert reader.endpoints(ALL) == [WWW]
    assert reader.put([MAIL], START, check=True) == [EndpointChange(None, MAIL)]
    for write in (
        lambda: reader.put([MAIL], START),
        lambda: reader.remove([WWW.key], START),
        lambda: reader.record([sighting(0, FIRST)], WatchPolicy(), START),
        lambda: reader.delivered("chat", ["id"], START),
        lambda: reader.put_deployments(["web1"], []),
    ):
        with pytest.raises(RegistryError, match="reading only"):
            write()
    assert registry.endpoints(ALL) == [WWW]


def rows_of(url: str, table: str) -> int:
    """By another way than the registry's own."""
    driver = {"postgresql": "postgresql+psycopg", "mariadb": "mariadb+pymysql"}
    kind, _colon, rest = url.partition(":")
    engine = sa.create_engine(f"{driver.get(kind, kind)}:{rest}", poolclass=sa.NullPool)
    with engine.connect() as connection:
        return int(connection.exec_driver_sql(f"SELECT COUNT(*) FROM certops_{table}").scalar_one())
