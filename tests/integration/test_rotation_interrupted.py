# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A rotation that is killed at every stage, and what the next one makes of it.

Just before a chosen call to the system, each time another one; the calls are spread over all stages.
"""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import pki, rotation
from ansible_collections.certops.rotation.tests.support.interrupted_host import Host, host, kill_at, spread
from ansible_collections.certops.rotation.tests.support.interruption import Interruptions, Place, Point
from ansible_collections.certops.rotation.tests.support.moto import MotoServer

#: How often each test kills one; together more than a hundred times.
KILLS = {
    "renewals": 16,
    "several": 8,
    "come": 11,
    "go": 11,
    "reloads": 10,
    "lineages": 10,
    "refused": 10,
    "wrong": 20,
    "gone": 12,
    "twice": 8,
}
#: Of the walk's stages those that call for something to be changed or told; and the end, when the result is printed.
ON_DISK = {"discover", "opened", "fetch", "write", "metrics", "end"}
ALL = {*ON_DISK, "activate", "prove", "record"}


@pytest.fixture(scope="module")
def interruptions() -> t.Iterator[Interruptions]:
    made = Interruptions()
    yield made
    made.close()


def test_a_hundred_times() -> None:
    assert sum(KILLS.values()) - len(KILLS) >= 100  # see assert_killed


def test_renewals(aws: MotoServer, interruptions: Interruptions) -> None:
    with host(aws, interruptions, {}) as made:
        kill_at(made, KILLS["renewals"], lambda: made.store("a"))
        made.assert_killed(KILLS["renewals"], ALL)


def test_several_renewals(aws: MotoServer, interruptions: Interruptions) -> None:
    with host(aws, interruptions, {}) as made:
        kill_at(made, KILLS["several"], lambda: made.store("a", "b", "c"))
        made.assert_killed(KILLS["several"], ALL)


def test_new_ones_and_their_removal(aws: MotoServer, interruptions: Interruptions) -> None:
    """In a crt-list, in which a line must come and go with the file."""
    haproxy = {"tls": ["crt-list {crt_list}"], "crt_list": ["{certs}/default.pem"]}
    with rotation.scene(aws, **haproxy) as scene:
        made = Host(scene, interruptions, crt_list=str(scene.haproxy.crt_list_path))
        made.store("stays", "new")
        made.assert_the_next_run_converges()
        made.delete("new")
        made.assert_the_next_run_converges()

        def come() -> None:
            made.store("new")

        def go() -> None:
            made.delete("new")

        ways = []
        for way in (come, go):
            points = made.points(way)
            ways.append([*renames(points, "activate"), *spread(points, KILLS[way.__name__])])
            made.assert_the_next_run_converges()
        for turn, places in enumerate(zip(*ways)):
            for way, place in zip((come, go), places):
                way()
                made.kill(place)
                made.assert_nothing_is_lost()
                made.assert_the_next_run_converges(twice=turn % 5 == 0)
        made.assert_killed(KILLS["come"] + KILLS["go"], {*ALL, "settle"})


def test_reloads(aws: MotoServer, interruptions: Interruptions) -> None:
    with host(aws, interruptions, {"socket": "", "reload_methods": ["master"]}) as made:
        kill_at(made, KILLS["reloads"], lambda: made.store("a"))
        made.assert_killed(KILLS["reloads"], ALL)


def test_lineages_without_activation(aws: MotoServer, interruptions: Interruptions) -> None:
    with rotation.scene(aws) as scene:
        made = Host(
            scene, interruptions, layout="lineage", activate=False, path=str(scene.haproxy.directory / "lineages")
        )
        kill_at(made, KILLS["lineages"], lambda: made.store("a"))
        made.assert_killed(KILLS["lineages"], ON_DISK)


def test_refused_by_haproxy(aws: MotoServer, interruptions: Interruptions) -> None:
    """Its rules are stricter than ours: the file goes back, whoever kills whom, and what it serves stays."""
    strict = {"extra_global": ("ssl-default-bind-ciphers DEFAULT:@SECLEVEL=2",)}
    with host(aws, interruptions, {"min_rsa_bits": 1024, "allow_changes": ["key_type_changed"]}, **strict) as made:
        made.store("a", "b")
        made.assert_the_next_run_converges()
        good = made.issued["a"]
        made.went_back = True
        weak = made.scene.authority.issue("a.example.com", key_type="rsa1024")

        def stir() -> None:
            made.put("a", weak)
            made.before["a"] = good
            made.store("b")

        places = spread(made.points(stir), KILLS["refused"])
        for place in places:
            made.put("a", good)
            made.assert_the_next_run_converges()
            stir()
            made.kill(place)
            made.assert_nothing_is_lost()
            run = made.rotate()
            assert "The previous file is back" in run.told["msg"], run.output
            assert made.served("a") == good.fingerprint_sha256
            assert made.served("b") == made.issued["b"].fingerprint_sha256
            assert made.scene.file("a").read_text() == good.combined_pem
        made.put("a", good)
        made.assert_the_next_run_converges(twice=True)
        made.assert_killed(KILLS["refused"], ALL)


def test_wrong_on_the_wire(aws: MotoServer, interruptions: Interruptions) -> None:
    """Killed while it goes back on disk and in memory; then the secret has the old content again, or not."""
    binds = ("crt {certs}", "crt {dir}/first.pem crt {certs}")
    first = pki.self_signed("first.example.com").combined_pem
    with rotation.scene(aws, tls=binds, certificates={"../first.pem": first}) as scene:
        made = Host(scene, interruptions, hurried=True)
        made.store("a")
        (scene.haproxy.directory / "first.pem").write_text(made.issued["a"].combined_pem)
        assert scene.haproxy.reload()
        made.assert_the_next_run_converges()
        good = made.issued["a"]
        made.went_back = True
        points = made.points(lambda: made.store("a"))
        places = {*spread(points, 2), *spread(points, KILLS["wrong"] - 2, {"go_back", "record"})}
        made.put("a", good)
        made.assert_the_next_run_converges()
        for turn, place in enumerate(sorted(places)):
            made.store("a")
            made.before["a"] = good
            made.kill(place)
            made.assert_nothing_is_lost()
            if turn % 2:
                run = made.rotate()
                assert "Rolled back" in run.told["msg"], run.output
                assert made.served("a") == good.fingerprint_sha256
            made.put("a", good)
            made.before.pop("a")
            made.assert_the_next_run_converges(twice=turn % 5 == 0)
        made.assert_killed(KILLS["wrong"], {*ALL, "go_back"})


def test_new_ones_whose_secret_is_gone_before_the_next_run(aws: MotoServer, interruptions: Interruptions) -> None:
    """HAProxy keeps neither the certificate nor a transaction about it, whether it was being added or taken back."""
    with rotation.scene(aws) as scene, rotation.another_program(scene, "new.example.com") as address:
        made = Host(scene, interruptions, hurried=True)
        made.store("stays")
        made.assert_the_next_run_converges()
        for stage in ("activate", "go_back"):
            if stage == "go_back":
                made.went_back = True
                made.ask_at(address)
            places = spread(made.points(lambda: made.store("new")), KILLS["gone"] // 2, {stage})
            for place in places:
                made.delete("new")
                made.assert_the_next_run_converges()
                made.store("new")
                made.kill(place)
            made.delete("new")
            made.assert_the_next_run_converges(twice=True)
        made.assert_killed(KILLS["gone"], {"activate", "go_back"})


def test_killed_twice(aws: MotoServer, interruptions: Interruptions) -> None:
    with host(aws, interruptions, {}) as made:
        made.store("a", "b")
        made.assert_the_next_run_converges()
        places = spread(made.points(lambda: made.store("a", "b")), KILLS["twice"] // 2)
        made.assert_the_next_run_converges()
        for first, second in zip(places, reversed(places)):
            made.store("a", "b")
            made.kill(first)
            made.assert_nothing_is_lost()
            made.store("b")
            made.kill(second)
            made.assert_the_next_run_converges(twice=first == second)
        made.assert_killed(KILLS["twice"], ALL)


def renames(points: t.Sequence[Point], stage: str) -> list[Place]:
    """When a file of this stage is about to be put in its place."""
    return [point.place for point in points if (point.stage, point.call) == (stage, "rename")]


def test_between_two_files_that_belong_together(aws: MotoServer, interruptions: Interruptions) -> None:
    """The state and the manifest; the counters and the textfile."""
    with host(aws, interruptions, {}) as made:
        made.store("a")
        made.assert_the_next_run_converges()
        points = made.points(lambda: made.store("a"))
        made.assert_the_next_run_converges()
        for place in [*renames(points, "record"), *renames(points, "metrics")]:
            made.store("a")
            made.kill(place)
            made.assert_the_next_run_converges()
        made.assert_killed(4, {"record", "metrics"})


def test_what_a_killed_run_may_have_loaded(aws: MotoServer, interruptions: Interruptions) -> None:
    """The version before that one is not called proven again until it has been seen, in whatever way it comes back."""
    strict = {"extra_global": ("ssl-default-bind-ciphers DEFAULT:@SECLEVEL=2",)}
    rules = {"min_rsa_bits": 1024, "allow_changes": ["key_type_changed"], "keep_previous": 2}
    with host(aws, interruptions, rules, **strict) as made:
        haproxy = made.scene.haproxy
        made.store("a")
        made.assert_the_next_run_converges()
        good = made.issued["a"]
        made.went_back = True

        made.store("a")
        made.kill(Place("record", 0))
        made.put("a", made.scene.authority.issue("a.example.com", key_type="rsa1024"))
        assert "The previous file is back" in made.rotate().told["msg"]
        assert made.scene.file("a").read_text() == good.combined_pem
        made.put("a", good)
        made.assert_the_next_run_converges(twice=True)

        made.store("a")
        made.kill(Place("record", 0))
        haproxy.write_config("    bogus keyword")
        broken = made.rotate(socket="", reload_methods=["master"])
        assert "bogus" in broken.told["msg"]
        assert made.scene.file("a").read_text() == good.combined_pem
        haproxy.write_config()
        made.put("a", good)
        made.assert_the_next_run_converges(twice=True)


def test_what_somebody_else_had_put_there(aws: MotoServer, interruptions: Interruptions) -> None:
    """It was replaced by a run that was killed before it could remember that; it is not taken away as a new one is."""
    theirs = {name: pki.self_signed(f"{name}.example.com").combined_pem for name in "ab"}
    files = {f"web_{name}.pem": pem for name, pem in theirs.items()}
    with rotation.scene(aws, certificates=files) as scene, rotation.another_program(scene, "a.example.com") as address:
        made = Host(scene, interruptions, hurried=True)
        points = made.points(lambda: made.store("b"))
        made.store("a")
        made.kill([point.place for point in points if point.stage == "write"][-1])
        assert scene.file("a").read_text() == made.issued["a"].combined_pem
        made.ask_at(address)
        assert "Rolled back" in made.rotate().told["msg"]
        assert scene.file("a").read_text() == theirs["a"]
