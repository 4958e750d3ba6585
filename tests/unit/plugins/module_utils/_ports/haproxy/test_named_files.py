# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Without which files HAProxy does not start."""

from __future__ import annotations

import pathlib

from ansible_collections.certops.rotation.plugins.module_utils._ports.haproxy.named_files import named_files

CONFIG = """\
global
    crt-base {base}/certs
    log "$NOT_KNOWN_HERE" local0
crt-store web
    load crt stored.pem alias www
frontend f
    bind :443 ssl crt "{base}/single.pem" crt {base}/linked.pem crt {base}/pair crt relative.pem
    bind :443 ssl  # crt {base}/comment.pem
    bind :444 ssl crt {base}/links crt-list {base}/list.txt
backend b
    server s 127.0.0.1:1 ssl crt {base}/client.pem
"""


def test_what_the_configuration_names_and_what_links_lead_to(tmp_path: pathlib.Path) -> None:
    certs, links = tmp_path / "certs", tmp_path / "links"
    certs.mkdir()
    links.mkdir()
    for name in ("a.pem", "relative.pem", "stored.pem", "listed.pem", "loaded.pem", "other.pem", "hidden.pem"):
        (certs / name).touch()
    for name in ("single.pem", "client.pem", "comment.pem"):
        (tmp_path / name).touch()
    (tmp_path / "linked.pem").symlink_to(certs / "a.pem")
    (tmp_path / "pair.rsa").symlink_to(certs / "other.pem")
    (links / "loaded.pem").symlink_to(certs / "loaded.pem")
    (links / "plain.pem").touch()
    (links / ".hidden.pem").symlink_to(certs / "hidden.pem")
    (tmp_path / "list.txt").write_text(f"# a list\n{certs}/listed.pem [alpn h2] *.example.com\n")
    config = tmp_path / "haproxy.cfg"
    config.write_text(CONFIG.format(base=tmp_path))

    found = named_files([str(config)], crt_lists=True)
    named = {"a.pem", "relative.pem", "stored.pem", "listed.pem", "loaded.pem", "other.pem"}
    assert {str(certs / name) for name in named} <= found
    assert {str(tmp_path / "single.pem"), str(tmp_path / "client.pem")} <= found
    none_of_them = (links / "plain.pem", certs / "hidden.pem", tmp_path / "comment.pem")
    assert not found & set(map(str, none_of_them))
    assert found - named_files([str(config)], crt_lists=False) == {str(certs / "listed.pem")}


def test_a_configuration_that_cannot_be_read_names_nothing(tmp_path: pathlib.Path) -> None:
    assert named_files([str(tmp_path / "absent.cfg")], crt_lists=True) == set()
    assert named_files([], crt_lists=True) == set()
