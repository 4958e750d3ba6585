# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Check mode predicts what a run does, also where a run fails: whatever writes a file, and whatever is in its way."""

from __future__ import annotations

import os
import pathlib
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import lineages
from ansible_collections.certops.rotation.tests.support.fork_server import ModuleServer
from ansible_collections.certops.rotation.tests.support.hostile import as_root
from ansible_collections.certops.rotation.tests.support.moto import MotoServer
from ansible_collections.certops.rotation.tests.support.pki import CertificateAuthority, IssuedCertificate

HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDzMIvCnpUMhdRUXfaw1Yj8Ml7gIPFj5LgFPBYpBrVjz"
NAMES = ("x.pem", "www.pem", "x", "x.prom", "x.yml", "x.json", "x.db")
_Args = dict[str, t.Any]


class World:
    """root: of a test; certificate: that is written."""

    def __init__(self, root: pathlib.Path, certificate: IssuedCertificate) -> None:
        self.root = root
        self.certificate = certificate
        steps = lineages.CertbotSteps(root / "letsencrypt")
        steps.issue("a.example.com", certificate)
        self.lineages = steps.live
        staged = root / "staging" / "a.example.com"
        staged.mkdir(parents=True, mode=0o700)
        for name, content in lineages.contents(certificate).items():
            (staged / f"{name}.pem").write_bytes(content)
            (staged / f"{name}.pem").chmod(0o600)

    def listing(self) -> list[str]:
        """All files, but for what SQLite puts beside a database that is only read."""
        return sorted(str(path) for path in self.root.rglob("*") if not path.name.startswith("registry.db"))

    def bundle(self, **where: str) -> tuple[str, _Args]:
        return "pem_bundle", {"certificate": self.certificate.combined_pem, **where}

    def member(self, path: pathlib.Path, **more: t.Any) -> tuple[str, _Args]:
        alone = {"use_secrets_manager": False, "server_names": ["x"], "key_type": "ec"}
        return "shared_ca_member", {"path": str(path), **alone, **more}

    def writers(self, place: pathlib.Path) -> dict[str, tuple[str, _Args]]:
        """What writes to this directory, or makes it."""
        target = {"name": "a", "address": "127.0.0.1", "domains": ["a.example.com"], "host_key": HOST_KEY}
        registry = f"sqlite:///{self.root}/registry.db"
        configuration = {"content": "@ca@\n", "dest": f"{place}/x.yml"}
        made = {"path": f"{place}/x", "content": "x"}
        rotated = {"name_prefix": "web/", "activate": False}
        counted = {"metrics_textfile": f"{place}/x.prom"}
        return {
            "sync": ("certificate_sync", {"path": str(place), "name_prefix": "web/"}),
            "bundle": self.bundle(path=f"{place}/x.pem"),
            "lineage": self.bundle(path=f"{place}/x", layout="lineage"),
            "deploy": ("certificate_deploy", {"source": str(self.root / "staging"), "path": str(place)}),
            "textfile": ("rotation_metrics", {"path": str(self.root / "certs"), "textfile": f"{place}/x.prom"}),
            "directory": ("host_files", {"directories": [{"path": str(place)}], "files": [made]}),
            "file": ("host_files", {"files": [made]}),
            "no file": ("host_files", {"absent": [f"{place}/x"]}),
            "member": self.member(place),
            "configuration": self.member(self.root / "member", configurations=[configuration]),
            "document": (
                "endpoint_dashboard",
                {"json_path": f"{place}/x.json", "database_url": registry},
            ),
            "registry": (
                "endpoint_registry",
                {"database_url": f"sqlite:///{place}/x.db", "endpoints": ["localhost:1"]},
            ),
            "rotation": ("haproxy_rotation", {"path": str(place), **rotated}),
            "rotation's textfile": ("haproxy_rotation", {"path": str(self.root / "certs"), **rotated, **counted}),
            "push's textfile": (
                "certificate_push",
                {"queue": str(self.root / "queue"), "lineages": str(self.lineages), "targets": [], **counted},
            ),
            "issuing's textfile": (
                "certificate_issue",
                {
                    "certificates": [],
                    "issuers": [{"directory": "https://127.0.0.1:1/dir", "account_secret": "x"}],
                    **counted,
                },
            ),
            "events' textfile": (
                "endpoint_events",
                {"database_url": registry, "receiver": "x", "url": "http://127.0.0.1:1/", **counted},
            ),
            "queue": ("push_queue", {"path": str(place), "lineages": str(self.lineages), "targets": [target]}),
        }


def nothing(place: pathlib.Path) -> None:
    """Nor has it a directory to be made in."""


def only_above(place: pathlib.Path) -> None:
    place.parent.mkdir()


def all_there(place: pathlib.Path) -> None:
    place.mkdir(parents=True)


def a_file(place: pathlib.Path) -> None:
    place.parent.mkdir()
    place.write_text("of others")


def a_link_to_nothing(place: pathlib.Path) -> None:
    place.parent.mkdir()
    place.symlink_to(place.parent / "nowhere")


def above_a_link_to_nothing(place: pathlib.Path) -> None:
    place.parent.symlink_to("nowhere")


def open_to_all(place: pathlib.Path) -> None:
    place.mkdir(parents=True)
    place.chmod(0o777)


def directories_in_place_of_its_files(place: pathlib.Path) -> None:
    for name in NAMES:
        (place / name / "of others").mkdir(parents=True)


def fifos_in_place_of_its_files(place: pathlib.Path) -> None:
    place.mkdir(parents=True)
    for name in NAMES:
        os.mkfifo(place / name)


def read_only(place: pathlib.Path) -> None:
    place.mkdir(parents=True)
    as_root("mount", "-t", "tmpfs", "-o", "ro,mode=755", "nothing", str(place))


def above_read_only(place: pathlib.Path) -> None:
    place.parent.mkdir(parents=True)
    as_root("mount", "-t", "tmpfs", "-o", "ro,mode=755", "nothing", str(place.parent))


PLACES = (
    nothing,
    only_above,
    all_there,
    a_file,
    a_link_to_nothing,
    above_a_link_to_nothing,
    open_to_all,
    directories_in_place_of_its_files,
    fifos_in_place_of_its_files,
    read_only,
    above_read_only,
)


@pytest.mark.parametrize("made", PLACES, ids=lambda made: made.__name__)
def test_check_mode_fails_where_a_run_fails(
    modules: ModuleServer,
    aws: MotoServer,
    intermediate: CertificateAuthority,
    tmp_path: pathlib.Path,
    made: t.Callable[[pathlib.Path], None],
) -> None:
    certificate = intermediate.issue("a.example.com")
    aws.put_secret("web/a", certificate.secret_document())
    told, kept = {}, {}
    for name in World(tmp_path / "names", certificate).writers(tmp_path):
        world = World(tmp_path / name, certificate)
        place = world.root / "above" / "place"
        module, args = world.writers(place)[name]
        if module in ("endpoint_dashboard", "endpoint_events"):
            modules.run("endpoint_registry", {"database_url": args["database_url"], "endpoints": ["[::1]:1"]})
        made(place)
        try:
            before = world.listing()
            runs = [modules.run(module, args, check=True, env=aws.env)]
            kept[name] = world.listing() == before
            runs.append(modules.run(module, args, env=aws.env))
        finally:
            if "read_only" in made.__name__:
                as_root("umount", str(place if made is read_only else place.parent))
        told[name] = [
            (run.failed, run.result["msg"] if run.failed else "", run.result.get("changed", False)) for run in runs
        ]
    assert {name: check for name, (check, _run) in told.items()} == {name: run for name, (_check, run) in told.items()}
    assert [name for name, same in kept.items() if not same] == [], "check mode has changed something"
    failed = [name for name, (_check, (has_failed, *_rest)) in told.items() if has_failed]
    assert bool(failed) is (made != all_there), [told[name] for name in failed]
