# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one way to ask AWS: the module of all plugins that do, with its retries, its libraries and its warnings."""

from __future__ import annotations

import collections
import contextlib
import threading
import typing as t

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry

from .._errors import RotationError
from .._ports.host.libraries import require_library
from .guarded import GuardedModule

if t.TYPE_CHECKING:
    from .._ports.aws.secrets_manager import Retry

#: Attempts at a throttled call, for who can wait: 23 s of waiting at most, half of it on average.
ATTEMPTS = 6
_THROTTLED = ("ThrottlingException", "InternalServiceError")


def repeating(attempts: int = ATTEMPTS) -> Retry:
    """Repeats calls that AWS throttles, or fails itself, after random waits: up to 1 s, 2 s, 4 s, then 8 s."""
    retry: Retry = AWSRetry.jittered_backoff(
        retries=attempts, delay=1, max_delay=8, catch_extra_error_codes=list(_THROTTLED)
    )
    return retry


class AwsModule(AnsibleAWSModule):
    """AnsibleAWSModule over a GuardedModule: options, credentials, endpoint_url and aws_config are as users know them.

    attempts: at a throttled call. Further arguments are GuardedModule's. boto3 is needed by who asks for a client
    or for the region: a run that needs neither works without.
    """

    def __init__(self, argument_spec: t.Mapping[str, t.Any], *, attempts: int = ATTEMPTS, **arguments: t.Any) -> None:
        # There alone it looks for the class.
        AnsibleAWSModule.default_settings["module_class"] = GuardedModule
        super().__init__(argument_spec=argument_spec, supports_check_mode=True, check_boto3=False, **arguments)
        #: For the ports behind a client.
        self.retry = repeating(attempts)
        #: Requests sent so far through all clients, by operation, repeated ones included.
        self.api_calls: collections.Counter[str] = collections.Counter()
        self._counting = threading.Lock()

    def warn(self, warning: str) -> None:
        # AnsibleAWSModule also returns the warning, which Ansible deprecates with a warning of its own.
        self._module.warn(warning)

    def client(self, service: str, **settings: t.Any) -> t.Any:
        """Of boto3. Raises RotationError without boto3, or when the options or the host's configuration give none."""
        with self._failures_raised():
            made = super().client(service, **settings)
        made.meta.events.register_first("before-send", self._count)
        return made

    def _count(self, event_name: str, **_event: t.Any) -> None:
        with self._counting:
            self.api_calls[event_name.rpartition(".")[2]] += 1

    @property
    def region(self) -> str | None:
        """By the options or the host's configuration. Raises RotationError as client does."""
        with self._failures_raised():
            region: str | None = super().region
            return region

    @contextlib.contextmanager
    def _failures_raised(self) -> t.Iterator[None]:
        """What amazon.aws ends the run for is an error like others."""

        def raise_it(msg: str, **_details: t.Any) -> t.NoReturn:
            raise RotationError(str(msg))

        require_library("botocore")
        require_library("boto3")
        self.fail_json = raise_it
        try:
            yield
        finally:
            del self.fail_json  # the class's own is back
