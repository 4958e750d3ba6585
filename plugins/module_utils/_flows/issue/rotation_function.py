# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A function that rotates certificates for AWS Secrets Manager: createSecret, setSecret, testSecret, finishSecret.

Secrets Manager calls each step with the ARN of the secret and a token, the id of the version that is to become the
current one. It has the label AWSPENDING, and no value at first. Each step may be called again, also after the last one.
"""

from __future__ import annotations

import typing as t
from datetime import datetime, timedelta

from ..._core.acme.csr import key_type_of
from ..._core.acme.wanted import WantedCertificate
from ..._core.acme.when import names_of
from ..._core.promotion import CURRENT, PENDING, version_of
from ..._core.secrets.candidates import CandidateMove, plan_promotion, versions_of
from ..._core.x509.problems import MaterialError
from ..._core.x509.verify import build_bundle
from ..._errors import RotationError, RunOvertaken, SecretsManagerError

if t.TYPE_CHECKING:
    from ..._core.pipeline.verify import SecretVerifier
    from ..._core.x509.bundle import CertificateBundle
    from ..._ports.aws.certificate_secrets import CertificateSecrets

_Described = t.Mapping[str, t.Any]
#: Seconds between two looks at the canaries.
_PATIENCE: t.Final = 5.0
#: Seconds until an issuance that another one has overtaken is tried again, at first; and that it needs then.
_FIRST_PAUSE: t.Final = 10.0
_ISSUING: t.Final = 60.0
#: Has one certificate issued, whose value becomes that of the version. Raises RotationError.
Issue = t.Callable[[WantedCertificate, str], None]
#: Why a certificate is not served, one sentence for each canary; none when all serve it.
Prove = t.Callable[["CertificateBundle"], t.Sequence[str]]


class FunctionClock(t.NamedTuple):
    """left: seconds that the function has; sleep: for so many seconds; chance: between 0 and 1."""

    now: t.Callable[[], datetime]
    left: t.Callable[[], float]
    sleep: t.Callable[[float], None]
    chance: t.Callable[[], float]


class RotationFunction:
    """run is called once for each step. What it raises makes Secrets Manager try the rotation again, with the same
    token, some times within a day; AWSPENDING stays, and with it what was issued."""

    def __init__(
        self, secrets: CertificateSecrets, verifier: SecretVerifier, issue: Issue, prove: Prove, clock: FunctionClock
    ) -> None:
        self._secrets = secrets
        self._verifier = verifier
        self._issue = issue
        self._prove = prove
        self._clock = clock

    def run(self, event: t.Mapping[str, t.Any]) -> str:
        """What was done, in one sentence. Raises RotationError."""
        steps: dict[str, t.Callable[[_Described, str], str]] = {
            "createSecret": self._create,
            "setSecret": self._set,
            "testSecret": self._test,
            "finishSecret": self._finish,
        }
        step, arn, token = (str(event.get(name) or "") for name in ("Step", "SecretId", "ClientRequestToken"))
        if step not in steps or not arn or not token:
            raise RotationError(
                f"This is no event of a rotation: it has Step {step or 'none'}, and needs SecretId, ClientRequestToken"
                f" and one of {', '.join(steps)}."
            )
        described = self._secrets.describe(arn)
        if described is None or described.get("DeletedDate"):
            raise RotationError(f"{arn}: there is no such secret, or it is marked for deletion.")
        if not described.get("RotationEnabled"):
            raise RotationError(f"{described['Name']}: rotation is not enabled for this secret.")
        self._require_pending(described, token)
        return f"{described['Name']}: {steps[step](described, token)}"

    def _create(self, described: _Described, token: str) -> str:
        """Functions that issue at once have one journal: the one that was overtaken goes on after some time, which is
        another one for each, with what is in the journal."""
        longest = _FIRST_PAUSE
        while True:
            try:
                return self._create_once(described, token)
            except RunOvertaken:
                pause = longest * (0.5 + 0.5 * self._clock.chance())
                if self._clock.left() < pause + _ISSUING:
                    raise
                self._clock.sleep(pause)
                longest *= 2
                described = self._secrets.describe(described["ARN"]) or described
                self._require_pending(described, token)

    def _create_once(self, described: _Described, token: str) -> str:
        if self._is_current(described, token):
            return "this version is the current one already."
        if self._value(described, token):
            self._bundle(described, token)
            return "this version has a certificate already."
        current = version_of(versions_of(described), CURRENT)
        if current is None:
            raise RotationError(
                f"{described['Name']}: it has no current version, which would tell the names. Have the first"
                " certificate issued by certops.rotation.issue."
            )
        bundle = self._bundle(described, current, may_have_ended=True)
        names = tuple(dict.fromkeys((*bundle.leaf.dns_names, *bundle.leaf.ip_addresses)))
        ordered = sorted(names_of(bundle), key=lambda name: names.index(name) if name in names else len(names))
        key_type = key_type_of(bundle.key) or "ec256"
        wanted = WantedCertificate(described["Name"], tuple(ordered), key_type)
        self._issue(wanted, token)
        return f"a certificate for {wanted.first_domain} is issued, and waits as {PENDING}."

    def _set(self, described: _Described, token: str) -> str:
        """Canaries fetch it themselves: they read AWSPENDING. It is only looked whether they may."""
        if self._is_current(described, token):
            return "this version is the current one already."
        bundle = self._bundle(described, token)
        return f"canaries fetch the certificate {bundle.fingerprint_sha256}."

    def _test(self, described: _Described, token: str) -> str:
        if self._is_current(described, token):
            return "this version is the current one already."
        bundle = self._bundle(described, token)
        while True:
            problems = self._prove(bundle)
            if not problems:
                return f"all canaries serve the certificate {bundle.fingerprint_sha256}."
            if self._clock.left() < 2 * _PATIENCE:
                raise RotationError(f"{described['Name']}: not proven in time. {' '.join(problems)}")
            self._clock.sleep(_PATIENCE)

    def _finish(self, described: _Described, token: str) -> str:
        if not self._is_current(described, token):
            self._bundle(described, token)
        plan = plan_promotion(CandidateMove(described["ARN"], token), described, PENDING)
        self._secrets.apply(plan.requests, described["Name"])
        return "this version is the current one."

    # -- parts --------------------------------------------------------------------------------------------------

    def _require_pending(self, described: _Described, token: str) -> None:
        versions = versions_of(described)
        if self._is_current(described, token) or PENDING in versions.get(token, ()):
            return
        holder = version_of(versions, PENDING)
        now = f"{PENDING} is at version {holder}" if holder else f"no version has the label {PENDING}"
        raise RotationError(
            f"{described['Name']}: version {token} is not the one to rotate to: {now}. It was withdrawn, or another"
            " rotation has begun. Where an earlier one has left the label, withdraw it (module"
            f" certops.rotation.certificate_candidate, label: {PENDING}, state: withdrawn), and rotate again."
        )

    @staticmethod
    def _is_current(described: _Described, token: str) -> bool:
        return version_of(versions_of(described), CURRENT) == token

    def _value(self, described: _Described, version_id: str) -> str | bytes:
        """Empty where the version has none."""
        try:
            return self._secrets.value_of(described, version_id)
        except SecretsManagerError as error:
            if error.code == "ResourceNotFoundException":
                return ""
            raise

    def _bundle(self, described: _Described, version_id: str, *, may_have_ended: bool = False) -> CertificateBundle:
        """Raises RotationError for what must not be served."""
        value, now = self._value(described, version_id), self._clock.now()
        if not value:
            raise RotationError(f"{described['Name']}: version {version_id} has no value. Let createSecret run first.")
        try:
            material = self._verifier.parse(value)
        except MaterialError as error:
            raise RotationError(f"{described['Name']}: version {version_id}: {error.message}") from None
        if may_have_ended:
            ends = [each.not_after for each in material.certificates]
            now = min(now, min(ends, default=now) - timedelta(seconds=1))
        verifier = self._verifier
        bundle, problems = build_bundle(material, verifier.policy, at=now, why_not_loaded=verifier.why_not_loaded)
        if bundle is None:
            errors = [f"{each.message} [{each.code}]" for each in problems if each.severity == "error"]
            raise RotationError(f"{described['Name']}: version {version_id} must not be served: {' '.join(errors)}")
        return bundle
