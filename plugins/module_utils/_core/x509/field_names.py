# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the fields of documents with certificates are called: by this collection, Vault, ACM, Kubernetes, certbot, ..."""

from __future__ import annotations

import functools
import re
import typing as t

#: The documented names.
FIELDS: t.Final = ("certificate", "private_key", "certificate_chain", "domain_name", "description")

#: What a field is for. authorities: any of them, of which those are meant that belong to the certificate.
Role = t.Literal["certificate", "private_key", "certificate_chain", "authorities", "domain_name", "description"]

#: In the plainest spelling, see _plain; the first of a role is the documented one.
_NAMES: t.Final[dict[Role, str]] = {
    "certificate": "certificate cert crt cer leaf leafcertificate leafcert certificatebody publiccertificate fullchain"
    " fullchaincertificate certificatefullchain certificateandchain pem pembundle",
    "private_key": "privatekey key privkey certificateprivatekey certificatekey certprivatekey certkey rsaprivatekey"
    " ecprivatekey",
    "certificate_chain": "certificatechain chain certchain intermediate intermediates intermediatecertificate"
    " intermediatecertificates intermediatecert intermediatecerts intermediateca intermediatecas chaincertificate"
    " chaincertificates",
    "authorities": "cachain issuingca issuingcertificate issuer issuercertificate issuercert ca cacrt cacert"
    " cacertificate cacerts cacertificates cabundle certificateauthority bundle x5c root rootca rootcert"
    " rootcertificate",
    "domain_name": "domainname",
    "description": "description",
}
_ROLES: t.Final[dict[str, tuple[Role, int]]] = {
    name: (role, rank) for role, names in _NAMES.items() for rank, name in enumerate(names.split())
}
_SEPARATORS: t.Final = str.maketrans("", "", "-_. ")
_PREFIXES: t.Final = ("tls", "ssl", "x509", "server")
_PREFIXES_OF_OTHERS: t.Final = ("client", "peer", "domain", "host")  # perhaps of somebody else than the server
_SUFFIXES: t.Final = ("pem", "base64", "b64", "der", "cer", "crt", "cert", "data")
_LONGEST: t.Final = 64
_SHOWABLE: t.Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_. :/@-]{0,39}")

Path = tuple[t.Union[str, int], ...]


@functools.lru_cache(maxsize=1024)
def role_of(name: str) -> tuple[Role, int] | None:
    """What a field of that name is for, and its rank among the names for that; None for names that are not known.

    Upper and lower case, hyphens, underscores and dots are one, as are a tls_ before and a _pem or .crt after it.
    """
    return _known(_plain(name))


def role_of_other(name: str) -> tuple[Role, int] | None:
    """As role_of, of client.crt and the like, which are meant where there is nothing else."""
    plain = _plain(name)
    prefixes = (prefix for prefix in _PREFIXES_OF_OTHERS if plain.startswith(prefix))
    return next((known for prefix in prefixes if (known := _known(plain[len(prefix) :]))), None)


def _plain(name: str) -> str:
    return name.translate(_SEPARATORS).lower() if len(name) <= _LONGEST else ""


def _known(plain: str) -> tuple[Role, int] | None:
    if plain in _ROLES:
        return _ROLES[plain]
    shorter = [plain[: -len(suffix)] for suffix in _SUFFIXES if plain.endswith(suffix)]
    shorter += [plain[len(prefix) :] for prefix in _PREFIXES if plain.startswith(prefix)]
    return next((known for each in shorter if (known := _known(each))), None)


def shown_path(path: Path) -> str:
    """A field for messages. Only what can be a name is shown: somebody may have a key where its name should be."""
    if not all(isinstance(part, int) or _SHOWABLE.fullmatch(part) for part in path):
        return "a field whose name is not shown"
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return f"the field '{text.lstrip('.')}'"


def capitalized(text: str) -> str:
    return text[:1].upper() + text[1:]
