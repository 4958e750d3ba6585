# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Can the selected secrets be had, and are they certificates that may be served?"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field
from datetime import datetime

from ..._core.instants import isoformat_utc
from ..._core.pipeline.source import SecretFailure, SecretVersion, Selection
from ..._core.x509.problems import Problem
from ..._errors import SecretsManagerError
from ..._ports.aws.access import AwsAccess, AwsAnswer
from ..._ports.aws.secrets_manager import SecretsManager
from .findings import Finding, by_policy, error, warning

if t.TYPE_CHECKING:
    from ..._core.pipeline.verify import SecretVerifier

_GIVE_CREDENTIALS = (
    "Give the host an instance role, or set option profile, or option access_key and option secret_key, or the AWS"
    " environment variables."
)
_NETWORK = "Check the network path to AWS (proxy, VPC endpoint), the region and endpoint_url."


@dataclass
class AwsDoctor:
    """access, source: the same account and region, asked in two ways. policies: on_missing, on_deleted, on_invalid.

    newest: name and start of validity of the selected certificate that was issued last, once it is known.
    """

    access: AwsAccess
    source: SecretsManager
    selection: Selection
    region: str
    policies: t.Mapping[str, str]
    verifier: SecretVerifier | None
    newest: tuple[str, datetime] | None = field(default=None, init=False)
    _identity: str = field(default="these credentials", init=False)

    def findings(self, now: datetime) -> t.Iterator[Finding]:
        """In the order in which a person would look. now: aware time for judging validity."""
        listing = self.access.ask("secretsmanager", "list_secrets", MaxResults=1)
        credentials = self._credentials(self.access.ask("sts", "get_caller_identity"), listing)
        yield credentials
        if credentials.severity == "error" or not listing.answered:
            if credentials.severity != "error":
                text = f"Secrets Manager of {self.region} cannot be reached: {_said(listing)}"
                yield error("region", f"{text} {_NETWORK}")
            yield warning("secrets", "Not looked at, because AWS cannot be asked. Mend that first.")
            return
        yield Finding("region", f"{self.region}. Secrets Manager answers there.")
        try:
            discovery = self.source.discover(self.selection)
        except SecretsManagerError as failed:
            yield from self._permissions(listing, ())
            yield error("secrets", failed.message)
            return
        yield from self._permissions(listing, discovery.secrets)
        yield from self._secrets(discovery.secrets, discovery.failures, now)

    # -- credentials and permissions ----------------------------------------------------------------------------

    def _credentials(self, identity: AwsAnswer, listing: AwsAnswer) -> Finding:
        if identity.succeeded:
            self._identity = str(identity.reply.get("Arn", self._identity))
            return Finding("credentials", f"AWS knows them as {self._identity}.")
        if identity.rejected or listing.rejected:
            refused = identity if identity.rejected else listing
            if not refused.answered:
                text = "There are none, or they are incomplete:"
                return error("credentials", f"{text} {_said(refused)} {_GIVE_CREDENTIALS}")
            text = "AWS does not accept them. They are wrong, have expired, or the host's clock is."
            return error("credentials", f"{text} {_said(refused)} {_GIVE_CREDENTIALS}")
        if listing.answered:
            text = "Secrets Manager accepts them. Whose they are is not known, since STS does not tell:"
            return warning("credentials", f"{text} {_said(identity)} The rotation does not need STS.")
        return error("credentials", f"AWS cannot be asked: {_said(identity)} {_NETWORK}")

    def _permissions(self, listing: AwsAnswer, secrets: t.Sequence[SecretVersion]) -> t.Iterator[Finding]:
        selection = self.selection
        needs_list = bool(selection.tags or selection.name_prefix)
        yield self._permission(
            "ListSecrets", listing, needed=needs_list, without="each name costs one DescribeSecret call"
        )
        secret = secrets[0].arn if secrets else next(iter(selection.names), None)
        if secret is None:
            return
        described = self.access.ask("secretsmanager", "describe_secret", SecretId=secret)
        yield self._permission(
            "DescribeSecret",
            described,
            needed=listing.denied or not needs_list,
            without="a secret that the list lacks cannot be looked for",
        )
        batch = self.access.ask("secretsmanager", "batch_get_secret_value", SecretIdList=[secret])
        yield self._permission(
            "BatchGetSecretValue", batch, needed=False, without="each changed secret costs one GetSecretValue call"
        )
        value = self.access.ask("secretsmanager", "get_secret_value", SecretId=secret)
        if value.denied_by_key:
            yield Finding("secretsmanager:GetSecretValue", "Allowed.")
            yield error(
                "kms:Decrypt",
                f"{secret} cannot be decrypted: {_said(value)} Allow kms:Decrypt on the secret's KMS key for"
                f" {self._identity}, in the IAM policy and in the key's policy.",
            )
            return
        yield self._permission("GetSecretValue", value, needed=True, without="")
        if value.succeeded:
            yield Finding("kms:Decrypt", f"{secret} can be decrypted.")

    def _permission(self, action: str, answer: AwsAnswer, *, needed: bool, without: str) -> Finding:
        check = f"secretsmanager:{action}"
        if answer.allowed:  # a missing or deleted secret is told of by its name
            return Finding(check, "Allowed.")
        if not answer.denied:
            return warning(check, f"Not known: {_said(answer)} Run this again; if it stays, see AWS's service health.")
        resource = "resource *" if action in ("ListSecrets", "BatchGetSecretValue") else "the selected secrets"
        advice = f"Allow {check} on {resource} for {self._identity}; see the IAM policies of the documentation."
        if needed:
            return error(check, f"Denied: {_said(answer)} {advice}")
        return warning(check, f"Denied, so {without}. {_said(answer)} {advice}")

    # -- secrets and certificates -------------------------------------------------------------------------------

    def _secrets(
        self, secrets: t.Sequence[SecretVersion], failures: t.Sequence[SecretFailure], now: datetime
    ) -> t.Iterator[Finding]:
        unavailable = [self._unavailable(failure) for failure in failures]
        yield from unavailable
        if not secrets:
            # To pass over one that is missing is one thing, to be left with none another.
            if all(finding.severity != "error" for finding in unavailable):
                yield error(
                    "secrets",
                    f"None in region {self.region} matches. Set option region to the one where they are stored, or"
                    " correct option names, option name_prefix and option tags.",
                )
            return
        values = list(self.source.read(secrets))
        unreadable = [self._unavailable(value) for value in values if isinstance(value, SecretFailure)]
        yield from unreadable
        yield Finding("secrets", f"{len(secrets)} found, {len(secrets) - len(unreadable)} of them readable.")
        if self.verifier is None:
            yield warning("certificates", "Not looked at, because cryptography or an option is missing; see above.")
            return
        good, first_end = 0, None
        for value in values:
            if isinstance(value, SecretFailure):
                continue
            bundle, problems = self.verifier.verify(value.value, at=now)
            yield from self._certificate(value.secret.name, [*value.problems, *problems])
            if bundle is not None:
                good += 1
                first_end = min(first_end or bundle.not_after, bundle.not_after)
                if self.newest is None or bundle.not_before > self.newest[1]:
                    self.newest = (value.secret.name, bundle.not_before)
        if first_end:
            verb = "certificate may be served. It" if good == 1 else "certificates may be served. The first"
            yield Finding("certificates", f"{good} {verb} ends at {isoformat_utc(first_end)}.")

    def _unavailable(self, failure: SecretFailure) -> Finding:
        problem = failure.problem
        policy = {"secret_missing": "on_missing", "secret_deleted": "on_deleted"}.get(problem.code)
        where = f" It was looked for in region {self.region}." if problem.code == "secret_missing" else ""
        message = f"{problem.message}{where} [{problem.code}]"
        return by_policy(f"secret {failure.name}", message, self.policies[policy] if policy else "fail")

    def _certificate(self, name: str, problems: t.Sequence[Problem]) -> t.Iterator[Finding]:
        text = " ".join(f"{problem.message} [{problem.code}]" for problem in problems)
        if any(problem.severity == "error" for problem in problems):
            yield by_policy(f"certificate {name}", text, self.policies["on_invalid"])
        elif problems:
            yield warning(f"certificate {name}", text)


def _said(answer: AwsAnswer) -> str:
    return f"{answer.code}: {answer.text.rstrip('.') or 'no message'}."
