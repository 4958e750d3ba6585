# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The documentation is true where a program can tell: links, names, options, tables, examples."""

from __future__ import annotations

import json
import pathlib
import re
import subprocess
import sys
import textwrap

import pytest
import yaml
from ansible_collections.certops.rotation.plugins.module_utils._core.pipeline.naming import certificate_file_stem
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.fields import FieldMap
from ansible_collections.certops.rotation.plugins.module_utils._core.x509.problems import PROBLEM_CODES
from ansible_collections.certops.rotation.tests.support.event_source import secret_events

ROOT = pathlib.Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
NAMESPACE = "certops.rotation."
ROLE = "haproxy_certificates"
PLUGINS = ("lookup", "filter", "test", "callback")
KINDS = ("module", *PLUGINS, "playbook", "role", "event source", "rulebook")


def page_id(page):
    return str(page.relative_to(ROOT))


def text_of(name):
    return (ROOT / name).read_text(encoding="utf-8")


def without_code(text):
    return re.sub(r"`[^`\n]+`", "", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL))


def blocks(language):
    """(page, content) of all fenced blocks in this language."""
    pattern = re.compile(rf"^```{language}\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    return [pytest.param(found[1], id=page_id(page)) for page in PAGES for found in pattern.finditer(page.read_text())]


def table_rows(text, heading):
    """The cells of the first table below a heading, without its two header lines."""
    below = text.partition(f"\n{heading}\n")[2].splitlines()
    rows = []
    for line in below:
        if line.startswith("|"):
            rows.append([cell.strip() for cell in line.strip("|").split("|")])
        elif rows or line.startswith("#"):
            break
    assert len(rows) > 2, f"no table below {heading}"
    return rows[2:]


# Links


def anchors(text):
    """As GitHub makes them of headings, and explicit ones."""
    found = set(re.findall(r'<a id="([^"]+)">', text))
    for heading in re.findall(r"^#+ (.+)$", without_code(text) + text, re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        found.add(slug)
    return found


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text())):
        if target.startswith("https://"):
            continue
        path, _hash, anchor = target.partition("#")
        destination = (page.parent / path).resolve() if path else page
        assert destination.exists(), f"{target}: there is no {path}"
        if anchor:
            assert anchor in anchors(destination.read_text()), f"{target}: no heading leads to #{anchor}"


def test_every_page_is_linked_from_the_readme():
    readme = text_of("README.md")
    assert [page.name for page in (ROOT / "docs").glob("*.md") if f"(docs/{page.name})" not in readme] == []


# Names


def existing(kind):
    folders = {
        "module": "plugins/modules/*.py",
        "playbook": "playbooks/*.yml",
        "event source": "extensions/eda/plugins/event_source/*.py",
        "rulebook": "extensions/eda/rulebooks/*.yml",
    }
    folders |= {plugin: f"plugins/{plugin}/*.py" for plugin in PLUGINS}
    paths = ROOT.glob(folders[kind]) if kind in folders else (ROOT / "roles").iterdir()
    return {path.stem for path in paths if not path.name.startswith("_")}  # what does is not for users


@pytest.mark.parametrize("kind", KINDS)
def test_the_readme_lists_the_content(kind):
    readme = text_of("README.md").partition("\n## Contents\n")[2]
    table = readme.partition(f"| {kind} | |\n")[2].partition("\n\n")[0]
    cells = [line.split("|")[1] for line in table.splitlines()[1:]]
    named = {name.removeprefix(NAMESPACE) for cell in cells for name in re.findall(r"`([^`]+)`", cell)}
    assert named == existing(kind)


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_full_names_exist(page):
    named = set(re.findall(r"certops\.rotation\.([a-z_]+)", page.read_text())) - {"attributes"}
    known = set().union(*map(existing, KINDS))
    groups = set(yaml.safe_load(text_of("meta/runtime.yml"))["action_groups"])
    assert named - known - groups == set()


@pytest.mark.parametrize("page", PAGES, ids=page_id)
@pytest.mark.parametrize("role", [ROLE, "acme_certificates"])
def test_role_variables_exist(page, role):
    specs = yaml.safe_load(text_of(f"roles/{role}/meta/argument_specs.yml"))["argument_specs"]
    named = set(re.findall(rf"\b{role}_[a-z_]+\b", page.read_text()))
    assert named - set(specs["main"]["options"]) - {"acme_certificates_result", "acme_certificates_output"} == set()


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_variables_of_the_playbooks_exist(page):
    playbooks = "".join(path.read_text() for path in (ROOT / "playbooks").glob("*.yml"))
    named = set(re.findall(r"-e (rotation_[a-z_]+)\b", page.read_text()))
    assert {name for name in named - existing("module") - existing("filter") if name not in playbooks} == set()


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_variables_that_are_given_to_playbooks_exist(page):
    sources = [*(ROOT / "playbooks").glob("*.yml"), *(ROOT / "roles").glob("*/meta/argument_specs.yml")]
    known = set(re.findall(r"\w+", "".join(path.read_text() for path in sources)))
    named = set(re.findall(r"(?:^|\s)-e (\w+)=", page.read_text(), re.MULTILINE))
    own = set(re.findall(r"\{\{ *(\w+)", page.read_text()))  # of what the page itself writes
    assert named - known - own == set()


PROGRAMS = (
    "ansible|aws|bash|cat|certbot|cp|curl|docker|echo|export|jq|make|mkdir|mount|openssl|pip|podman|printf|promtool|python"
    "|rm|scp|sed|ssh|sudo|systemctl|tar|umask"
)


def commands_of(page):
    """Blocks of indented lines that begin with a program."""
    prose = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    for block in re.findall(r"(?:^    .*\n)+", prose, re.MULTILINE):
        text = textwrap.dedent(block)
        if re.match(rf"\(?(?:\S*/)?(?:{PROGRAMS})\b", text):
            yield text


def test_commands_are_what_a_shell_understands():
    """Quotes and brackets are closed; and a header is none that the server splits elsewhere."""
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for text in commands_of(page):
            parsed = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False)
            assert (parsed.returncode, parsed.stderr) == (0, ""), f"{page_id(page)}: {text}{parsed.stderr}"
            for token in re.findall(r"Authorization: Bearer ([^'\"/]*)['\"]", text):
                assert len(token.split()) <= 1, f"{page_id(page)}: {token} is refused: a token is one word"


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_make_targets_exist(page):
    targets = set(re.findall(r"^([a-z-]+):", text_of("Makefile"), re.MULTILINE))
    assert set(re.findall(r"(?:^    |`)make ([a-z-]+)", page.read_text(), re.MULTILINE)) - targets == set()


# Examples


@pytest.mark.parametrize("content", blocks("json"))
def test_json_is_valid(content):
    json.loads(content)


@pytest.fixture(scope="module")
def module_options():
    """Module -> its options, fragments included; event source -> its options."""
    modules = sorted(NAMESPACE + name for name in existing("module"))
    command = [pathlib.Path(sys.executable).with_name("ansible-doc"), "--type", "module", "--json", *modules]
    documentation = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout)
    sources = {NAMESPACE + "secret_events": yaml.safe_load(secret_events.DOCUMENTATION)["options"]}
    return {**{name: documentation[name]["doc"]["options"] for name in modules}, **sources}


def module_calls(value):
    if isinstance(value, dict):
        for key, child in value.items():
            if str(key).startswith(NAMESPACE):
                yield key, child
            yield from module_calls(child)
    elif isinstance(value, list):
        for child in value:
            yield from module_calls(child)


@pytest.mark.parametrize("content", blocks("yaml"))
def test_yaml_uses_options_that_exist(content, module_options):
    for module, options in module_calls(yaml.safe_load(content)):
        assert set(options) <= set(module_options[module])
        missing = {name for name, option in module_options[module].items() if option.get("required")} - set(options)
        assert not missing, f"{module} needs {missing}"


SECRETS_OF_OTHER_SCHEMAS = [
    ({"new.crt": "C", "new.key": "K"}, {"certificate": "C", "private_key": "K"}),
    (
        {
            "web": {"public": "C", "secret": "K", "between": [{"pem": "A"}, {"pem": "B"}]},
            "metadata": {"hostnames": ["www.example.com"]},
        },
        {"certificate": "C", "private_key": "K", "certificate_chain": "A\nB", "domain_name": "www.example.com"},
    ),
    (
        {"certificate": "C", "private_key": "K", "above": "A"},
        {"certificate": "C", "private_key": "K", "certificate_chain": "A"},
    ),
]


def test_the_jmespath_examples_work():
    found = [
        yaml.safe_load(param.values[0])[f"{ROLE}_fields"]
        for param in blocks("yaml")
        if param.id == "docs/certificate-secrets.md"
    ]
    assert len(found) == len(SECRETS_OF_OTHER_SCHEMAS)
    for expressions, (document, fields) in zip(found, SECRETS_OF_OTHER_SCHEMAS):
        found = FieldMap(expressions).read(document)
        texts = {role: "\n".join(own[0].texts) for role, own in found.by_role.items() if own}
        assert {**texts, **({"domain_name": found.domain_name} if found.domain_name else {})} == fields


# Tables


def test_the_problem_codes_are_complete():
    rows = table_rows(text_of("docs/certificate-secrets.md"), "## Problem codes")
    assert rows == [[f"`{code}`", meaning] for code, meaning in PROBLEM_CODES.items()]


def test_the_warnings_are_named():
    sources = "".join(path.read_text() for path in (ROOT / "plugins/module_utils/_core/x509").glob("*.py"))
    warnings = sorted(set(re.findall(r'\bwarning\(\s*"(\w+)"', sources)))
    section = text_of("docs/certificate-secrets.md").partition("\n## Problem codes\n")[2].partition("are warnings")[0]
    assert sorted(set(re.findall(r"`(\w+)`", section)) & set(PROBLEM_CODES)) == warnings


def test_the_file_names_are_true():
    for secret, file in table_rows(text_of("docs/operations.md"), "## File names"):
        assert f"{certificate_file_stem(secret.strip('`'))}.pem" == file.strip("`")


def test_the_fields_of_the_state_file_are_true():
    source = text_of("plugins/modules/rotation_record.py").partition('RETURN = r"""')[2].partition('"""')[0]
    fields = set(yaml.safe_load(source)["state"]["contains"])
    rows = table_rows(text_of("docs/operations.md"), "## The state file")
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row[0])} == fields


def test_the_iam_policy_allows_what_is_called():
    calls = set(re.findall(r'_call\(\s*"(\w+)"', text_of("plugins/module_utils/_ports/aws/secrets_manager.py")))
    assert calls
    needed = {"secretsmanager:" + "".join(part.capitalize() for part in call.split("_")) for call in calls}
    policy = next(
        json.loads(param.values[0]) for param in blocks("json") if param.id == "docs/security.md"
    )  # the first one
    allowed = {action for statement in policy["Statement"] for action in statement["Action"]}
    assert allowed == needed


def test_the_iam_policy_for_who_stores_allows_what_is_called():
    sources = text_of("plugins/module_utils/_core/secrets/plan.py") + text_of(
        "plugins/module_utils/_ports/aws/secret_writer.py"
    )
    # Versions without a label are asked for by others: who moves labels, who revokes.
    calls = set(re.findall(r'(?:Request|_call)\(\s*"([a-z_]+)"', sources)) - {"list_secret_version_ids"}
    assert len(calls) > 5
    needed = {"secretsmanager:" + "".join(part.capitalize() for part in call.split("_")) for call in calls}
    (policy,) = [json.loads(param.values[0]) for param in blocks("json") if param.id == "docs/storing-certificates.md"]
    assert {action for statement in policy["Statement"] for action in statement["Action"]} == needed
