# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page *Promotion in two phases*, run with its own text: staged, promoted with checks, taken back."""

from __future__ import annotations

import http.server
import json
import os
import pathlib
import threading
import typing as t

import pytest
import yaml
from ansible_collections.certops.rotation.tests.support import documented
from ansible_collections.certops.rotation.tests.support.ministack import MinistackServer
from ansible_collections.certops.rotation.tests.support.promotion_fleet import LABEL, PromotionFleet, promotion_fleet

PAGE = "promotion.md"
COMMANDS = documented.commands(PAGE)
FILES = documented.files(PAGE)
ANSWERS = {
    "/health": b"ok",
    "/api/v1/query": json.dumps(
        {"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}, "value": [1, "0.01"]}]}}
    ).encode(),
}


class Site(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(ANSWERS[self.path.partition("?")[0]])

    def log_message(self, *_arguments: t.Any) -> None:
        pass


@pytest.fixture
def site() -> t.Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture
def fleet(aws_events: MinistackServer) -> t.Iterator[PromotionFleet]:
    with promotion_fleet(aws_events) as made:
        made.store("www")
        yield made


def block(*words: str) -> str:
    """The one block of commands with all of these words."""
    (found,) = [block for block in COMMANDS if all(word in block for word in words)]
    return found


def test_the_page(fleet: PromotionFleet, site: str, tmp_path: pathlib.Path) -> None:
    inventory = yaml.safe_load(FILES["inventory.yml"])
    inventory["haproxy"]["vars"] = {**fleet.inventory(), **inventory["haproxy"]["vars"]}
    del inventory["haproxy"]["vars"]["haproxy_certificates_labels"]
    (tmp_path / "inventory.yml").write_text(yaml.safe_dump(inventory))
    (tmp_path / "stage.yml").write_text(FILES["stage.yml"])
    checks = FILES["checks.yml"].replace("/srv/promotion", str(tmp_path))
    for place in ("https://lb1.example.com", "https://prometheus.example.com"):
        assert place in checks
        checks = checks.replace(place, site)
    (tmp_path / "checks.yml").write_text(checks)
    look = FILES["look.yml"].replace("host: lb1.example.com", "host: 127.0.0.1")
    (tmp_path / "look.yml").write_text(look.replace("port: 443", f"port: {fleet.haproxy['lb1'].port}"))

    def run(script: str) -> str:
        ours = {"ANSIBLE_COLLECTIONS_PATH": os.environ["ANSIBLE_COLLECTIONS_PATH"], "ANSIBLE_PIPELINING": "true"}
        ended = documented.shell(script, tmp_path, {**ours, **fleet.aws.env})
        assert ended.returncode == 0, ended.stdout
        return ended.stdout

    first = fleet.authority.issue("www.example.com")
    (tmp_path / "cert.pem").write_text(first.certificate_pem)
    (tmp_path / "privkey.pem").write_text(first.private_key_pem)
    (tmp_path / "chain.pem").write_text(first.chain_pem)
    run(block("stage.yml"))
    assert fleet.version("www", LABEL) not in (None, fleet.version("www"))
    assert "would be promoted" in run(block("--check"))
    run(block("promotion_soak=2s"))
    assert fleet.served("www") == [first.fingerprint_sha256] * 3

    second = fleet.stage("www")
    told = run(block("@checks.yml"))
    assert "Refuse what is not the candidate" in told
    assert fleet.served("www") == [second.fingerprint_sha256] * 3

    fleet.stage("www")
    assert "promotion_withdraw says so" in run(block("promotion_withdraw"))
    assert fleet.version("www", LABEL) is None
    assert fleet.served("www") == [second.fingerprint_sha256] * 3
