# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The layer memory of a status: what every worker of HAProxy that is alive holds. It only looks."""

from __future__ import annotations

import os
import typing as t

from .._core.pipeline.manifest import Manifest
from .._core.record.status import LayerFinding, OldWorker
from .._errors import HaproxyError
from .._ports.haproxy.certificates import CertificateMemory
from .._ports.haproxy.load_paths import FileNames, KnownNames, read_load_paths
from .._ports.haproxy.runtime import RuntimeApi, parse_address
from .._ports.haproxy.workers import CURRENT, WorkerApi, parse_old_workers
from .._ports.host.processes import children_of, find_process

_PROGRAM = "haproxy"


class Memory(t.NamedTuple):
    """open_transaction, findings: of the current worker; names: what it holds of a directory to which nothing is
    deployed; the others as of Status."""

    open_transaction: str | None
    findings: t.Mapping[str, LayerFinding]
    old_workers: t.Sequence[OldWorker] | None
    why_unknown: str = ""
    blind: bool = False
    names: t.Sequence[str] = ()
    unasked: str = ""


def look_at_memory(
    manifest: Manifest,
    directory: str,
    socket: str | None,
    master_socket: str | None,
    config: t.Sequence[str],
    timeout: float,
) -> Memory:
    """config: HAProxy's files and directories; timeout: seconds for one answer. For the current worker either socket
    will do; without both nothing is asked."""
    master = master_socket
    if master and not _exists(master):
        absent, master = f"there is no master socket {master}.", None
    else:
        absent = "that takes HAProxy's master socket, see master_socket."
    if socket:
        api = RuntimeApi(socket, timeout)
    elif master:
        api = WorkerApi(master, CURRENT, timeout)
    else:
        return Memory(None, {}, None, unasked=absent if master_socket else "")
    files = FileNames(read_load_paths(config, api))
    names: t.Sequence[str] = ()
    unasked = ""
    try:
        transaction, findings = _held(api, manifest, directory, files)
        names = () if findings else _names_below(api, directory)
    except HaproxyError as error:
        transaction, findings = None, dict.fromkeys(manifest.entries, LayerFinding("unknown", error.message))
        unasked = "" if findings else error.message
    memory = Memory(transaction, findings, None, names=names, unasked=unasked)
    if not master:
        old = _old_by_process(api)
        return memory._replace(old_workers=old, why_unknown=absent if old is None else "")
    try:
        old_workers = _old_by_master(master, timeout, manifest, directory, files)
        return memory._replace(old_workers=old_workers)
    except HaproxyError as error:
        return memory._replace(why_unknown=error.message, blind=True)


def _held(
    api: RuntimeApi, manifest: Manifest, directory: str, files: FileNames
) -> tuple[str | None, dict[str, LayerFinding]]:
    """The open transaction, and what the worker holds: of any key type it tells serial number and dates."""
    memory = CertificateMemory(api)
    transaction, listed = memory.list_names()
    known = KnownNames(files, listed)
    findings = {}
    for name, entry in manifest.entries.items():
        names = known.of(os.path.join(directory, entry.main_path))
        held = {one: stored for one in names if (stored := memory.describe(one)) is not None}
        if not held:
            findings[name] = LayerFinding("absent", "HAProxy holds no certificate of this path")
            continue
        facts = ("serial_number", "not_before", "not_after")
        summary = entry.current.summary
        others = [
            one for one, stored in held.items() if any(getattr(stored, fact) != summary.get(fact) for fact in facts)
        ]
        where = f" as {', '.join(others)}" if len(held) > 1 else ""
        findings[name] = (
            LayerFinding("differs", f"HAProxy holds another certificate{where}") if others else LayerFinding("ok")
        )
    return transaction, findings


def _names_below(api: RuntimeApi, directory: str) -> list[str]:
    """The certificates of the directory that the worker holds, whoever has put them there."""
    _transaction, names = CertificateMemory(api).list_names()
    inside = os.path.realpath(directory) + os.sep
    return [name for name in names if os.path.realpath(name).startswith(inside)]


def _old_by_master(
    master: str, timeout: float, manifest: Manifest, directory: str, files: FileNames
) -> list[OldWorker]:
    api = RuntimeApi(master, timeout)
    workers = []
    for process in parse_old_workers(api.execute("show proc")):
        try:
            transaction, findings = _held(WorkerApi(master, process.pid, timeout), manifest, directory, files)
            workers.append(OldWorker(*process, findings, transaction))
        except HaproxyError as error:
            # It may have ended meanwhile, which is what old workers are to do.
            if any(process.pid == other.pid for other in parse_old_workers(api.execute("show proc"))):
                workers.append(OldWorker(*process, reason=error.message))
    return workers


def _old_by_process(api: RuntimeApi) -> list[OldWorker] | None:
    """By this machine's processes; None where HAProxy's are not to be seen, in a container for instance."""
    try:
        pid = int(api.info().get("Pid", "0"))
    except (HaproxyError, ValueError):
        return None
    worker = find_process(pid)
    master = find_process(worker.parent) if worker else None
    if not worker or not master or worker.name != master.name or _PROGRAM not in worker.name:
        return None
    reason = "only HAProxy's master socket reaches it, see master_socket."
    others = (child.pid for child in children_of(master.pid) if child.name == worker.name and child.pid != pid)
    return [OldWorker(other, reason=reason) for other in sorted(others)]


def _exists(address: str) -> bool:
    """Of a path; what is no path will answer or not."""
    target = parse_address(address)
    return not isinstance(target, str) or os.path.exists(target)
