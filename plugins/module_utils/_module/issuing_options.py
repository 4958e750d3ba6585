# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options of all that issues certificates, or tells what would be issued."""

from __future__ import annotations

import typing as t

from .._core.acme.wanted import KEY_TYPES
from .._core.promotion import CURRENT

CERTIFICATE_OPTIONS: dict[str, dict[str, t.Any]] = {
    "name": {"type": "str"},
    "domains": {"type": "raw", "required": True},
    "key_type": {"type": "str", "choices": [*KEY_TYPES], "default": "ec256", "no_log": False},
    "profile": {"type": "str"},
    "stores": {"type": "list", "elements": "str"},
    "renew_before_days": {"type": "int"},
}
ISSUER_OPTIONS: dict[str, dict[str, t.Any]] = {
    "directory": {"type": "str", "required": True},
    "account_secret": {"type": "str", "required": True, "no_log": False},
    "eab_secret": {"type": "str", "no_log": False},
    "profile": {"type": "str"},
    "preferred_chain": {"type": "str", "no_log": False},
    "ca_bundle": {"type": "path"},
}
REISSUE_OPTIONS: dict[str, dict[str, t.Any]] = {
    "issuer": {"type": "str"},
    "serial_numbers": {"type": "list", "elements": "str"},
    "fingerprints": {"type": "list", "elements": "str"},
    "key_types": {"type": "list", "elements": "str", "choices": [*KEY_TYPES], "no_log": False},
    "issued_before": {"type": "str"},
    "older_than": {"type": "str"},
    "all": {"type": "bool", "default": False},
}
#: What is to be issued, by whom and when; where it is remembered.
ISSUING_OPTIONS: dict[str, dict[str, t.Any]] = {
    "certificates": {"type": "list", "elements": "dict", "required": True, "options": CERTIFICATE_OPTIONS},
    "issuers": {"type": "list", "elements": "dict", "required": True, "options": ISSUER_OPTIONS},
    "renew_before_days": {"type": "int"},
    "reissue": {"type": "dict", "options": REISSUE_OPTIONS},
    "stage": {"type": "str", "default": CURRENT},
    "renewal_info": {"type": "bool", "default": True},
    "emergency_floor": {"type": "str", "default": "10%"},
    "journal_secret": {"type": "str", "default": "certops/issuance/journal", "no_log": False},
    "ledger": {"type": "str", "default": "certops/issuance/ledger"},
    "kms_key_id": {"type": "str", "no_log": False},
}
