# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""endpoint_events: the registry's events to one receiver."""

from __future__ import annotations

import contextlib
import typing as t
import urllib.parse
from datetime import datetime, timedelta, timezone

from .._core.push.given_targets import checked_number
from .._core.unexpected import only_rotation_errors
from .._core.watch.delivery import BODY_FORMATS, EVENT_KINDS, SEVERITIES, EventFilter
from .._errors import InvalidOption, RotationError
from .._flows.issue.run_time import RunTime
from .._flows.metrics import require_textfile, write_textfile
from .._flows.watch.delivering import DeliveryReport, DeliverySettings, EventDelivery
from .._ports.delivery.command import CommandReceiver
from .._ports.delivery.webhook import WebhookAddress, WebhookReceiver
from .._ports.host.signals import asked_to_end
from .._ports.reload.http import client_context
from .boundary import module_boundary
from .options import duration_option
from .registry_options import DATABASE_OPTIONS, opened_registry

if t.TYPE_CHECKING:
    from .guarded import GuardedModule

ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {
    **DATABASE_OPTIONS,
    "receiver": {"type": "str", "required": True},
    "url": {"type": "str", "no_log": True},
    "headers": {"type": "dict", "default": {}, "no_log": True},
    "username": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "secret": {"type": "str", "no_log": True},
    "ca_path": {"type": "path"},
    "client_cert": {"type": "path"},
    "client_key": {"type": "path", "no_log": False},
    "command": {"type": "list", "elements": "str"},
    "body_format": {"type": "str", "choices": [*BODY_FORMATS], "default": "event"},
    "kinds": {"type": "list", "elements": "str", "choices": [*EVENT_KINDS], "default": []},
    "least_severity": {"type": "str", "choices": [*SEVERITIES], "default": "info"},
    "give_up_after": {"type": "str", "default": "7d"},
    "limit": {"type": "int", "default": 1000},
    "timeout": {"type": "float", "default": 10.0},
    "retries": {"type": "int", "default": 2},
    "retry_interval": {"type": "float", "default": 1.0},
    "time_limit": {"type": "int", "default": 300},
    "metrics_textfile": {"type": "path"},
}
REQUIREMENTS: dict[str, t.Any] = {
    "mutually_exclusive": [("url", "command")],
    "required_one_of": [("url", "command")],
    "required_by": {"client_key": "client_cert", "password": "username"},
}
_ONLY_WITH_URL: t.Final = ("headers", "username", "secret", "ca_path", "client_cert")
_MOST_OF_A_RECEIVER: t.Final = 64
_SHORTEST_SECRET: t.Final = 4


def run(module: GuardedModule) -> None:
    """module: a GuardedModule with ARGUMENT_SPEC and REQUIREMENTS."""
    spare_what_is_no_secret(module)
    with module_boundary(module):
        params, now = module.params, datetime.now(timezone.utc)
        settings = _settings(params)
        receiver = _receiver(params)
        if params["metrics_textfile"]:
            require_textfile(params["metrics_textfile"])
        limit = checked_number("time_limit", params["time_limit"], 86400, 1)
        run_time = RunTime(timedelta(seconds=limit), option="time_limit")
        outbox = opened_registry(module)
        with asked_to_end(run_time.ask_to_end):
            delivery = EventDelivery(outbox, receiver, settings, run_time, now=now, check_mode=module.check_mode)
            report = delivery.run()
        warning = report.warning(settings.receiver, settings)
        if warning:
            module.warn(warning)
        problems = [report.failure(settings.receiver), _count(module, settings, report)]
        failure = "\n".join(filter(None, problems))
        if failure:
            raise RotationError(failure, **report.as_result())
        module.exit_json(**report.as_result())


def spare_what_is_no_secret(module: t.Any) -> None:
    """Of options with no_log: a url of scheme, host and port alone, which messages name, and header values of up to
    three characters, which occur everywhere."""
    url = str(module.params["url"] or "")
    with contextlib.suppress(ValueError):  # told with the options
        parts = urllib.parse.urlsplit(url)
        if "@" not in parts.netloc and parts.path in ("", "/") and not parts.query and not parts.fragment:
            module.no_log_values.discard(url)
    short = {str(value) for value in module.params["headers"].values() if len(str(value)) < _SHORTEST_SECRET}
    module.no_log_values.difference_update(short)


def _settings(params: t.Mapping[str, t.Any]) -> DeliverySettings:
    """Raises InvalidOption."""
    receiver = params["receiver"].strip()
    if not 0 < len(receiver) <= _MOST_OF_A_RECEIVER or not receiver.isprintable():
        raise InvalidOption(f"receiver is a name of at most {_MOST_OF_A_RECEIVER} characters, such as chat.")
    return DeliverySettings(
        receiver,
        EventFilter(
            frozenset(params["kinds"]), params["least_severity"], duration_option(params, "give_up_after") or None
        ),
        limit=checked_number("limit", params["limit"], 20_000, 1),
        timeout=checked_number("timeout", params["timeout"], 3600, 0.1),
        retries=checked_number("retries", params["retries"], 100),
        retry_interval=checked_number("retry_interval", params["retry_interval"], 3600),
    )


def _receiver(params: t.Mapping[str, t.Any]) -> WebhookReceiver | CommandReceiver:
    """Raises InvalidOption."""
    if params["url"] is not None:
        _check_for_url(params)
        return WebhookReceiver(
            WebhookAddress(
                params["url"].strip(),
                {name: str(value) for name, value in params["headers"].items()},
                params["username"] or "",
                params["password"] or "",
                params["secret"] or "",
                params["body_format"],
                client_context(params["ca_path"], params["client_cert"], params["client_key"]),
            )
        )
    misplaced = [name for name in _ONLY_WITH_URL if params[name]]
    if misplaced:
        raise InvalidOption(f"{', '.join(misplaced)}: these options belong to url, and a command has none of them.")
    if not params["command"] or not params["command"][0].strip():
        raise InvalidOption("command is empty: name a program and its arguments.")
    return CommandReceiver(params["command"], params["body_format"])


def _check_for_url(params: t.Mapping[str, t.Any]) -> None:
    """What is empty by mistake would be sent unsigned, or as nobody. Raises InvalidOption."""
    for name in ("secret", "username"):
        if params[name] == "":
            raise InvalidOption(f"{name} is empty. Give it, or leave the option out.")
    empty = [str(name) for name, value in params["headers"].items() if value is None]
    if empty:
        raise InvalidOption(f"headers: {', '.join(empty)} has no value. Give it, or leave the header out.")


def _count(module: GuardedModule, settings: DeliverySettings, report: DeliveryReport) -> str:
    """In the metrics. What went wrong with that, "" for nothing: what is delivered is delivered."""
    textfile = module.params["metrics_textfile"]
    if not textfile:
        return ""
    from .._core.record.endpoints import render_deliveries

    text = render_deliveries(
        settings.receiver,
        left=len(report.left),
        oldest=min((event.at for event in report.left), default=None),
        succeeded=report.succeeded,
        now=datetime.now(timezone.utc),
    )
    try:
        with only_rotation_errors():
            write_textfile(textfile, text, check_mode=module.check_mode)
    except RotationError as error:
        return f"The metrics were not written: {error.message}"
    return ""
