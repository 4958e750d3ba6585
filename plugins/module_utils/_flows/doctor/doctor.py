# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every check of every part, each with its own result; none keeps the next from being made."""

from __future__ import annotations

import contextlib
import functools
import platform
import sys
import typing as t
from dataclasses import dataclass
from datetime import datetime

from ..._core.pipeline.source import Selection
from ..._errors import ReloadError, RotationError
from ..._ports.haproxy.surroundings import Surroundings, look_at_surroundings
from ..._ports.host.libraries import MINIMUM_VERSIONS, missing_library
from ..._ports.reload.reloader import Reloader
from ..preflight import preflight, reload_problem
from .files import directory_findings
from .findings import Finding, clock_finding, error, warning
from .haproxy import (
    configuration_findings,
    files_finding,
    listener_finding,
    look_at_endpoint,
    look_at_reloader,
    reload_findings,
    socket_findings,
    worker_pid,
)

if t.TYPE_CHECKING:
    from ..._core.pipeline.verify import SecretVerifier
    from ..._ports.aws.access import AwsAccess
    from ..._ports.aws.secrets_manager import SecretsManager

_T = t.TypeVar("_T")


class AwsAccount(t.NamedTuple):
    """The same account and region, asked in two ways."""

    access: AwsAccess
    source: SecretsManager
    region: str


@dataclass(frozen=True)
class Doctor:
    """Looks at a host and at its account of AWS. What is callable raises RotationError where it has no meaning.

    host: options of the preflight, and the doctor's own (environment, timeout); libraries: that must be there, of
    MINIMUM_VERSIONS; selection, verifier, files: which secrets (None: none), by which rules, written how; account: AWS;
    policies: on_missing, on_deleted, on_invalid; reloader: for a method.
    """

    host: t.Mapping[str, t.Any]
    libraries: t.Sequence[str]
    selection: t.Callable[[], Selection | None]
    verifier: t.Callable[[], SecretVerifier]
    files: t.Callable[[], t.Any]
    account: t.Callable[[], AwsAccount]
    policies: t.Mapping[str, str]
    reloader: t.Callable[[str], Reloader]

    def findings(self, now: datetime) -> t.Iterator[Finding]:
        """In the order in which a person would look. now: aware time for judging validity."""
        libraries = list(self._of_libraries())
        yield from libraries
        missing = {finding.check.rpartition(" ")[2] for finding in libraries if not finding.ok}
        wrong: list[Finding] = []
        selection = _tried(self.selection, wrong)
        unselected = selection is None and not wrong
        verifier = None if "cryptography" in missing else _tried(self.verifier, wrong)
        _tried(self.files, wrong)
        yield from wrong or [Finding("options", "They have a meaning.")]
        if unselected:
            yield error("secrets", "Nothing is selected. Set option tags, option names or option name_prefix.")
        if missing & {"boto3", "botocore"}:
            yield warning("secrets", "Not looked at, because AWS cannot be asked without boto3. Install it first.")
        elif selection is not None:
            yield from self._of_aws(selection, verifier, now)
        yield from self._of_host(now)

    def _of_libraries(self) -> t.Iterator[Finding]:
        yield Finding("python", f"{sys.executable} is Python {platform.python_version()}.")
        for name in self.libraries:
            problem = missing_library(name)
            text = f"{MINIMUM_VERSIONS[name]} or newer is installed."
            yield error(f"library {name}", problem) if problem else Finding(f"library {name}", text)

    # -- AWS ----------------------------------------------------------------------------------------------------

    def _of_aws(self, selection: Selection, verifier: SecretVerifier | None, now: datetime) -> t.Iterator[Finding]:
        from .aws import AwsDoctor

        try:
            account = self.account()
        except RotationError as failed:
            text = f"{failed.message.rstrip('.')}."
            if "region" in text:
                yield error("region", f"{text} Set option region, or AWS_REGION in the host's environment.")
            else:
                advice = "Correct option profile or option access_key, or the host's AWS configuration."
                yield error("credentials", f"{text} {advice}")
            yield warning("secrets", "Not looked at, because AWS cannot be asked. Mend that first.")
            return
        doctor = AwsDoctor(account.access, account.source, selection, account.region, self.policies, verifier)
        yield from doctor.findings(now)
        yield clock_finding(account.access.clock_offset, doctor.newest, now)

    # -- the host -----------------------------------------------------------------------------------------------

    def _of_host(self, now: datetime) -> t.Iterator[Finding]:
        """The preflight's checks, and where they find nothing wrong, a closer look than they take."""
        host = self.host
        first_look = {check.name: check for check in preflight(host)}
        for check in first_look.values():
            if check.problem and check.name != "reload_methods":  # looked at one by one below
                yield (error if check.required else warning)(check.name, check.problem)
        if not first_look["path"].problem:
            yield Finding("path", f"{host['path']} can be written.")
        yield from directory_findings(host["path"], now)
        if not host["activate"]:
            return
        timeout = host["timeout"]
        socket_works = False
        if host["socket"] and not first_look["socket"].problem:
            found = list(socket_findings(host["socket"], timeout))
            socket_works = found[0].ok
            yield from found
        ways = {method: functools.partial(self._look_at_way, method) for method in host["reload_methods"]}
        yield from reload_findings(ways, required=not socket_works)
        look = functools.lru_cache(maxsize=1)(self._surroundings)
        if host["check_config"]:
            yield from configuration_findings(host["binary"], host["config"], 3 * timeout, host["environment"], look)
        if host["config"]:
            yield from files_finding(host["config"], look())
        if host["prove"] and host["config"] and not host["binds"] and not first_look["prove"].problem:
            yield listener_finding(host["config"], look(), host["path"])

    def _surroundings(self) -> Surroundings:
        return look_at_surroundings(self.host["environment"], self._pid(), self.host["service"])

    def _pid(self) -> int | None:
        """Of the HAProxy that runs, however it is learned; what does not answer was told of by now."""
        host = self.host
        with contextlib.suppress(RotationError):
            if host["socket"]:
                return worker_pid(host["socket"], host["timeout"])
        for method in host["reload_methods"]:
            with contextlib.suppress(RotationError):
                return self.reloader(method).worker_pid()
        return None

    def _look_at_way(self, method: str) -> str:
        problem = reload_problem(method, self.host)
        if problem:
            raise ReloadError(problem)
        if method == "http":
            return look_at_endpoint(self.host["reload_url"], self.host["timeout"])
        return look_at_reloader(self.reloader(method))


def _tried(read: t.Callable[[], _T], wrong: list[Finding]) -> _T | None:
    try:
        return read()
    except RotationError as failed:
        wrong.append(error("options", failed.message))
        return None
