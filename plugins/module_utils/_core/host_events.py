# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Messages about secrets, as a host that looks after its own certificates reads them. Pure.

A host acts on what is true when it asks, so a message is no more than a reason to ask: one more than is needed costs a
run that finds nothing, and one too few waits for the timer.
"""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass

from .pipeline.source import name_in_arn, partial_arn

_SOURCE: t.Final = "aws.secretsmanager"
#: Calls that CloudTrail tells of after which a host may have to serve something else.
_WRITES: t.Final = frozenset(
    {
        *("CreateSecret", "DeleteSecret", "PutSecretValue", "ReplicateSecretToRegions", "RestoreSecret"),
        *("TagResource", "UntagResource", "UpdateSecret", "UpdateSecretVersionStage", "RotationSucceeded"),
    }
)
_LONGEST: t.Final = 200  # characters of what a message calls itself


@dataclass(frozen=True)
class SecretNews:
    """What a message says of a secret; "" for what it does not say. secret: its name or ARN."""

    secret: str
    arn: str = ""
    label: str = ""
    version_id: str = ""


@dataclass(frozen=True)
class OddMessage:
    """kind: for people, the same for all messages of a kind."""

    kind: str


@dataclass(frozen=True)
class WantedSecrets:
    """Which secrets a host is after, by the options that select them, and by which labels it reads them."""

    names: tuple[str, ...] = ()
    name_prefix: str = ""
    has_tags: bool = False
    labels: tuple[str, ...] = ("AWSCURRENT",)

    def concerns(self, told: SecretNews) -> bool:
        """Whether the host may have something to do.

        Tags are not told, so they are taken as right. Beside tags, names count where tags cannot be listed.
        """
        if told.label and self.labels and told.label not in self.labels:
            return False
        called = {name for name in (told.secret, told.arn) if name}
        if not called:
            return True
        called |= {name_in_arn(name) for name in called}
        selects = not (self.name_prefix or (self.names and not self.has_tags))
        selects |= bool(self.name_prefix) and any(name.startswith(self.name_prefix) for name in called)
        selects |= any(_is_called(name, called) for name in self.names)
        return selects


def wanted(options: t.Mapping[str, t.Any], *, is_all: bool = True) -> WantedSecrets:
    """By the options that select them, which may be text as variables of roles may.

    is_all: whether there are no others, which would count as well. What only Ansible can tell leaves nothing out.
    """
    labels, names, prefix, tags = (options.get(name) for name in ("labels", "names", "name_prefix", "tags"))
    is_known = not (is_template(names) or is_template(prefix))
    return WantedSecrets(
        _listed(names) if is_known else (),
        str(prefix or "") if is_known else "",
        bool(tags) and tags != "{}",
        () if is_template(labels) else _listed(labels) or (("AWSCURRENT",) if is_all else ()),
    )


def is_template(value: t.Any) -> bool:
    """Whether Ansible would make something else of it."""
    return any(mark in json.dumps(value, default=str) for mark in ("{{", "{%", "{#"))


def _listed(value: t.Any) -> tuple[str, ...]:
    """A list, or one as JSON, or as text with commas."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            value = value.split(",")
    items = value if isinstance(value, (list, tuple)) else [] if value is None else [value]
    return tuple(text for text in (str(item).strip() for item in items) if text)


#: Options of AWS -> other names that modules of amazon.aws take for them.
_ALIASES: t.Final = {
    "region": ("aws_region", "ec2_region"),
    "profile": ("aws_profile",),
    "access_key": ("aws_access_key_id", "aws_access_key"),
    "secret_key": ("aws_secret_access_key", "aws_secret_key"),
    "session_token": ("aws_session_token",),
    "endpoint_url": ("aws_endpoint_url",),
    "aws_ca_bundle": (),
    "aws_config": (),
    "validate_certs": (),
}
_CREDENTIALS: t.Final = frozenset({"profile", "access_key", "secret_key", "session_token"})


def aws_options(given: t.Mapping[str, t.Any], others: t.Any) -> dict[str, t.Any]:
    """Those for the queue, by their first names: given ones, else others, for Secrets Manager, but not its endpoint.

    others: a dictionary, or one as JSON text.

    Credentials are of one piece: where some are given none are added.
    """
    if isinstance(others, str):
        others = _document(others)
    inherited = _by_first_name(_mapping(others))
    inherited.pop("endpoint_url", None)
    mine = _by_first_name(given)
    if not _CREDENTIALS.isdisjoint(mine):
        inherited = {name: value for name, value in inherited.items() if name not in _CREDENTIALS}
    return {**inherited, **mine}


def _by_first_name(given: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    names = {other: name for name, others in _ALIASES.items() for other in (name, *others)}
    return {names[name]: value for name, value in given.items() if name in names and value not in (None, "")}


def _is_called(name: str, called: t.Collection[str]) -> bool:
    """name: as an option has it, which may be an ARN, or one without the suffix."""
    return not {name, name_in_arn(name)}.isdisjoint(called) or name in map(partial_arn, called)


def read(body: str) -> SecretNews | OddMessage | None:
    """One message. None: of what no host has to do with, such as a call that failed, or an event of another service."""
    event = _document(body)
    if event is not None and "detail-type" not in event and isinstance(event.get("Message"), str):
        event = _document(event["Message"])  # SNS, unless it delivers raw messages
    if event is None:
        return OddMessage("no JSON object")
    kind, source, detail = event.get("detail-type"), event.get("source"), event.get("detail")
    if not isinstance(kind, str) or not isinstance(source, str) or not isinstance(detail, dict):
        return OddMessage("no event of EventBridge")
    if source != _SOURCE:
        return None
    if kind == "Secret Label Updated":
        resources = event.get("resources")
        first = resources[0] if isinstance(resources, list) and resources else ""
        return _told(detail.get("name") or first, first, detail.get("labelUpdated"), detail.get("versionId"))
    if kind in ("AWS API Call via CloudTrail", "AWS Service Event via CloudTrail"):
        return _call(detail)
    return OddMessage(f"an event {kind[:_LONGEST]!r} of Secrets Manager")


def _call(detail: t.Mapping[str, t.Any]) -> SecretNews | OddMessage | None:
    name = detail.get("eventName")
    if not isinstance(name, str):
        return OddMessage("a call without a name")
    if detail.get("errorCode") or name not in _WRITES:
        return None
    asked, answer, extra = (
        _mapping(detail.get(key)) for key in ("requestParameters", "responseElements", "additionalEventData")
    )
    # Older events of CloudTrail spell it so.
    arn = answer.get("arn") or answer.get("aRN") or answer.get("ARN") or extra.get("SecretId") or ""
    secret = asked.get("secretId") or asked.get("name") or answer.get("name") or arn
    return _told(secret, arn, None, answer.get("versionId") or answer.get("versionID"))


def _told(*fields: t.Any) -> SecretNews:
    return SecretNews(*(field if isinstance(field, str) else "" for field in fields))


def _mapping(value: t.Any) -> t.Mapping[str, t.Any]:
    return value if isinstance(value, dict) else {}


def _document(text: str) -> dict[str, t.Any] | None:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None
