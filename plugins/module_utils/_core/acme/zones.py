# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""In which zone a name is, when several accounts and servers have zones. Pure."""

from __future__ import annotations

import collections
import typing as t

from ..._errors import DnsError
from ..x509.names import a_labels

if t.TYPE_CHECKING:
    from .dns import Zone

#: Before the name whose control is to be shown (RFC 8555 section 8.4).
CHALLENGE_LABEL: t.Final = "_acme-challenge"
_SHOWN_ZONES = 10
_SHOWN_NAME = 300


class ZoneOfName(t.NamedTuple):
    """provider: index of the one whose zone it is."""

    provider: int
    zone: Zone


def challenge_name(identifier: str) -> str:
    """Where the CA looks for the TXT value that stands for an identifier, with or without a leading ``*.``.

    Raises DnsError for what is no name. It may be longer than any name of the DNS: that is told when it is looked for.
    """
    return f"{CHALLENGE_LABEL}.{plain_name(identifier.removeprefix('*.'))}"


def plain_name(name: str) -> str:
    """A name of the DNS as Zone and TxtRecord have it. Raises DnsError for what is none."""
    plain = a_labels(name.strip())
    labels = plain.split(".")
    if not plain or any(not 0 < len(label) <= 63 for label in labels):
        quoted = repr(name) if len(name) <= _SHOWN_NAME else f"A text of {len(name)} characters"
        text = f"{quoted} is no name that the DNS can have: labels have 1 to 63 characters, all together 253."
        raise DnsError(text, [name])
    return plain


def parents(name: str) -> t.Iterator[str]:
    """The name, then each name above it, longest first. The root is left out."""
    labels = name.split(".")
    for start in range(len(labels)):
        yield ".".join(labels[start:])


def zone_of(name: str, zones: t.Sequence[t.Sequence[Zone]]) -> ZoneOfName | None:
    """The zone with the longest name that the name ends with, label by label.

    name: as TxtRecord's; zones: those of each provider; of equals the first provider's is taken. Raises DnsError where
    that provider has two zones of that name, for the world sees only one of them.
    """
    for candidate in parents(name):
        for index, offered in enumerate(zones):
            found = [zone for zone in offered if zone.name == candidate]
            if len(found) > 1:
                ids = " and ".join(sorted(zone.id for zone in found))
                raise DnsError(
                    f"There are {len(found)} public zones {candidate} ({ids}), and the world sees only the one that its"
                    f" parent delegates to. Name that one in the provider's hosted_zone_ids, or delete the other.",
                    [name],
                )
            if found:
                return ZoneOfName(index, found[0])
    return None


def no_zone(validation_name: str, record_name: str, zones: t.Iterable[Zone], unknown: str = "") -> DnsError:
    """That there is none.

    validation_name: where the CA looks; record_name: where that leads through CNAMEs, or the same; unknown: why it
    could not be learned where it leads.
    """
    domain = validation_name.partition(".")[2]
    names = sorted(collections.Counter(zone.name for zone in zones))
    known = ", ".join(names[:_SHOWN_ZONES]) + (f" and {len(names) - _SHOWN_ZONES} more" if names[_SHOWN_ZONES:] else "")
    leads = f", which a CNAME record leads to {record_name}" if record_name != validation_name else ""
    return DnsError(
        f"{domain}: the CA will look for a TXT record at {validation_name}{leads}, and none of the zones that may be"
        f" written holds that name. There are: {known or 'none'}. Create the zone, give the provider that has it (dns),"
        f" or lead {validation_name} into one of these zones by a CNAME record."
        + (f" (Whether one leads somewhere could not be learned: {unknown})" if unknown else ""),
        [validation_name],
    )
