# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page on AWX, command by command: the image's context is complete, and awx.awx configures AWX with what is real.

A registry is not here, so Podman is replaced by a program that notes how it is called; AWX is its REST API in memory.
"""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import typing as t

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.certops.rotation.tests.support import documented
from ansible_collections.certops.rotation.tests.support.awx_api import AwxApi
from botocore.configprovider import BOTOCORE_DEFAUT_SESSION_VARIABLES
from botocore.credentials import EnvProvider
from dateutil.rrule import rrulestr

ROOT = documented.ROOT
EXAMPLES = ROOT / "examples" / "awx"
BUILD, CONFIGURE = documented.commands("awx.md")

PODMAN = f"""#!{sys.executable}
import pathlib, sys
arguments = sys.argv[1:]
if arguments[0] == "build":
    assert pathlib.Path(arguments[arguments.index("-f") + 1]).is_file()
    assert pathlib.Path(arguments[-1]).is_dir()
with open("podman.log", "a") as log:
    print(*arguments, file=log)
"""

QUESTION_TYPES = {"text", "textarea", "password", "integer", "float", "multiplechoice", "multiselect"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A copy of the examples, with Podman."""
    directory = tmp_path_factory.mktemp("awx")
    shutil.copytree(EXAMPLES, directory, dirs_exist_ok=True)
    shutil.copy(EXAMPLES.parent / "execution-environment.yml", directory)
    (directory / "bin").mkdir()
    (directory / "bin" / "podman").write_text(PODMAN)
    (directory / "bin" / "podman").chmod(0o700)
    (directory / "token").write_text("a token\n")
    return directory


def run(script: str, place: pathlib.Path) -> str:
    env = {
        "PATH": os.pathsep.join([str(place / "bin"), str(pathlib.Path(sys.executable).parent), os.environ["PATH"]]),
        "ANSIBLE_COLLECTIONS_PATH": str(place / "collections"),
        "AWS_ACCESS_KEY_ID": "the key",
        "AWS_SECRET_ACCESS_KEY": "the secret",
    }
    ended = documented.shell(script, place, env)
    assert ended.returncode == 0, ended.stdout
    return ended.stdout


def test_the_image_has_all_that_is_needed(place: pathlib.Path) -> None:
    run(BUILD, place)
    built, pushed = (place / "podman.log").read_text().splitlines()
    image = yaml.safe_load((place / "controller.yml").read_text().replace("!unsafe ", ""))[
        "controller_execution_environments"
    ][0]["image"]
    assert f"-t {image} context" in built
    assert pushed == f"push {image}"

    context = place / "context"
    containerfile = (context / "Containerfile").read_text()
    assert re.search(r'^ARG ANSIBLE_INSTALL_REFS="ansible-core>=2.18 ansible-runner"$', containerfile, re.MULTILINE)
    assert 'ARG PYCMD="/usr/bin/python3.12"' in containerfile
    steps = ("ansible-galaxy collection install", "introspect.py introspect", "assemble", "install-from-bindep")
    positions = [containerfile.index(step) for step in steps]
    assert positions == sorted(positions)
    asked = yaml.safe_load((context / "_build" / "requirements.yml").read_text())
    assert asked == {"collections": [{"name": "certops.rotation"}]}

    # What the image's build does with the collection, by the scripts of the context.
    archive = documented.build_collection(place)
    install = f"ansible-galaxy collection install {archive} --collections-path {place}/share --no-deps"
    introspect = (
        f"python context/_build/scripts/introspect.py introspect {place}/share"
        " --write-bindep=bindep.txt --write-pip=requirements.txt"
    )
    run(f"{install}\n{introspect}\npip install --dry-run -r requirements.txt\n", place)
    wanted = set(re.findall(r"^[\w-]+", (place / "requirements.txt").read_text(), re.MULTILINE))
    of_aws = {"boto3", "botocore", "jmespath"}
    of_watching = {"psycopg", "PyMySQL", "pyOpenSSL", "SQLAlchemy"}
    assert wanted == {"acme", "cryptography", "dnspython", "idna", "prometheus_client"} | of_aws | of_watching
    bindep = [pathlib.Path(sys.executable).with_name("bindep"), "-l", "newline", "-f", "bindep.txt"]
    packages = subprocess.run(bindep, cwd=place, capture_output=True, text=True, check=True).stdout.split()
    assert "ca-certificates" in packages
    assert {"openssh-client", "openssh-clients"} & set(packages)


@pytest.fixture(scope="module")
def awx(place: pathlib.Path) -> t.Iterator[AwxApi]:
    """What configure.yml makes of it."""
    with AwxApi() as api:
        organization = api.create("organizations", name="Default")["id"]
        machine = api.create("credential_types", name="Machine")["id"]
        api.create("credentials", name="HAProxy hosts", credential_type=machine, organization=organization)
        assert "https://awx.example.com" in CONFIGURE
        here = CONFIGURE.replace("https://awx.example.com", api.url)
        assert "the secret" not in run(here, place)
        assert api.tokens == {"Bearer a token"}
        yield api


def test_everything_is_connected(awx: AwxApi) -> None:
    for template in awx.objects["job_templates"]:
        assert awx.name("projects", template["project"]) == "Certificates"
        assert awx.name("inventories", template["inventory"]) == "HAProxy"
        assert awx.name("execution_environments", template["execution_environment"]) == "Certificates"
        names = {awx.name("credentials", number) for number in template["credentials"]}
        assert names == {"HAProxy hosts", "Certificates in AWS"}
        assert (template["job_type"] == "check") is template["name"].startswith("Plan")
    (source,) = awx.objects["inventory_sources"]
    assert awx.name("projects", source["source_project"]) == "Certificates"
    assert (EXAMPLES / "project" / source["source_path"]).is_file()


def test_the_credential_is_where_boto3_reads_it(awx: AwxApi) -> None:
    kind = awx.named("credential_types")["AWS with region"]
    read = {EnvProvider.ACCESS_KEY, EnvProvider.SECRET_KEY, *EnvProvider.TOKENS}
    for variable in BOTOCORE_DEFAUT_SESSION_VARIABLES.values():
        read |= {variable[1]} if isinstance(variable[1], str) else set(variable[1] or [])
    injected = kind["injectors"]["env"]
    assert set(injected) <= read
    fields = {field["id"]: field for field in kind["inputs"]["fields"]}
    assert set(kind["inputs"]["required"]) <= set(fields)
    assert [re.sub(r"^{{ (\w+) }}$", r"\1", text) for text in injected.values()] == list(fields)
    assert {name for name, field in fields.items() if field.get("secret")} == {"secret_key", "session_token"}
    credential = awx.named("credentials")["Certificates in AWS"]
    assert credential["credential_type"] == kind["id"]
    assert set(credential["inputs"]) == set(fields)
    assert credential["inputs"]["secret_key"] == "the secret"


def eda() -> dict[str, t.Any]:
    text = (EXAMPLES / "eda.yml").read_text().replace("!unsafe ", "")
    return dict(yaml.safe_load(text))


def test_the_activations_run_what_there_is(awx: AwxApi) -> None:
    """Rulebooks that are the collection's own, with job templates in the place of playbooks."""
    found = eda()
    names = {kind: {each["name"] for each in found[f"eda_{kind}"]} for kind in ("projects", "decision_environments")}
    credentials = {each["name"] for each in found["eda_credentials"]} | {"AWX"}
    ours = EXAMPLES / "project" / "extensions" / "eda" / "rulebooks"
    templates = awx.named("job_templates")
    (project,) = found["eda_projects"]
    assert project["url"] == awx.named("projects")["Certificates"]["scm_url"]
    assert {each["rulebook_name"] for each in found["eda_rulebook_activations"]} == {
        path.name for path in ours.glob("*.yml")
    }
    for activation in found["eda_rulebook_activations"]:
        assert activation["project_name"] in names["projects"]
        assert activation["decision_environment_name"] in names["decision_environments"]
        assert set(activation["credentials"]) <= credentials
        assert activation["restart_policy"] == "always"
        texts = [place / activation["rulebook_name"] for place in (ours, ROOT / "extensions" / "eda" / "rulebooks")]
        (here,), (there,) = (yaml.safe_load(path.read_text()) for path in texts)
        named = set(re.findall(r"\b(?:events)_[a-z_]+\b", json.dumps(there["sources"])))
        assert set(activation["extra_vars"]) <= named
        (action,), (playbook,) = ([rule.pop("action") for rule in ruleset["rules"]] for ruleset in (here, there))
        assert here == there, "it listens to the same, and by the same rules"
        template = templates[action["run_job_template"]["name"]]
        assert template["playbook"] == f"{playbook['run_playbook']['name'].rpartition('.')[2]}.yml"
        assert action["run_job_template"]["include_events"] is False, "the template does not ask for variables"


def test_the_credentials_of_events_are_those_of_jobs(awx: AwxApi) -> None:
    (kind,) = eda()["eda_credential_types"]
    of_jobs = awx.named("credential_types")[kind["name"]]
    assert (kind["inputs"], kind["injectors"]) == (of_jobs["inputs"], of_jobs["injectors"])


def test_all_data_of_the_activations_is_used() -> None:
    text = (EXAMPLES / "configure_eda.yml").read_text()
    (play,) = yaml.safe_load(text)
    loops = {task["loop"]: task for task in play["tasks"]}
    for name, items in eda().items():
        task = loops[f"{{{{ {name} }}}}"]
        used = set(re.findall(r"\bitem\.(\w+)", json.dumps(task)))
        for item in items:
            assert set(item) == used, name


def role_options(playbook: str) -> tuple[set[str], dict[str, t.Any]]:
    """The variables of a playbook of the collection, and those of the roles that it uses with their specification."""
    text = (ROOT / "playbooks" / f"{playbook}.yml").read_text()
    own = set(re.findall(rf"\b(?:rotation|{playbook})_[a-z_]+\b", text))
    options: dict[str, t.Any] = {}
    for role in set(re.findall(r"(?:role|name): certops\.rotation\.(\w+)", text)):
        specs = yaml.safe_load((ROOT / "roles" / role / "meta" / "argument_specs.yml").read_text())
        options |= specs["argument_specs"]["main"]["options"]
    return own, options


def test_the_job_templates_run_what_there_is(awx: AwxApi) -> None:
    templates = awx.named("job_templates")
    assert {template["playbook"] for template in templates.values()} == {
        path.name for path in (EXAMPLES / "project").glob("*.yml") if path.name != "inventory.yml"
    }
    for name, template in templates.items():
        *_before, play = yaml.safe_load((EXAMPLES / "project" / template["playbook"]).read_text())
        playbook = play["ansible.builtin.import_playbook"].removeprefix("certops.rotation.")
        own, options = role_options(playbook)
        extra_vars = json.loads(template["extra_vars"])
        questions = template.get("survey_spec", {}).get("spec", [])
        assert template["survey_enabled"] is bool(questions)
        asked = {question["variable"] for question in questions}
        assert {*asked, *extra_vars} <= own | set(options), name
        answers = {question["variable"]: example_answer(question) for question in questions}
        given = {key: value for key, value in {**extra_vars, **answers}.items() if key in options}
        wanted = {key: {**option, "required": False} for key, option in options.items()}
        errors = ArgumentSpecValidator(without_documentation(wanted)).validate(given).error_messages
        assert errors == [], name


def example_answer(question: dict[str, t.Any]) -> t.Any:
    """All choices, the last choice, or the name of a secret."""
    assert question["type"] in QUESTION_TYPES
    assert {"question_name", "question_description", "required"} <= set(question)
    if question["type"] == "multiselect":
        return question["choices"]
    assert question["required"], "AWX sends an empty text for what is left out, and that would be a value"
    if question["type"] == "multiplechoice":
        assert question["default"] in question["choices"]
        return question["choices"][-1]
    assert question["min"] > 0
    return "web/a"


def without_documentation(options: dict[str, t.Any]) -> dict[str, t.Any]:
    """A role's specification as that of a module."""
    known = ("type", "elements", "choices", "default", "required", "no_log")
    spec = {}
    for name, option in options.items():
        spec[name] = {key: value for key, value in option.items() if key in known}
        if "options" in option:
            spec[name]["options"] = without_documentation(option["options"])
    return spec


def test_the_schedules_run(awx: AwxApi) -> None:
    templates = awx.named("job_templates")
    for schedule in awx.objects["schedules"]:
        template = templates[awx.name("job_templates", schedule["unified_job_template"])]
        questions = template.get("survey_spec", {}).get("spec", [])
        assert not any(question["required"] for question in questions), "nobody is there to answer"
        start, rule = schedule["rrule"].split(" ")
        assert re.fullmatch(r"DTSTART(:\d{8}T\d{6}Z|;TZID=\w+/\w+:\d{8}T\d{6})", start), "AWX needs a time zone"
        assert "INTERVAL=" in rule, "AWX needs it"
        assert rrulestr(f"{start}\n{rule}")[100]


def test_the_inventory_of_the_project() -> None:
    inventory = yaml.safe_load((EXAMPLES / "project" / "inventory.yml").read_text())
    variables = inventory["haproxy"]["vars"]
    options = role_options("rotate")[1]
    given = {name: value for name, value in variables.items() if not name.startswith("ansible_")}
    validated = ArgumentSpecValidator(without_documentation(options)).validate(given)
    assert validated.error_messages == []
