# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The option stores: what is allowed together, and what a store is called."""

from __future__ import annotations

import typing as t

import pytest
import yaml
from ansible_collections.certops.rotation.plugins.doc_fragments.certificate_stores import ModuleDocFragment
from ansible_collections.certops.rotation.plugins.module_utils._errors import InvalidOption
from ansible_collections.certops.rotation.plugins.module_utils._module.store_options import (
    STORE_OPTIONS,
    check_stores,
)


def store(kind: str, **options: t.Any) -> dict[str, t.Any]:
    """As Ansible hands it on: options that are not given are None, or their default."""
    return {**{name: spec.get("default") for name, spec in STORE_OPTIONS.items()}, "type": kind, **options}


def test_the_truth_is_always_there_and_first() -> None:
    assert [each["name"] for each in check_stores([])] == ["secrets_manager"]
    found = check_stores([store("acm"), store("s3", bucket="b"), store("secrets_manager", name="truth", prefix="web/")])
    assert [each["name"] for each in found] == ["truth", "acm", "s3"]


def test_several_regions_and_buckets() -> None:
    stores = [
        store("acm"),
        store("acm", name="cloudfront", region="us-east-1"),
        store("s3", bucket="b"),
        store("s3", name="other", bucket="b", prefix="other"),
    ]
    assert [each["name"] for each in check_stores(stores)] == ["secrets_manager", "acm", "cloudfront", "s3", "other"]


@pytest.mark.parametrize(
    ("stores", "message"),
    [
        ([store("secrets_manager"), store("secrets_manager", name="b")], "so list it once"),
        ([store("acm"), store("acm", region="us-east-1")], "two of them are called acm"),
        ([store("acm", name="secrets_manager")], "two of them are called secrets_manager"),
        ([store("acm"), store("acm", name="b")], "acm and b are the same place. Give them different regions"),
        ([store("s3", bucket="b"), store("s3", name="c", bucket="b", prefix="certs")], "are the same place"),
        ([store("s3")], "name its bucket"),
        ([store("s3", bucket="b", prefix="/certs")], "must not begin with /"),
        ([store("s3", bucket="b", bucket_owner=123456789012)], "is no account id. Quote its 12 digits"),
        ([store("s3", bucket="b", bucket_owner="me")], "is no account id"),
        ([store("acm", bucket="b")], "bucket means nothing to a store of the type acm"),
        ([store("acm", prefix="web/")], "prefix means nothing"),
        ([store("acm", kms_key_id="k")], "kms_key_id means nothing"),
        ([store("s3", bucket="b", on_deleted="restore")], "on_deleted means nothing"),
        ([store("acm", tags={"a": True})], "boolean of YAML"),
    ],
)
def test_what_makes_no_sense_is_refused(stores: list[dict[str, t.Any]], message: str) -> None:
    with pytest.raises(InvalidOption, match=message):
        check_stores(stores)


def test_the_documentation_mirrors_the_options() -> None:
    documented = yaml.safe_load(ModuleDocFragment.DOCUMENTATION)["options"]["stores"]["suboptions"]
    assert set(documented) == set(STORE_OPTIONS)
    for name, spec in STORE_OPTIONS.items():
        for field in ("type", "choices", "default", "required", "elements"):
            assert documented[name].get(field) == spec.get(field), f"{name}: {field}"
