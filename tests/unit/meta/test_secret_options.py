# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every module is guarded, every option says whether it is a secret, and who takes secrets has a controller's side."""

from __future__ import annotations

import importlib
import re
import typing as t

import pytest
from ansible_collections.amazon.aws.plugins.module_utils.modules import aws_argument_spec
from ansible_collections.certops.rotation.tests.support import argument_matrix

_SECRET = re.compile(r"cert|chain|key|pass|token|secret|content|anchor|header|pem|provided|credential|bundle")
# Text options that look like secrets and are none.
_PUBLIC = {
    "aws_ca_bundle",  # a path
    "certificates",  # of info modules and the proof: paths and fingerprints
    "domain_name",
    "kms_key_id",  # a name
    "client_cert",  # a path
    "content",  # of host_files, which has secret_files for others; a key in it is refused
    "trust_anchors",  # certificates; a key in it is refused
    "use_secrets_manager",
}
_CONTENT = {"trust_anchors"}


def _options(spec: t.Mapping[str, t.Any], path: str = "") -> t.Iterator[tuple[str, str, dict[str, t.Any]]]:
    for name, option in spec.items():
        yield path + name, name, option
        yield from _options(option.get("options", {}), f"{path}{name}.")


@pytest.fixture(scope="module", params=argument_matrix.module_names())
def module(request: pytest.FixtureRequest) -> tuple[str, dict[str, t.Any]]:
    """Its name and its argument specification. Fails for one that makes an AnsibleModule of its own."""
    return request.param, argument_matrix.specification(argument_matrix.load(request.param))


def test_every_option_that_looks_like_a_secret_says_whether_it_is_one(module) -> None:
    name, spec = module
    undecided = [
        path
        for path, option_name, option in _options(spec)
        if _SECRET.search(option_name)
        and option.get("type", "str") not in ("bool", "int", "float", "path")
        and "options" not in option
        and option_name not in _PUBLIC | set(aws_argument_spec())
        and "no_log" not in option
    ]
    assert not undecided, f"{name}: set no_log for {undecided}, or name them in _PUBLIC"


def test_secrets_are_texts(module) -> None:
    """The screening knows how to refuse other values for a text, and for names with texts."""
    name, spec = module
    for path, _name, option in _options(spec):
        if option.get("no_log"):
            assert option.get("type", "str") in ("str", "dict"), f"{name}: {path}"


def test_modules_that_take_secrets_have_a_controllers_side(module) -> None:
    name, spec = module
    of_aws = aws_argument_spec() if "access_key" in spec else {}
    own = {option: facts for option, facts in spec.items() if option not in of_aws}
    if any(facts.get("no_log") or option in _CONTENT for _path, option, facts in _options(own)):
        action = importlib.import_module(f"ansible_collections.certops.rotation.plugins.action.{name}")
        assert set(action.ActionModule.argument_spec) == set(own)
        assert action.ActionModule.run.__qualname__.split(".")[0] in (
            "ActionModule",
            "HostAction",
            "NamesMisspelt",
            "RemembersCall",
            "SourceAction",
        )
