# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the stages after the disk are told. Apart from them, for an unchanged host does not load what they need."""

from __future__ import annotations

import typing as t

from ..._core.limits import check_limits
from ..._errors import InvalidOption

if t.TYPE_CHECKING:
    from ..._ports.reload.reloader import Reloader


class MemorySettings(t.NamedTuple):
    """Which HAProxy, and how to deal with it.

    socket: its stats socket, as a path or host:port; timeout: seconds for one answer; config: its configuration files
    and directories, for the names that certificates have in it; remove_stale_ocsp: beside files that are loaded.
    """

    socket: str
    timeout: float
    config: t.Sequence[str] = ()
    remove_stale_ocsp: bool = True


class ReloadSettings(t.NamedTuple):
    """methods: ways to reload, the first one that works is used; reloader: of a method, raises InvalidOption.

    check_config: whether the configuration is checked first, with binary and config, and in HAProxy's environment: what
    its process has, or its service, and environment before all; timeout: seconds for a reload.
    """

    methods: t.Sequence[str]
    reloader: t.Callable[[str], Reloader]
    check_config: bool
    binary: str
    config: t.Sequence[str]
    timeout: float
    environment: t.Mapping[str, t.Any] = {}
    service: str = "haproxy"


class ProofSettings(t.NamedTuple):
    """Where HAProxy listens, and how patiently to ask.

    config: its configuration files and directories; environment: variables that they use, beside those of its process
    or else its service; binds: address:port or unix sockets, in their place; socket: a stats socket that tells what is
    loaded, or None; max_names: of a certificate, None for all; timeout, delay: seconds, for one answer and before what
    was not answered rightly is asked again.
    """

    config: t.Sequence[str]
    environment: t.Mapping[str, t.Any] = {}
    binds: t.Sequence[str] | None = None
    socket: str | None = None
    max_names: int | None = None
    timeout: float = 5.0
    concurrency: int = 32
    retries: int = 3
    delay: float = 0.5
    service: str = "haproxy"

    def check(self) -> ProofSettings:
        """Itself. Raises InvalidOption for numbers that mean nothing."""
        check_limits(self.timeout, self.concurrency)
        if self.retries < 0 or self.delay < 0 or (self.max_names or 1) < 1:
            raise InvalidOption("retries and delay must not be negative, and max_names must be at least 1.")
        return self


class RotationSettings(t.NamedTuple):
    """All but what a sync does.

    needs: options of the preflight; source: who asks AWS, host or controller; activation: how HAProxy is made to use
    the files: "direct"; "handlers", later, by somebody else; "reloaded", just now, by somebody else (reload_error,
    reload_log: when that failed); or "none".
    memory: for hot updates, None without a stats socket; crt_list: for new certificates, None for where the others are;
    proof: None for none; allow_unreferenced, on_unproven: what of it is no failure; textfile, metrics_names: for
    node_exporter, None for no metrics; fail_late: leave it to others to fail for what is wrong with the content of
    certificates, and with the metrics; update_by: cost, hot_update or reload. rollback_names, rollback_expired: for a
    way back by hand.
    """

    needs: t.Mapping[str, t.Any]
    source: str
    activation: str
    reload_error: str
    reload_log: str
    memory: MemorySettings | None
    crt_list: str | None
    reload: ReloadSettings
    proof: ProofSettings | None
    allow_unreferenced: bool
    on_unproven: str
    textfile: str | None
    metrics_names: str
    fail_late: bool
    update_by: str = "cost"
    rollback_names: t.Sequence[str] = ()
    rollback_expired: bool = False
