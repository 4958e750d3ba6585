# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run haproxy_certificate and haproxy_certificate_info on a HaproxyInstance, and see for oneself what it holds."""

from __future__ import annotations

import hashlib
import typing as t

from ansible_collections.certops.rotation.tests.support.haproxy import HaproxyInstance
from ansible_collections.certops.rotation.tests.support.module import ModuleRun, run_module


def fingerprint(der: bytes) -> str:
    return hashlib.sha256(der).hexdigest()


def served(instance: HaproxyInstance, name: str | None, port: int | None = None) -> str:
    return fingerprint(instance.served_leaf(name, port))


def deploy(instance: HaproxyInstance, *items: dict[str, t.Any], **options: t.Any) -> ModuleRun:
    run_options = {key: options.pop(key) for key in ("check", "diff") if key in options}
    args = {"socket": instance.socket, "timeout": 5, **options, "certificates": list(items)}
    return run_module("haproxy_certificate", args, **run_options)


def info(instance: HaproxyInstance, **options: t.Any) -> dict[str, t.Any]:
    run = run_module("haproxy_certificate_info", {"socket": instance.socket, **options})
    assert not run.failed, run.output
    return run.result


def actions(run: ModuleRun) -> list[str]:
    return [item["action"] for item in run.result["certificates"]]


def memory(instance: HaproxyInstance) -> str:
    """The list of certificates with the details of each, as HAProxy prints it."""
    names = [line for line in instance.execute("show ssl cert").splitlines() if line.startswith("/")]
    return instance.execute("show ssl cert") + "".join(instance.execute(f"show ssl cert {name}") for name in names)
