# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The way from the secret to the served certificate, with each version of HAProxy."""

from __future__ import annotations

import pytest
from ansible_collections.certops.rotation.tests.support import pki, rotation
from ansible_collections.certops.rotation.tests.support.haproxy_memory import info
from ansible_collections.certops.rotation.tests.support.moto import MotoServer

pytestmark = pytest.mark.usefixtures("haproxy_version")


def test_rotate(aws: MotoServer, haproxy_version: str) -> None:
    """A new certificate by the crt-list, its renewal by a hot update, and a new one that is too large by a reload."""
    with rotation.scene(
        aws,
        tls=["crt-list {crt_list}"],
        crt_list=["{certs}/default.pem"],
        extra_global=["tune.bufsize 8192"],
    ) as scene:
        scene.variables["haproxy_certificates_crt_list"] = str(scene.haproxy.crt_list_path)
        worker = scene.haproxy.worker_pid()
        first = scene.store("a")
        run = scene.rotate()
        assert run.returncode == 0, run.output
        assert scene.served("a") == first.fingerprint_sha256
        assert str(scene.file("a")) in scene.haproxy.crt_list_path.read_text().splitlines()
        assert (scene.state()["outcome"], scene.state()["activation"]) == ("proven", "hot_update")

        renewed = scene.store("a")
        with rotation.Client(scene, "a") as client:
            run = scene.rotate()
        assert run.returncode == 0, run.output
        assert (client.served, client.failures) == ([first.fingerprint_sha256, renewed.fingerprint_sha256], [])
        assert scene.haproxy.worker_pid() == worker

        authority = scene.authority
        for number in range(12):
            authority = pki.CertificateAuthority(f"Level {number} of a long chain", parent=authority)
        large = authority.issue("b.example.com")
        scene.aws.put_secret("web/b", large.secret_document())
        run = scene.rotate(reload_methods=["master"])
        assert run.returncode == 0, run.output
        assert scene.served("b") == large.fingerprint_sha256
        assert scene.haproxy.worker_pid() != worker
        assert (scene.state()["outcome"], scene.state()["activation"]) == ("proven", "reload")
        assert info(scene.haproxy)["haproxy"]["version"].startswith(f"{haproxy_version}.")
