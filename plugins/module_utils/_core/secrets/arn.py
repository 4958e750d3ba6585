# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What calls a secret: its name, or an ARN that says where it is. Pure.

An ARN is ``arn:PARTITION:secretsmanager:REGION:ACCOUNT:secret:NAME-SUFFIX``, a name has no colon (API reference of AWS
Secrets Manager).
"""

from __future__ import annotations

import re
import typing as t

from ..._errors import InvalidOption

_NAME: t.Final = re.compile(r"[A-Za-z0-9/_+=.@-]{1,512}")  # of CreateSecret
_PARTS: t.Final = 7
_SUFFIX: t.Final = 6  # characters that AWS adds to the name


class AwsPlace(t.NamedTuple):
    """Where a client asks. partition: ``aws``, ``aws-cn``, ...; region: as ``eu-central-1``."""

    partition: str
    region: str


class SecretArn(t.NamedTuple):
    """resource: the name and the suffix of six characters, of a partial ARN the name alone."""

    partition: str
    region: str
    account: str
    resource: str


def read_arn(identifier: str) -> SecretArn | None:
    """None of what is no ARN of a secret."""
    parts = identifier.split(":", _PARTS - 1)
    if len(parts) < _PARTS or not all(parts):
        return None
    arn, partition, service, region, account, kind, resource = parts
    is_secret = (arn, service, kind) == ("arn", "secretsmanager", "secret")
    return SecretArn(partition, region, account, resource) if is_secret else None


def is_same_secret(one: t.Mapping[str, t.Any], other: t.Mapping[str, t.Any]) -> bool:
    """Whether results that two machines return, each with name and arn, tell of one secret: by the ARNs where both are
    known, else by the names.

    The ARN of a replica is that of its primary but for the region (user guide, "Replicate AWS Secrets Manager secrets
    across Regions").
    """
    arn, another = str(one.get("arn") or ""), str(other.get("arn") or "")
    if not (arn and another):
        return bool(one["name"] == other["name"])
    # The end first: hosts have thousands, and hardly two of one suffix.
    return arn[-_SUFFIX:] == another[-_SUFFIX:] and _anywhere(arn) == _anywhere(another)


def _anywhere(identifier: str) -> SecretArn | str:
    """Of an ARN what it has in each region."""
    arn = read_arn(identifier)
    return arn._replace(region="") if arn else identifier


def why_elsewhere(identifier: str, place: AwsPlace) -> str | None:
    """Why a secret of this name or ARN cannot be had from there, None when it may be there."""
    arn = read_arn(identifier)
    if arn is None:
        if ":" not in identifier:
            return None
        return (
            f"{identifier} is neither the name of a secret, which has no colon, nor the ARN of one:"
            " arn:PARTITION:secretsmanager:REGION:ACCOUNT:secret:NAME-SUFFIX."
        )
    if arn.partition != place.partition:
        return (
            f"{identifier} is the ARN of a secret in partition {arn.partition} (region {arn.region}), and it is region"
            f" {place.region} of partition {place.partition} that is asked. Use credentials and the region of that"
            " partition, or name a secret of this one."
        )
    if arn.region != place.region:
        return (
            f"{identifier} is the ARN of a secret in region {arn.region}, and it is region {place.region} that is"
            f" asked. Set the region to {arn.region}, or name the secret of this region: a replica has an ARN of its"
            " own, and the same name."
        )
    return None


def not_found(identifier: str) -> str:
    """What may be wrong, and what to do, where AWS knows of no such secret."""
    arn = read_arn(identifier)
    if arn is None:
        return "Create it or drop the name."
    return (
        f"Nothing is ever created by an ARN. Compare the account ({arn.account}), which has to let these credentials in"
        " where it is another one, and the last six characters: a secret that was deleted and made anew has others."
        " A secret of one's own account is best called by its name."
    )


def require_creatable(name: str) -> None:
    """Raises InvalidOption for what cannot become the name of a new secret."""
    if name.startswith("arn:"):
        raise InvalidOption(f"{name}: there is no secret with this ARN. {not_found(name)}")
    if not _NAME.fullmatch(name):
        raise InvalidOption(
            f"{name}: a new secret cannot have this name. AWS takes 1 to 512 letters, digits and /_+=.@- in it."
        )


def is_replica(described: t.Mapping[str, t.Any]) -> bool:
    """described: a reply of DescribeSecret."""
    arn, primary = read_arn(str(described.get("ARN"))), described.get("PrimaryRegion")
    return bool(primary) and arn is not None and arn.region != primary


def why_replica_stays(name: str, described: t.Mapping[str, t.Any]) -> str | None:
    """Why AWS lets nobody change this secret here, None when it is no replica."""
    if not is_replica(described):
        return None
    primary = described["PrimaryRegion"]
    return (
        f"Secret {name} is a replica here, and only its primary in region {primary} can be changed: run this with"
        f" region {primary}, and AWS brings the change here."
    )
