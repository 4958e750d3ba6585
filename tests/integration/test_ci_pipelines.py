# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The example pipelines step by step, in a repository of their own, against a real HAProxy.

What a step calls is real: pip, ansible-galaxy (which gets the collection as a tarball), ansible-lint, ansible-playbook.
Actions from elsewhere are done here by the few lines that they stand for. All output is searched for private keys.
"""

from __future__ import annotations

import json
import pathlib
import re
import shutil
import subprocess
import sys
import typing as t

import pytest
import yaml
from ansible_collections.certops.rotation.tests.support import documented, rotation

EXAMPLES = documented.ROOT / "examples" / "ci"


def pipeline(name: str) -> dict[str, t.Any]:
    """An example, with roles of the account that the emulator's secrets are in: it keeps accounts apart."""
    text = (EXAMPLES / name).read_text(encoding="utf-8").replace("111122223333", "123456789012")
    return dict(yaml.load(text, yaml.BaseLoader))


GITHUB = pipeline("github-actions.yml")
GITLAB = pipeline("gitlab-ci.yml")
PLACES = {"github": ".github/workflows/certificates.yml", "gitlab": ".gitlab-ci.yml"}


class Indented(yaml.SafeDumper):
    """Indents lists, as linters want it."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def as_yaml(value: t.Any) -> str:
    return yaml.dump(value, Dumper=Indented, explicit_start=True)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return documented.build_collection(tmp_path_factory.mktemp("galaxy"))


class Repository:
    """The files that the page names, in a directory. env: what the runner has."""

    def __init__(self, scene: rotation.Scene, directory: pathlib.Path, archive: pathlib.Path, kind: str) -> None:
        self.directory = directory
        pipeline = directory / PLACES[kind]
        pipeline.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(EXAMPLES / {"github": "github-actions.yml", "gitlab": "gitlab-ci.yml"}[kind], pipeline)
        shutil.copy(EXAMPLES / "requirements.txt", directory)
        collections = [{"name": str(archive), "type": "file"}]
        (directory / "requirements.yml").write_text(as_yaml({"collections": collections}))
        local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        hosts = {"hosts": {"haproxy1.example.com": {}}, "vars": {**local, **scene.variables}}
        (directory / "inventory.yml").write_text(as_yaml({"haproxy": hosts}))
        aws = {name: value for name, value in scene.aws.env.items() if "KEY" not in name and "REGION" not in name}
        self.env = {**aws, "ANSIBLE_COLLECTIONS_PATH": str(directory.parent / "collections"), "ANSIBLE_NOCOLOR": "true"}


@pytest.fixture
def repository(
    scene: rotation.Scene, tmp_path: pathlib.Path, archive: pathlib.Path, request: pytest.FixtureRequest
) -> Repository:
    directory = tmp_path / "repository"
    directory.mkdir()
    return Repository(scene, directory, archive, request.param)


class Ended(t.NamedTuple):
    """is_good: whether no step failed; output: of all steps; outputs, summary: as GitHub has them."""

    is_good: bool
    output: str
    outputs: dict[str, str]
    summary: str


class Github:
    """Runs jobs as a runner of GitHub does."""

    def __init__(self, repository: Repository, scene: rotation.Scene) -> None:
        self._repository = repository
        self._scene = scene
        self._is_installed = False

    def job(self, name: str) -> Ended:
        job = GITHUB["jobs"][name]
        variables = dict(GITHUB["env"])
        files = {key: self._repository.directory.parent / key for key in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
        for file in files.values():
            file.write_text("")
        is_good, output = True, ""
        for step in job["steps"]:
            if not is_good and step.get("if") != "always()":
                continue
            if "uses" in step:
                variables |= self._use(step, variables, job)
                continue
            if step["name"] == "Install" and self._is_installed:
                continue  # here, all jobs are on one machine
            self._is_installed = True
            assert "${{" not in step["run"], "what others can write is no shell code"
            env = {**self._repository.env, **variables, **{key: str(file) for key, file in files.items()}}
            ended = documented.shell(step["run"], self._repository.directory, env)
            output += ended.stdout
            is_good = is_good and ended.returncode == 0
        written = dict(line.split("=", 1) for line in files["GITHUB_OUTPUT"].read_text().splitlines())
        ids = {f"${{{{ steps.publish.outputs.{key} }}}}": value for key, value in written.items()}
        outputs = {key: ids.get(expression, "") for key, expression in job.get("outputs", {}).items()}
        return Ended(is_good, output, outputs, files["GITHUB_STEP_SUMMARY"].read_text())

    def _use(self, step: dict[str, t.Any], variables: dict[str, str], job: dict[str, t.Any]) -> dict[str, str]:
        """The environment that an action leaves."""
        action = step["uses"].partition("@")[0]
        if action in ("actions/checkout", "actions/setup-python"):
            return {}
        assert action == "aws-actions/configure-aws-credentials"
        assert job["permissions"]["id-token"] == "write"
        options = step["with"]
        assert options["aws-region"] == "${{ env.AWS_REGION }}"
        keys = self._scene.aws.client("sts").assume_role_with_web_identity(
            RoleArn=options["role-to-assume"], RoleSessionName="GitHubActions", WebIdentityToken="token"
        )["Credentials"]
        region = variables["AWS_REGION"]
        return {
            "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
            "AWS_SESSION_TOKEN": keys["SessionToken"],
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
        }


def plan_of(output: str) -> dict[str, tuple[str, str]]:
    """Certificate -> (action, day on which it expires)."""
    rows = re.findall(r'^\s+"(\w+) +(\d{4}-\d\d-\d\d)?\S* +-?\d* +(web/\w+)', output, re.MULTILINE)
    return {name: (action, day) for action, day, name in rows}


@pytest.mark.parametrize("repository", ["github"], indirect=True)
def test_github_actions(repository: Repository, scene: rotation.Scene) -> None:
    issued = scene.store("a")
    scene.store("b", private_key="no key")
    github = Github(repository, scene)
    linted = github.job("lint")
    assert linted.is_good, linted.output

    planned = github.job("plan")
    assert not planned.is_good, planned.output
    expires = issued.certificate.not_valid_after_utc.strftime("%Y-%m-%d")
    assert plan_of(planned.output) == {"web/a": ("created", expires), "web/b": ("refused", "")}
    assert planned.outputs == {"has_changes": "true"}
    assert "Show the plan" in planned.summary
    assert not scene.file("a").exists()

    applied = github.job("apply")
    assert not applied.is_good
    assert "web/b: The field 'private_key' holds no PEM block" in applied.output
    assert "PLAY [Is the rotation of certificates as it should be?]" in applied.output, "always"
    assert scene.served("a") == issued.fingerprint_sha256

    # As the page says to try it; now there is nothing to do.
    scene.aws.client().delete_secret(SecretId="web/b", ForceDeleteWithoutRecovery=True)
    tried = documented.shell(documented.commands("ci.md")[0], repository.directory, {**scene.aws.env, **repository.env})
    assert tried.returncode == 0, tried.stdout
    assert plan_of(tried.stdout) == {"web/a": ("unchanged", expires)}
    assert "changed=0" in tried.stdout


def test_the_workflow_waits_for_an_approval() -> None:
    jobs = GITHUB["jobs"]
    assert jobs["plan"]["needs"] == "lint"
    assert set(jobs["apply"]["needs"]) == {"lint", "plan"}
    assert jobs["apply"]["environment"] == "production"
    assert "needs.plan.outputs.has_changes == 'true'" in jobs["apply"]["if"]
    assert "github.ref == 'refs/heads/main'" in jobs["apply"]["if"]
    assert GITHUB["permissions"] == {"contents": "read"}
    assert "secrets." not in json.dumps(GITHUB), "no stored keys"
    assert [step["if"] for step in jobs["apply"]["steps"] if step.get("name") == "Status"] == ["always()"]


def gitlab_job(repository: Repository, name: str, install: bool = False) -> subprocess.CompletedProcess[str]:
    """Run it as a runner of GitLab does: before_script and script in one shell, after_script in another.

    install: whether to run before_script, which is the same for all jobs, and here they are on one machine.
    """
    job = GITLAB[name]
    base = GITLAB[job["extends"]] if "extends" in job else {}
    predefined = {"CI_PROJECT_ID": "1", "CI_JOB_ID": "2", "CI_BUILDS_DIR": str(repository.directory.parent)}
    tokens = dict.fromkeys(base.get("id_tokens", {}), "a token of the job")
    variables = {**GITLAB["variables"], **base.get("variables", {}), **job.get("variables", {})}
    expanded = {key: re.sub(r"\$(\w+)", lambda found: predefined[found[1]], value) for key, value in variables.items()}
    env = {**repository.env, **predefined, **tokens, **expanded}
    script = "\n".join([*(GITLAB["default"]["before_script"] if install else []), *job["script"]])
    ended = documented.shell(script, repository.directory, env)
    after = documented.shell("\n".join(base.get("after_script", ["true"])), repository.directory, env)
    assert after.returncode == 0, after.stdout
    assert list(repository.directory.parent.glob("aws-token*")) == [], "the token is still there"
    return ended


@pytest.mark.parametrize("repository", ["gitlab"], indirect=True)
def test_gitlab(repository: Repository, scene: rotation.Scene) -> None:
    issued = scene.store("a")
    linted = gitlab_job(repository, "lint", install=True)
    assert linted.returncode == 0, linted.stdout

    planned = gitlab_job(repository, "plan")
    assert planned.returncode == 0, planned.stdout
    assert plan_of(planned.stdout)["web/a"][0] == "created"
    (artefact,) = GITLAB["plan"]["artifacts"]["paths"]
    assert plan_of((repository.directory / artefact).read_text()) == plan_of(planned.stdout)
    assert not scene.file("a").exists()

    applied = gitlab_job(repository, "apply")
    assert applied.returncode == 0, applied.stdout
    assert scene.served("a") == issued.fingerprint_sha256


def test_the_pipeline_waits_for_an_approval() -> None:
    assert GITLAB["stages"] == ["lint", "plan", "apply"]
    assert [GITLAB[name]["stage"] for name in GITLAB["stages"]] == GITLAB["stages"]
    (rule,) = GITLAB["apply"]["rules"]
    assert rule == {"if": "$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH", "when": "manual", "allow_failure": "false"}
    assert GITLAB["apply"]["environment"] == "production"
    # What ansible-playbook exits with for failed and unreachable hosts.
    assert GITLAB["plan"]["allow_failure"]["exit_codes"] == ["2", "4"]


@pytest.mark.parametrize(
    ("schema", "file", "options"),
    [
        ("vendor.github-workflows", "github-actions.yml", []),
        ("vendor.gitlab-ci", "gitlab-ci.yml", ["--data-transform", "gitlab-ci"]),
        ("vendor.github-workflows", "github-actions-issue.yml", []),
        ("vendor.gitlab-ci", "gitlab-ci-issue.yml", ["--data-transform", "gitlab-ci"]),
        ("vendor.github-workflows", "github-actions-push.yml", []),
        ("vendor.gitlab-ci", "gitlab-ci-push.yml", ["--data-transform", "gitlab-ci"]),
    ],
)
def test_they_are_valid(schema: str, file: str, options: list[str]) -> None:
    program = pathlib.Path(sys.executable).with_name("check-jsonschema")
    command = [program, "--builtin-schema", schema, EXAMPLES / file, *options]
    checked = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert checked.returncode == 0, checked.stdout + checked.stderr
