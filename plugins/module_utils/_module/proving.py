# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Find HAProxy's listeners and ask them, for certificate_proof_info and rotation_status_info."""

from __future__ import annotations

import dataclasses
import os
import time
import typing as t

from .._core.haproxy.addresses import endpoint_label, listening_address, unix_path
from .._core.pipeline.proof_report import DeployedCertificate, ProofReport
from .._core.pipeline.prove import ProofTarget, TlsBind, proof_targets, verdicts
from .._errors import HaproxyError, InvalidOption
from .._ports.haproxy.binds import config_files, tls_uses
from .._ports.haproxy.loaded import Loaded, look_at_loaded
from .._ports.haproxy.runtime import RuntimeApi
from .._ports.host.own_address import is_own_address
from .._ports.tls.endpoint import Endpoint, is_ip
from .._ports.tls.inquiry import Inquiry
from .._ports.tls.probe import Observation

_MEMORY_TIMEOUT = 10.0  # seconds for one answer of HAProxy


def find_binds(params: t.Mapping[str, t.Any]) -> list[TlsBind]:
    """The listeners that the options binds, or else config and environment, name.

    params: also socket, a stats socket that tells what is loaded, or None, and reloaded, whether HAProxy has just read
    what is on disk. Without both it is not known which certificate is the default one.
    """
    if params["binds"] is not None:
        return [bind for text in params["binds"] for bind in _given(text)]
    environment = {**os.environ, **{key: str(value) for key, value in params["environment"].items()}}
    loaded = _loaded(params["socket"])
    if loaded is None:
        known = bool(params["reloaded"])
    else:
        known = loaded.started_at is None or _last_change(params["config"]) <= loaded.started_at
    binds = tls_uses(params["config"], environment, loaded)
    return [dataclasses.replace(_reachable(bind), default_known=known) for bind in binds]


def _given(text: str) -> t.Iterator[TlsBind]:
    path = unix_path(text)
    if path is not None:
        yield TlsBind(text, "", 0, unix_path=path)
        return
    host, ports, reason = listening_address(text)
    if reason:
        raise InvalidOption(
            f"binds: {text!r} {reason}; give address:port, such as 127.0.0.1:443 or [::1]:443, or a unix socket."
        )
    foreign = is_ip(host) and not is_own_address(host)
    for port in ports:
        yield TlsBind(endpoint_label(host, port), host, port, foreign=foreign)


def _reachable(bind: TlsBind) -> TlsBind:
    """With keepalived, a listener's address may be another host's now. Who answers there proves nothing here."""
    if bind.not_probeable is None and is_ip(bind.host) and not is_own_address(bind.host):
        return dataclasses.replace(bind, not_probeable="is no address of this host now")
    return bind


def _loaded(address: str | None) -> Loaded | None:
    """What HAProxy has loaded; None where nobody tells: the proof then goes by what is on disk."""
    if not address:
        return None
    try:
        api = RuntimeApi(address, _MEMORY_TIMEOUT)
        return look_at_loaded(api) if api.path is None or os.path.exists(api.path) else None
    except HaproxyError:
        return None


def _last_change(config: t.Sequence[str]) -> int:
    """Of HAProxy's configuration, in seconds since 1970. One that cannot be read is complained about later."""
    times = []
    for path in config:
        for file in config_files(path):
            try:
                times.append(int(os.stat(file).st_mtime))
            except OSError:
                continue
    return max(times, default=0)


def prove(
    certificates: t.Sequence[DeployedCertificate], binds: t.Sequence[TlsBind], params: t.Mapping[str, t.Any]
) -> tuple[ProofReport, int]:
    """The report, and the number of handshakes. Only what was not answered rightly is asked again, after a delay.

    params: max_names, only, timeout, concurrency, retries and delay, as certificate_proof_info has them.
    """
    only = None if params["only"] is None else frozenset(params["only"])
    targets = proof_targets(certificates, binds, params["max_names"], only)
    inquiry = Inquiry(params["timeout"], params["concurrency"])
    answers: dict[int, Observation] = {}
    pending = list(range(len(targets)))
    for attempt in range(params["retries"] + 1):
        if attempt:
            time.sleep(params["delay"])
        asked = inquiry.ask([(targets[index].bind.label, _endpoint(targets[index], attempt)) for index in pending])
        answers.update(zip(pending, asked))
        report = verdicts(certificates, binds, targets, [answers[index] for index in range(len(targets))], only)
        pending = _again(report, targets, answers)
        if not pending:
            break
    return report, inquiry.asked


def _again(report: ProofReport, targets: t.Sequence[ProofTarget], answers: t.Mapping[int, Observation]) -> list[int]:
    """What to ask again: all that was not answered rightly, and all of a certificate that another one shadows."""
    wanting = {proof.certificate for proof in report.certificates if proof.mismatches or proof.unanswered}
    of_these = [index for index, target in enumerate(targets) if target.certificate in wanting]
    astray = [index for index in of_these if not targets[index].accepts(answers[index])]
    shadowed = wanting - {targets[index].certificate for index in astray}
    return sorted([*astray, *(index for index in of_these if targets[index].certificate in shadowed)])


def _endpoint(target: ProofTarget, attempt: int) -> Endpoint:
    """attempt: where only some clients are to send a PROXY header, every second one is with it."""
    bind = target.bind
    return Endpoint(
        bind.host,
        bind.port,
        server_name=target.server_name,
        key_type=target.key_type,
        proxy_protocol=bind.proxy_protocol or (bind.proxy_sometimes and attempt % 2 == 1),
        unix_path=bind.unix_path,
    )
