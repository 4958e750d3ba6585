# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A given certificate, and what becomes of the value that a secret has when it is put there."""

from __future__ import annotations

import dataclasses
import typing as t
from datetime import datetime

from .._core.acme.document import why_not_replaced
from .._core.secrets.content import NewContent
from .._core.secrets.merging import MergedContent, further_fields, is_commented, left_behind, merged, stored_domain_name
from .._core.secrets.plan import WantedSecret, secret_document
from .._core.x509.changes import GUARDED_CHANGES, change_problems
from .._core.x509.document import CertificateMaterial, parse_secret
from .._core.x509.leaf import find_leaf
from .._core.x509.names import covers
from .._core.x509.problems import MaterialError, Problem, error
from .._core.x509.reading import material_errors
from .._core.x509.verify import VerificationPolicy, build_bundle, quoted_name
from .._errors import RotationError
from .._ports.openssl.loadable import why_not_loaded

if t.TYPE_CHECKING:
    from .._core.x509.bundle import CertificateBundle
    from .._core.x509.fields import FieldMap
    from .._core.x509.opener import Opener

NOT_KEPT: t.Final = "What is stored is replaced as a whole, with the domain name and the fields that it may have:"
#: What is refused by default. Other guarded changes are stored with a warning, for hosts have their own policy.
_REFUSED_CHANGES: t.Final = frozenset({"chain_dropped"})


class SecretRenewal(t.NamedTuple):
    """document: the value that is to be stored; before: facts of the value that was; domain_name: that the document
    says; same: whether what is stored means this already; warnings: for people."""

    document: str | bytes
    before: t.Mapping[str, t.Any]
    domain_name: str | None
    same: bool = False
    warnings: t.Sequence[str] = ()


@dataclasses.dataclass(frozen=True)
class GivenSecret:
    """What is to be stored.

    content: as a secret may hold it; opener: of what is encrypted, also in what is stored now; domain_name: that the
    certificate has to cover, None for that of the content, or of what is stored; fields: where the stored document
    keeps its own; merge: keep what else it has; allow_changes: of GUARDED_CHANGES, None for all that is usual.
    """

    content: str | bytes
    opener: Opener
    domain_name: str | None
    policy: VerificationPolicy
    at: datetime
    fields: FieldMap | None = None
    merge: bool = True
    allow_changes: t.Collection[str] | None = None

    def verified(self) -> tuple[CertificateBundle | None, list[Problem]]:
        """None when it must not be served."""
        try:
            material = parse_secret(self.content, self.opener)
        except MaterialError as exc:
            return None, [exc.problem]
        material = dataclasses.replace(material, domain_name=self.domain_name or material.domain_name)
        bundle, problems = build_bundle(material, self.policy, at=self.at, why_not_loaded=why_not_loaded)
        return bundle, list(problems)

    def document(self, bundle: CertificateBundle) -> str:
        """Of a new secret. Raises RotationError when AWS would not take it."""
        files = {part: data.decode() for part, data in bundle.render("lineage").items()}
        parts = {
            "certificate": files["cert"],
            "certificate_chain": files["chain"],
            "private_key": files["privkey"],
            "domain_name": self._asked_domain or bundle.subject_alternative_names[0],
        }
        return secret_document({**further_fields(self.content), **parts})

    @property
    def _asked_domain(self) -> str | None:
        return self.domain_name or stored_domain_name(self.content)

    def new(self, wanted: WantedSecret, bundle: CertificateBundle) -> SecretRenewal:
        """Where nothing is stored, or nothing that could be kept. wanted: with this document. Raises RotationError."""
        if self.fields is not None and isinstance(self._read(wanted.document), MaterialError):
            text = (
                "The secret would get a document of this collection's own, in which fields finds nothing. Store it"
                " without fields, or create the document of the other schema first."
            )
            raise _refused([error("field_missing", text)], wanted)
        return SecretRenewal(wanted.document, {}, self._asked_domain or bundle.subject_alternative_names[0])

    def into(self, value: str | bytes, wanted: WantedSecret, bundle: CertificateBundle) -> SecretRenewal:
        """value: that the secret has. Raises RotationError when it must not become this."""
        material = self._read(value)
        why = None if isinstance(material, MaterialError) else why_not_replaced(value, material)
        if why:
            raise _refused([error("document_invalid", f"The secret stays as it is: {why}. Use another name.")], wanted)
        says = self._require_domain(value, wanted, bundle)
        stored = self._bundle(material)
        summary = _summary(material, stored)
        is_same = stored is not None and (stored.leaf, stored.intermediates) == (bundle.leaf, bundle.intermediates)
        warnings = [] if is_same else self._require_allowed(summary, bundle, wanted)
        asked = self._asked_domain
        before = {**summary, "domain_name": says if says and quoted_name(says, "") else None}
        if not self.merge:
            same = is_same and (asked is None or asked == says)
            return self.new(wanted, bundle)._replace(before=before, same=same, warnings=warnings)
        content = None if is_same else NewContent(bundle)
        default = None if is_same else bundle.subject_alternative_names[0]
        try:
            document = merged(value, MergedContent(content, asked, default, further_fields(self.content)), self.fields)
        except MaterialError as exc:
            raise self._not_merged(exc.message, wanted) from None
        if document is None:
            warnings = [*warnings, *_replaced_as_a_whole(value, material)]
            return self.new(wanted, bundle)._replace(before=before, warnings=warnings)
        if content is not None:
            warnings = [*warnings, *_not_renewed(value, self.fields)]
        if document != value:
            says = self._require_result(document, wanted, bundle)
        return SecretRenewal(document, before, says, document == value, warnings)

    def _read(self, value: str | bytes) -> CertificateMaterial | MaterialError:
        try:
            return parse_secret(value, self.opener, fields=self.fields)
        except MaterialError as exc:
            return exc

    def _bundle(self, material: CertificateMaterial | MaterialError) -> CertificateBundle | None:
        if isinstance(material, MaterialError):
            return None
        return build_bundle(material, self.policy, at=self.at, why_not_loaded=why_not_loaded)[0]

    def _require_domain(self, value: str | bytes, wanted: WantedSecret, bundle: CertificateBundle) -> str | None:
        """The domain name that the stored value says. Raises RotationError when it is to stay, and is not covered."""
        try:
            says = stored_domain_name(value, self.fields)
        except MaterialError:
            return None  # what is damaged guards nothing, and hosts do not take it
        leaf = bundle.leaf
        if says and not self._asked_domain and not covers(leaf.dns_names, leaf.ip_addresses, says):
            names = ", ".join(leaf.subject_alternative_names[:5])
            text = (
                f"The secret says that its certificate covers {quoted_name(says)}, and this one is for {names}. Store"
                " the right one, or give domain_name to have the secret say another name."
            )
            raise _refused([error("domain_not_covered", text)], wanted)
        return says

    def _require_allowed(
        self, summary: t.Mapping[str, t.Any], bundle: CertificateBundle, wanted: WantedSecret
    ) -> list[str]:
        """Warnings of what hosts may refuse. Raises RotationError for what is refused here already."""
        changes = change_problems(summary, bundle.facts(), now=self.at, allowed=())
        allowed = self.allow_changes
        if allowed is None:
            allowed = [code for code in GUARDED_CHANGES if code not in _REFUSED_CHANGES]
        refused = [problem for problem in changes if problem.code not in allowed]
        if refused:
            raise _refused(refused, wanted)
        told = changes if self.allow_changes is None else []
        return [f"Hosts refuse this renewal by default. {problem.message} [{problem.code}]" for problem in told]

    def _require_result(self, document: str | bytes, wanted: WantedSecret, bundle: CertificateBundle) -> str | None:
        """The domain name that the document says now. Raises RotationError unless hosts read from it what is given."""
        material = self._read(document)
        if isinstance(material, MaterialError):
            raise self._not_merged(material.message, wanted)
        read = self._bundle(material)
        if read is None or (read.leaf, read.intermediates) != (bundle.leaf, bundle.intermediates):
            raise self._not_merged("another certificate or chain would be read from it afterwards", wanted)
        return material.domain_name

    @staticmethod
    def _not_merged(why: str, wanted: WantedSecret) -> RotationError:
        text = (
            f"The certificate cannot be put into the document that is stored: {why.rstrip('.')}. Correct that document,"
            " or replace it as a whole with merge: false."
        )
        return _refused([error("document_invalid", text)], wanted)


def _refused(problems: t.Sequence[Problem], wanted: WantedSecret) -> RotationError:
    lines = [f"{wanted.name}: {problem.message} [{problem.code}]" for problem in problems]
    dicts = [problem.as_dict() for problem in problems]
    return RotationError("\n".join(lines), changed=False, action="refused", problems=dicts)


def _replaced_as_a_whole(value: str | bytes, material: CertificateMaterial | MaterialError) -> list[str]:
    if not value.strip():
        return []
    if isinstance(material, MaterialError):
        return [f"{NOT_KEPT} {material.message}"]
    return ["What is stored is no JSON document, and becomes one."]


def _not_renewed(value: str | bytes, fields: FieldMap | None) -> list[str]:
    """Of what is merged."""
    if is_commented(value):
        return ["The text around certificate and key is not kept."]
    return [f"PKCS#12 in {name} stays as it is: store it anew, or remove it." for name in left_behind(value, fields)]


def _summary(material: CertificateMaterial | MaterialError, stored: CertificateBundle | None) -> t.Mapping[str, t.Any]:
    """Facts of what is stored, also of what does not keep the rules any more: it may be what hosts have."""
    if stored is not None:
        return stored.facts()
    if isinstance(material, MaterialError):
        return {}
    try:
        with material_errors():
            leaf = find_leaf(material)
    except MaterialError:
        return {}
    return {} if isinstance(leaf, Problem) or leaf.malformed else leaf.summary()
