# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A certificate that a task brings along: as options, or as files on the host that runs the module."""

from __future__ import annotations

import json
import typing as t

from .._core.x509.encodings import PKCS12, der_blocks, has_pem, read_blocks
from .._core.x509.fields import replaced
from .._core.x509.json_document import json_text, load_document
from .._core.x509.pem import CERTIFICATE, parse_pem
from .._core.x509.problems import MaterialError
from .._errors import InvalidOption
from .._ports.store.atomic import is_unfit, read_regular_file

# All three are hidden: people paste whole bundles, with the key, into any of them.
GIVEN_OPTIONS: dict[str, dict[str, t.Any]] = {
    "certificate": {"type": "str", "no_log": True},  # or a document, see GIVEN_DOCUMENTS
    "certificate_src": {"type": "path"},
    "private_key": {"type": "str", "no_log": True},
    "private_key_src": {"type": "path", "no_log": False},
    "certificate_chain": {"type": "str", "no_log": True},
    "certificate_chain_src": {"type": "path"},
    "passphrase": {"type": "str", "no_log": True},
}
#: A JSON document with the fields of a certificate secret may be given as the mapping that templating makes of it.
GIVEN_DOCUMENTS = ("certificate",)
GIVEN_EXCLUSIVE = [[name, f"{name}_src"] for name in ("certificate", "private_key", "certificate_chain")]
_PARTS = ("certificate", "private_key", "certificate_chain")
# More than any certificate with its chain; a wrong path must not fill the memory.
_MAX_FILE_SIZE = 4 * 1024 * 1024


def given_content(params: t.Mapping[str, t.Any]) -> str | bytes:
    """What GIVEN_OPTIONS hold, in a form that a secret may have. Raises InvalidOption, and MaterialError.

    Certificate, chain and key may all be in ``certificate``, also as a JSON document, whose fields the other options
    replace; a file of it may be PKCS#12.
    """
    parts = {name: content for name in _PARTS if (content := _part(params, name))}
    if "certificate" not in parts:
        raise InvalidOption("Give the certificate, by certificate or certificate_src.")
    certificate = parts["certificate"]
    if len(parts) == 1:
        return certificate
    document = given_document(certificate) if isinstance(certificate, str) else None
    texts = {name: _pem(content) for name, content in parts.items() if document is None or name != "certificate"}
    if document is not None:
        return json.dumps(replaced(document, texts))
    return json.dumps(texts) if "private_key" in texts else "\n".join(texts.values())


def _pem(content: str | bytes) -> str:
    """What is given beside other parts, which PKCS#12 cannot be. Raises InvalidOption, and MaterialError."""
    if isinstance(content, str) and has_pem(content):
        return content
    blocks = read_blocks(content)
    if any(block.label == PKCS12 for block in blocks):
        raise InvalidOption("PKCS#12 holds certificate, chain and key: give it as certificate_src and nothing else.")
    if blocks or isinstance(content, bytes):
        return b"".join(block.encode() for block in blocks).decode()
    return content


def is_certificate_alone(text: str) -> bool:
    """Whether a text is PEM of certificates and nothing else, so that no key can be in it in any encoding."""
    try:
        blocks = parse_pem(text)
    except MaterialError:
        return False
    canonical = b"".join(block.encode() for block in blocks if block.label == CERTIFICATE).decode()
    return bool(canonical) and "".join(text.split()) == "".join(canonical.split())


def given_document(text: str) -> dict[str, t.Any] | None:
    """The JSON document that a text is; None when it is something else."""
    inner = json_text(text)
    try:
        document = load_document(inner) if inner else None
    except MaterialError:
        return None  # whoever parses it says what is wrong
    return document if isinstance(document, dict) else None


def _part(params: t.Mapping[str, t.Any], name: str) -> str | bytes | None:
    path = params[f"{name}_src"]
    if not path:
        return str(params[name]) if params[name] and params[name].strip() else None
    try:
        data = read_regular_file(path, limit=_MAX_FILE_SIZE)
    except OSError as error:
        if is_unfit(error):
            raise InvalidOption(f"{name}_src: {path} is no file of a certificate or key.") from None
        raise InvalidOption(f"{name}_src: cannot read {path} on this host: {error.strerror}.") from None
    if der_blocks(data):
        return data
    try:
        return data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidOption(f"{name}_src: {path} is neither PEM, nor DER, nor PKCS#12.") from None
