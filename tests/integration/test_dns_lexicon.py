# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""dns-lexicon, with its service that keeps a zone in a file."""

from __future__ import annotations

import pathlib

import dns.zone
import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.acme.dns import TxtRecord, Zone
from ansible_collections.certops.rotation.plugins.module_utils._errors import DnsError
from ansible_collections.certops.rotation.plugins.module_utils._ports.dns.lexicon import LexiconDns

NAME = "_acme-challenge.sub.corp.internal"
ZONE = Zone("corp.internal", "corp.internal")
TEXT = """$ORIGIN corp.internal.
$TTL 60
@ SOA ns1 hostmaster 1 7200 900 1209600 5
@ NS ns1
ns1 A 127.0.0.1
_acme-challenge.sub TXT "theirs"
"""


@pytest.fixture
def path(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A zone's file. A library of lexicon's would ask the network for a list of public suffixes."""
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("LEXICON_TLDEXTRACT_CACHE_PATH", str(tmp_path / "suffixes"))
    made = tmp_path / "corp.internal.zone"
    made.write_text(TEXT)
    return made


def txt(path: pathlib.Path) -> dict[str, list[str]]:
    zone = dns.zone.from_file(str(path), "corp.internal", relativize=False)
    return {
        name.to_text(omit_final_dot=True): sorted(record.to_text().strip('"') for record in records)
        for name, records in zone.iterate_rdatasets("TXT")
    }


def test_a_round(path: pathlib.Path) -> None:
    lexicon = LexiconDns("localzone", ["Corp.internal."], {"filename": str(path)})
    assert lexicon.zones() == (ZONE,)
    records = [TxtRecord(NAME, ("apex", "wildcard")), TxtRecord("_acme-challenge.corp.internal", ("x",))]
    for _again in range(2):
        assert lexicon.add(ZONE, records) == []
    assert txt(path) == {NAME: ["apex", "theirs", "wildcard"], "_acme-challenge.corp.internal": ["x"]}
    lexicon.wait([], 1)
    for _again in range(2):
        lexicon.remove(ZONE, records)
    assert txt(path) == {NAME: ["theirs"]}


def test_failures_quote_nothing_of_the_settings(tmp_path: pathlib.Path, path: pathlib.Path) -> None:
    lexicon = LexiconDns("localzone", ["corp.internal"], {"filename": str(tmp_path / "SECRET-TOKEN")})
    with pytest.raises(
        DnsError, match=r"dns-lexicon \(localzone\) failed for _acme-.* with FileNotFoundError"
    ) as caught:
        lexicon.add(ZONE, [TxtRecord(NAME, ("x",))])
    assert caught.value.names == (NAME,)
    assert "SECRET-TOKEN" not in caught.value.message


def test_an_unknown_service(path: pathlib.Path) -> None:
    with pytest.raises(DnsError, match=r"dns-lexicon \(no-such-service\) failed for zone corp.internal"):
        LexiconDns("no-such-service", ["corp.internal"], {}).add(ZONE, [TxtRecord(NAME, ("x",))])
