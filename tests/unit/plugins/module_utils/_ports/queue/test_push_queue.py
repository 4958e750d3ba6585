# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import errno
import fcntl
import json
import os
import pathlib
import subprocess
import sys
import time
import typing as t
from dataclasses import replace

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.push.entries import Confirmation, OwedEntry
from ansible_collections.certops.rotation.plugins.module_utils._errors import StoreError
from ansible_collections.certops.rotation.plugins.module_utils._ports.queue.push_queue import PushQueue
from ansible_collections.certops.rotation.plugins.module_utils._ports.store.places import Place

AT, LATER = "2026-01-26T12:00:00Z", "2026-01-26T13:00:00Z"
OLD, NEW = "a" * 64, "b" * 64


@pytest.fixture
def queue(tmp_path: pathlib.Path) -> PushQueue:
    return PushQueue(str(tmp_path / "queue"))


def entry(host: str = "web1", lineage: str = "example.com", fingerprint: str = OLD, **more: t.Any) -> OwedEntry:
    return OwedEntry(host, lineage, fingerprint, AT, **more)


def confirmation(of: OwedEntry, fingerprint: str | None = None) -> Confirmation:
    return Confirmation(of.host, of.lineage, fingerprint or of.fingerprint_sha256, LATER, "receipt")


def files(queue: PushQueue) -> list[str]:
    """Without locks."""
    root = pathlib.Path(queue.path)
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and path.name != ".lock")


def claimed(queue: PushQueue, host: str = "web1", **how: t.Any) -> tuple[OwedEntry, ...]:
    with queue.claim(host, **how) as claim:
        assert claim is not None
        return claim.entries


def test_a_queue_that_is_not_there_is_empty_and_is_not_made(queue: PushQueue) -> None:
    content = queue.content()
    assert (content.owed, content.claimed, content.dead, content.confirmed) == ((), (), (), ())
    assert claimed(queue) == ()
    assert queue.forget([("web1", "example.com")]) == []
    assert queue.requeue([("web1", "example.com")], now=AT) == []
    assert queue.set_damaged_aside() == []
    queue.forget_wakes(["x"])
    assert not pathlib.Path(queue.path).exists()


def test_an_entry_is_one_file_for_its_owner_alone(queue: PushQueue) -> None:
    assert queue.enqueue([entry()]) == [entry()]
    assert files(queue) == ["owed/web1/example.com.json"]
    path = pathlib.Path(queue.path)
    assert json.loads((path / "owed/web1/example.com.json").read_text()) == vars(entry())
    modes = {place.stat().st_mode & 0o777 for place in (path, path / "owed", path / "owed/web1")}
    assert modes == {0o700}
    assert (path / "owed/web1/example.com.json").stat().st_mode & 0o777 == 0o600


def test_what_is_queued_twice_is_there_once(queue: PushQueue) -> None:
    """CD58."""
    first = entry(attempts=3)
    queue.enqueue([first])
    assert queue.enqueue([entry(), entry()]) == []
    assert queue.content().owed == (first,)


def test_a_renewed_lineage_replaces_what_was_owed_of_it(queue: PushQueue) -> None:
    queue.enqueue([entry(attempts=3, last_error="no")])
    assert queue.enqueue([entry(fingerprint=NEW)]) == [entry(fingerprint=NEW)]
    assert queue.content().owed == (entry(fingerprint=NEW),)


def test_a_host_has_all_its_lineages(queue: PushQueue) -> None:
    """CD53. More at once than files may be open."""
    wanted = [entry(lineage=f"n{number:04}.example.com") for number in range(1500)]
    assert queue.enqueue(wanted) == wanted
    assert claimed(queue) == tuple(wanted)
    assert queue.content().owed == tuple(wanted)


def test_what_is_claimed_is_nowhere_else_and_goes_back(queue: PushQueue) -> None:
    queue.enqueue([entry(), entry("web2")])
    with queue.claim("web1") as claim:
        assert claim is not None
        assert claim.entries == (entry(),)
        assert files(queue) == ["claimed/web1/example.com.json", "owed/web2/example.com.json"]
        assert (queue.content().claimed, queue.content().owed) == ((entry(),), (entry("web2"),))
    assert files(queue) == ["owed/web1/example.com.json", "owed/web2/example.com.json"]


def test_an_exception_of_the_push_goes_through_and_loses_nothing(queue: PushQueue) -> None:
    queue.enqueue([entry()])
    with pytest.raises(OSError, match="of the push"), queue.claim("web1"):
        raise OSError("of the push")
    assert queue.content().owed == (entry(),)


def test_what_is_queued_after_its_confirmation_is_owed_once_more(queue: PushQueue) -> None:
    """The host may have got something else in between. What was queued before is what was confirmed."""
    queue.enqueue([entry()])
    with queue.claim("web1") as claim:
        assert claim is not None
        claim.confirm(confirmation(entry()))
    queue.enqueue([entry()])
    assert queue.content().owed == ()
    assert claimed(queue) == ()
    once_more = replace(entry(), queued_at="2026-01-26T13:00:01Z")
    queue.enqueue([once_more])
    assert queue.content().owed == (once_more,)
    with queue.claim("web1") as claim:
        assert claim is not None
        assert claim.entries == queue.content().claimed == (once_more,)


def test_a_confirmation_by_a_wrong_clock_settles_nothing(queue: PushQueue) -> None:
    """Else whatever is queued from now on would be, until that time comes."""
    queue.enqueue([entry()])
    with queue.claim("web1") as claim:
        assert claim is not None
        claim.confirm(replace(confirmation(entry()), at="2999-01-26T13:00:00Z"))
    queue.enqueue([entry()])
    assert queue.content().owed == (entry(),)
    with queue.claim("web1") as claim:
        assert claim is not None
        assert claim.entries == (entry(),)
        claim.confirm(confirmation(entry()))
    assert (queue.content().owed, queue.content().confirmed) == ((), (confirmation(entry()),))


def test_what_is_confirmed_is_in_the_ledger_alone(queue: PushQueue) -> None:
    queue.enqueue([entry()])
    with queue.claim("web1") as claim:
        assert claim is not None
        claim.confirm(confirmation(entry()))
    assert files(queue) == ["confirmed/web1/example.com.json"]
    assert queue.content().confirmed == (confirmation(entry()),)
    assert claimed(queue) == ()


@pytest.mark.parametrize("more", [{"attempts": 1, "last_error": "no route to host"}, {"uploaded": OLD}])
def test_what_did_not_end_is_owed_as_it_was_left(queue: PushQueue, more: dict[str, t.Any]) -> None:
    """CD57: a failed push is kept."""
    queue.enqueue([entry()])
    with queue.claim("web1") as claim:
        assert claim is not None
        claim.put_back(entry(**more))
    assert claimed(queue) == (entry(**more),)
    assert files(queue) == ["owed/web1/example.com.json"]


def test_what_was_added_meanwhile_stays(queue: PushQueue) -> None:
    queue.enqueue([entry()])
    with queue.claim("web1") as claim:
        assert claim is not None
        queue.enqueue([entry(fingerprint=NEW)])
        claim.put_back(entry(attempts=1))
    assert queue.content().owed == (entry(fingerprint=NEW),)
    with queue.claim("web1") as claim:
        assert claim is not None
        queue.enqueue([entry(fingerprint=OLD)])
    assert queue.content().owed == (entry(fingerprint=OLD),)


def test_what_was_added_meanwhile_and_pushed_already_is_paid(queue: PushQueue) -> None:
    """What is pushed is what the lineage holds then."""
    queue.enqueue([entry()])
    with queue.claim("web1") as claim:
        assert claim is not None
        queue.enqueue([entry(fingerprint=NEW)])
        claim.confirm(confirmation(entry(), NEW))
    assert queue.content().owed == ()
    assert claimed(queue) == ()
    assert files(queue) == ["confirmed/web1/example.com.json"]


def test_what_is_forced_outlives_the_confirmation_of_the_same(queue: PushQueue) -> None:
    """While a host is being pushed to, and nobody is waited for."""
    queue.enqueue([entry()])
    forced = entry(forced=True)
    with queue.claim("web1") as claim:
        assert claim is not None
        assert queue.enqueue([forced]) == [forced]
        assert queue.enqueue([forced]) == queue.enqueue([entry()]) == [], "it is there once, and stays forced"
        claim.confirm(confirmation(entry()))
    assert (queue.content().owed, queue.content().confirmed) == ((forced,), ())
    with queue.claim("web1") as claim:
        assert claim is not None
        assert claim.entries == (forced,)
        assert queue.content().confirmed == ()
        claim.confirm(confirmation(forced))
    assert (queue.content().owed, queue.content().confirmed) == ((), (confirmation(forced),))


def test_what_is_forced_and_given_up_is_not_confirmed(queue: PushQueue) -> None:
    queue.enqueue([entry()])
    with queue.claim("web1") as claim:
        assert claim is not None
        claim.confirm(confirmation(entry()))
    queue.enqueue([entry(forced=True)])
    with queue.claim("web1") as claim:
        assert claim is not None
        claim.give_up(claim.entries[0])
    assert (queue.content().dead, queue.content().confirmed) == ((entry(forced=True),), ())
    assert queue.requeue([("web1", "example.com")], now=AT) == [entry(forced=True)]
    assert claimed(queue) == (entry(forced=True),)


def test_what_is_postponed_is_tried_at_once_when_somebody_says_so(queue: PushQueue) -> None:
    tried = {"attempts": 3, "last_error": "no", "next_attempt": LATER}
    queue.enqueue([entry(**tried), entry(lineage="other.com", attempts=2)])
    keys = [("web1", "example.com"), ("web1", "other.com"), ("web2", "example.com")]
    assert queue.requeue(keys, now=LATER) == [replace(entry(), queued_at=LATER)]
    assert queue.requeue(keys, now=LATER) == []
    assert queue.content().owed == (replace(entry(), queued_at=LATER), entry(lineage="other.com", attempts=2))
    queue.enqueue([entry("web3", forced=True, **tried)])
    assert queue.enqueue([entry("web3", forced=True)]) == [entry("web3", forced=True)]
    assert claimed(queue, "web3") == (entry("web3", forced=True),)


def test_what_is_given_up_is_not_claimed_until_it_is_wanted_again(queue: PushQueue) -> None:
    queue.enqueue([entry()])
    given_up = entry(attempts=9, last_error="refused", uploaded=OLD)
    with queue.claim("web1") as claim:
        assert claim is not None
        claim.give_up(given_up)
    assert queue.content().dead == (given_up,)
    assert claimed(queue) == ()
    back = replace(given_up, attempts=0, last_error="", queued_at=LATER)
    assert queue.requeue([("web1", "example.com"), ("web1", "other"), ("web9", "x")], now=LATER) == [back]
    assert claimed(queue) == (back,)
    assert files(queue) == ["owed/web1/example.com.json"]


def test_a_renewed_lineage_is_no_longer_given_up(queue: PushQueue) -> None:
    queue.enqueue([entry()])
    with queue.claim("web1") as claim:
        assert claim is not None
        claim.give_up(entry(attempts=9))
    queue.enqueue([entry(fingerprint=NEW)])
    assert (queue.content().owed, queue.content().dead) == ((entry(fingerprint=NEW),), ())
    assert claimed(queue) == (entry(fingerprint=NEW),)
    assert files(queue) == ["owed/web1/example.com.json"]


def test_what_was_renewed_since_is_not_replaced_by_what_was_given_up(queue: PushQueue) -> None:
    queue.enqueue([entry()])
    with queue.claim("web1") as claim:
        assert claim is not None
        claim.give_up(entry(attempts=9))
    queue.enqueue([entry(fingerprint=NEW)])
    queue.requeue([("web1", "example.com")], now=LATER)
    assert queue.content().owed == (entry(fingerprint=NEW),)


def test_what_is_given_up_while_it_is_added_is_not_lost(queue: PushQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the two steps of whoever adds it."""
    link_new = Place.link_new

    def then_give_up(*arguments: t.Any) -> None:
        link_new(*arguments)
        monkeypatch.undo()
        with queue.claim("web1") as claim:
            assert claim is not None
            claim.give_up(*claim.entries)

    monkeypatch.setattr(Place, "link_new", then_give_up)
    queue.enqueue([entry()])
    assert queue.content().dead == (entry(),)


def test_only_what_is_asked_for_and_due_is_claimed(queue: PushQueue) -> None:
    waits = entry(lineage="waits", next_attempt=LATER)
    queue.enqueue([entry(), waits])
    assert claimed(queue, due=AT) == (entry(),)
    assert claimed(queue, due=LATER) == (entry(), waits)
    assert claimed(queue, lineages=["waits"]) == (waits,)
    assert claimed(queue, lineages=[]) == ()


def test_one_run_at_a_time_pushes_to_a_host(queue: PushQueue) -> None:
    queue.enqueue([entry(), entry("web2")])
    with queue.claim("web1"), queue.claim("web1") as second, queue.claim("web2") as other:
        assert second is None
        assert other is not None
        with pytest.raises(StoreError, match="web1 is being pushed to just now"):
            queue.forget([("web1", "example.com")])
    with queue.claim("web1") as after:
        assert after is not None


def test_many_runs_share_hosts_and_never_one_at_a_time(queue: PushQueue) -> None:
    hosts = [f"web{number}" for number in range(3)]
    queue.enqueue([entry(host) for host in hosts])
    holders: collections.Counter[str] = collections.Counter()
    seen: list[int] = []

    def run(number: int) -> None:
        for turn in range(20):
            host = hosts[(number + turn) % len(hosts)]
            with queue.claim(host) as claim:
                if claim is None:
                    continue
                holders[host] += 1
                seen.append(holders[host])
                assert claim.entries == (entry(host),)
                time.sleep(0.001)
                holders[host] -= 1

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        list(pool.map(run, range(6)))
    assert len(seen) > 20
    assert set(seen) == {1}
    assert queue.content().owed == tuple(entry(host) for host in hosts)


def open_files() -> dict[int, pathlib.Path]:
    found = {}
    for link in pathlib.Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # the one by which they are listed
            found[int(link.name)] = link.readlink()
    return found


def test_the_lock_is_one_for_nfs(queue: PushQueue) -> None:
    """Which has exclusive ones only for files that are open for writing (flock(2)), and none for directories."""
    queue.enqueue([entry()])
    path = pathlib.Path(queue.path, "claimed/web1/.lock")
    with queue.claim("web1"):
        held = [descriptor for descriptor, file in open_files().items() if file == path]
        assert [fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE for descriptor in held] == [os.O_RDWR]


def test_no_file_is_left_open(queue: PushQueue) -> None:
    before = open_files()
    queue.enqueue([entry(), entry("web2"), entry(lineage="b.org")])
    for _turn in range(3):
        claimed(queue)
        queue.content()
        with queue.claim("web1"), queue.claim("web1"):
            pass
    queue.forget([("web1", "b.org")])
    assert open_files() == before


DIES = """
import os, sys
from ansible_collections.certops.rotation.plugins.module_utils._ports.queue.push_queue import PushQueue
from ansible_collections.certops.rotation.plugins.module_utils._ports.queue import folders
if sys.argv[2]:
    setattr(folders, sys.argv[2], lambda *arguments: os.kill(os.getpid(), 9))
with PushQueue(sys.argv[1]).claim("web1") as claim:
    entry = claim.entries[0]
    if sys.argv[3] == "give_up":
        from ansible_collections.certops.rotation.plugins.module_utils._ports.queue import claim as claims
        claims.QueueClaim._remove = lambda *arguments: os.kill(os.getpid(), 9)
        claim.give_up(entry)
    os.kill(os.getpid(), 9)
"""


def die(queue: PushQueue, where: str = "", what: str = "") -> None:
    command = [sys.executable, "-c", DIES, queue.path, where, what]
    assert subprocess.run(command, check=False, timeout=60).returncode == -9


def test_what_a_killed_run_had_claimed_is_owed_at_once(queue: PushQueue) -> None:
    """A stale claim hangs nobody (certdeploy's lock did for ever)."""
    queue.enqueue([entry()])
    die(queue)
    assert files(queue) == ["claimed/web1/example.com.json"]
    assert (queue.content().owed, queue.content().claimed) == ((entry(),), ())
    assert claimed(queue) == (entry(),)
    assert files(queue) == ["owed/web1/example.com.json"]


def test_what_was_renewed_after_the_kill_is_owed_as_it_is_now(queue: PushQueue) -> None:
    queue.enqueue([entry()])
    die(queue)
    queue.enqueue([entry(fingerprint=NEW)])
    assert queue.content().owed == (entry(fingerprint=NEW),)
    assert claimed(queue) == (entry(fingerprint=NEW),)
    assert files(queue) == ["owed/web1/example.com.json"]


def test_what_a_killed_run_had_given_up_stays_so(queue: PushQueue) -> None:
    queue.enqueue([entry()])
    die(queue, what="give_up")
    assert files(queue) == ["claimed/web1/example.com.json", "dead/web1/example.com.json"]
    assert claimed(queue) == ()
    assert queue.content().dead == (entry(),)


def test_what_was_queued_again_after_it_was_given_up_survives_a_kill(queue: PushQueue) -> None:
    queue.enqueue([entry()])
    with queue.claim("web1") as claim:
        assert claim is not None
        claim.give_up(entry())
    dead = pathlib.Path(queue.path, "dead/web1/example.com.json")
    kept = dead.read_bytes()
    queue.requeue([("web1", "example.com")], now=AT)
    dead.write_bytes(kept)  # a kill between the two steps
    assert queue.content().owed == (entry(),)
    assert queue.content().dead == ()
    die(queue)
    assert claimed(queue) == (entry(),)


def test_what_is_forgotten_is_gone(queue: PushQueue) -> None:
    queue.enqueue([entry(), entry(lineage="b.org"), entry(lineage="c.org")])
    with queue.claim("web1") as claim:
        assert claim is not None
        claim.confirm(confirmation(entry()))
        claim.give_up(entry(lineage="b.org"))
    keys = [("web1", name) for name in ("example.com", "b.org", "c.org")]
    assert queue.forget(keys[:1], confirmed=False) == []
    assert queue.forget([*keys, ("web1", "d.org")]) == keys
    assert files(queue) == []


# -- damage ---------------------------------------------------------------------------------------------------------


def spoil(queue: PushQueue, name: str, content: bytes) -> pathlib.Path:
    path = pathlib.Path(queue.path, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\0" * 300, json.dumps(vars(entry("web2"))).encode()])
def test_what_is_no_entry_is_kept_aside_and_stops_no_other(queue: PushQueue, content: bytes) -> None:
    """CD55: a corrupt queue."""
    queue.enqueue([entry(), entry(lineage="good")])
    path = spoil(queue, "owed/web1/example.com.json", content)
    assert [damaged.path for damaged in queue.content().damaged] == [str(path)]
    with queue.claim("web1") as claim:
        assert claim is not None
        assert claim.entries == (entry(lineage="good"),)
        (aside,) = claim.set_aside
    assert aside.path.startswith(f"{queue.path}/bad/web1/example.com.json.owed.")
    assert pathlib.Path(aside.path).read_bytes() == content
    assert queue.content().bad == (aside.path,)
    assert queue.content().damaged == ()
    # It is owed anew, from what is on the disk of lineages.
    assert queue.enqueue([entry()]) == [entry()]


def test_damage_is_set_aside_wherever_it_is(queue: PushQueue) -> None:
    for kind in ("owed", "claimed", "dead", "confirmed"):
        spoil(queue, f"{kind}/web1/example.com.json", b"?")
    moved = queue.set_damaged_aside()
    assert [pathlib.Path(each.path).name.split(".json.")[1].split(".")[0] for each in moved] == [
        "owed",
        "claimed",
        "dead",
        "confirmed",
    ]
    assert queue.content().damaged == ()
    assert [each.path for each in moved] == sorted(queue.content().bad, key=[each.path for each in moved].index)


def test_a_damaged_entry_is_replaced_by_a_new_one(queue: PushQueue) -> None:
    spoil(queue, "owed/web1/example.com.json", b"?")
    pathlib.Path(queue.path).chmod(0o700)
    assert queue.enqueue([entry()]) == [entry()]
    assert queue.content().owed == (entry(),)
    assert len(queue.content().bad) == 1


@pytest.mark.parametrize("kind", ["fifo", "link", "directory", "socket"])
def test_what_is_no_file_hangs_nobody(queue: PushQueue, tmp_path: pathlib.Path, kind: str) -> None:
    queue.enqueue([entry()])
    path = pathlib.Path(queue.path, "owed/web1/odd.json")
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "link":
        (tmp_path / "elsewhere").write_text(json.dumps(vars(entry(lineage="odd"))))
        path.symlink_to(tmp_path / "elsewhere")
    elif kind == "directory":
        (path / "below").mkdir(parents=True)
    else:
        os.mknod(path, 0o140600)
    assert len(queue.content().damaged) == 1
    with queue.claim("web1") as claim:
        assert claim is not None
        assert claim.entries == (entry(),)
        assert len(claim.set_aside) == 1
    assert not os.path.lexists(path)


def test_files_of_others_are_told_and_left(queue: PushQueue) -> None:
    queue.enqueue([entry()])
    queue.remember_success(1.0)
    names = ["README", "owed/notes.txt", "owed/web1/example.com.json~", "owed/web1/sub", "wake.bak"]
    for name in names:
        spoil(queue, name, b"mine")
    for hidden in (".nfs0001", "owed/.nfs0002", "owed/web1/.example.com.json.swp"):
        spoil(queue, hidden, b"")
    assert list(queue.content().foreign) == sorted(f"{queue.path}/{name}" for name in names)
    assert claimed(queue) == (entry(),)
    assert set(names) <= set(files(queue))


def test_what_killed_writers_left_is_removed_when_it_is_old(queue: PushQueue) -> None:
    queue.enqueue([entry()])
    old, young = (spoil(queue, f"owed/web1/.certops-tmp.{number}", b"") for number in (1, 2))
    os.utime(old, (0, 0))
    assert claimed(queue) == (entry(),)
    assert (old.exists(), young.exists()) == (False, True)


def test_a_directory_in_which_others_may_write_is_refused(queue: PushQueue) -> None:
    queue.enqueue([entry()])
    for name in ("", "owed", "owed/web1"):
        path = pathlib.Path(queue.path, name)
        path.chmod(0o777)
        for work in (queue.content, lambda: queue.enqueue([entry(lineage="b.org")]), lambda: claimed(queue)):
            with pytest.raises(StoreError, match=r"mode 0777, so every user of this host may put something else"):
                work()
        path.chmod(0o700)
    assert queue.content().owed == (entry(),)


def test_a_file_system_without_links_is_told(queue: PushQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    """As vfat and some network shares are: EPERM (link(2))."""

    def link(*_arguments: t.Any, **_named: t.Any) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    with pytest.raises(StoreError, match="Hard links are needed: the file system"):
        queue.enqueue([entry()])
    monkeypatch.undo()
    assert queue.content().owed == ()
    assert files(queue) == []


def test_a_path_may_end_in_a_slash(queue: PushQueue) -> None:
    PushQueue(f"{queue.path}/").enqueue([entry()])
    assert queue.content().owed == (entry(),)


def test_a_queue_below_nothing_says_what_to_do(tmp_path: pathlib.Path) -> None:
    with pytest.raises(StoreError, match="Create the parent directory"):
        PushQueue(str(tmp_path / "no" / "queue")).enqueue([entry()])


@pytest.mark.parametrize("host", ["a/b", "..", "WEB1", "h" * 300, "2001:db8::1", "münchen", "new\nline"])
def test_any_host_name_will_do(queue: PushQueue, host: str) -> None:
    queue.enqueue([entry(host)])
    assert queue.content().owed == (entry(host),)
    with queue.claim(host) as claim:
        assert claim is not None
        claim.confirm(confirmation(entry(host)))
    assert queue.content().confirmed == (confirmation(entry(host)),)
    assert len(files(queue)) == 1


def test_names_that_differ_in_case_are_two_hosts(queue: PushQueue) -> None:
    queue.enqueue([entry("web1"), entry("WEB1")])
    assert len(queue.content().owed) == 2


# -- wakes ----------------------------------------------------------------------------------------------------------


def test_wakes_are_told_and_forgotten_by_name(queue: PushQueue) -> None:
    queue.enqueue([entry()])
    for name in ("renewed.1", "renewed.2"):
        spoil(queue, f"wake/{name}", b"")
    assert queue.woken() == ["renewed.1", "renewed.2"]
    queue.forget_wakes(["renewed.1", "renewed.0"])
    assert queue.content().woken == ("renewed.2",)
