# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role in plays of one's own: called again, without what metrics need, and with values that no_log censors."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.certops.rotation.tests.support import rotation
from ansible_collections.certops.rotation.tests.support.moto import REGION, MotoServer
from ansible_collections.certops.rotation.tests.support.playbook import run_playbook
from ansible_collections.certops.rotation.tests.support.prometheus import samples

ROLE = "certops.rotation.haproxy_certificates"
ROTATE: dict[str, t.Any] = {"name": "Rotate", "ansible.builtin.include_role": {"name": ROLE}}


def play(*tasks: t.Mapping[str, t.Any], **more: t.Any) -> list[dict[str, t.Any]]:
    return [{"hosts": "haproxy", "gather_facts": False, "tasks": list(tasks), **more}]


def command(*argv: object, **more: t.Any) -> dict[str, t.Any]:
    return {"ansible.builtin.command": {"argv": [str(each) for each in argv]}, **more}


def shown(variable: str) -> dict[str, t.Any]:
    return {"name": f"Show {variable}", "ansible.builtin.debug": {"var": variable}}


@pytest.mark.usefixtures("ansible_version")
def test_called_again_after_a_rescued_rollback_and_for_another_haproxy(aws: MotoServer) -> None:
    """No call remembers what an earlier one of the same play has found."""
    with rotation.scene(aws) as first, rotation.scene(aws) as second:
        old = first.store("a")
        assert first.rotate().returncode == 0
        new = first.store("a")
        with rotation.another_program(first, "a.example.com") as address:
            run = run_playbook(
                first.variables,
                playbook=play(
                    {
                        "block": [{**ROTATE, "vars": {"haproxy_certificates_binds": [address]}}],
                        "rescue": [
                            {"ansible.builtin.set_fact": {"rescued": "{{ haproxy_certificates_result }}"}},
                            command("cp", first.file("a"), first.haproxy.directory / "gone-back.pem"),
                            ROTATE,
                        ],
                    },
                    shown("rescued"),
                    shown("haproxy_certificates_result"),
                    {**ROTATE, "vars": second.variables},
                    ROTATE,
                ),
                env=aws.env,
            )
        assert run.returncode == 0, run.output
        walks = [task.result for task in run.of("haproxy_rotation")]
        assert [walk["rolled_back"] for walk in walks] == [["web/a"], [], [], []]
        assert [walk["proven"] for walk in walks] == [[], ["web/a"], ["web/a"], []]
        assert [walk["changed"] for walk in walks] == [True, True, True, False]
        assert (first.haproxy.directory / "gone-back.pem").read_text() == old.combined_pem
        for scene in (first, second):
            assert scene.served("a") == new.fingerprint_sha256
            assert scene.state()["outcome"] == "proven"
        # What the role publishes is what the module returned, with what makes a task of it.
        for variable, walk in (("rescued", walks[0]), ("haproxy_certificates_result", walks[1])):
            (published,) = [task.result[variable] for task in run.tasks if task.task == f"Show {variable}"]
            assert {name: published[name] for name in walk.keys() - {"failed_when_result", "invocation"}} == {
                name: walk[name] for name in walk.keys() - {"failed_when_result", "invocation"}
            }


@pytest.mark.parametrize("cause", ["no library", "no place"])
def test_metrics_never_stop_a_rotation(scene: rotation.Scene, tmp_path: pathlib.Path, cause: str) -> None:
    """It rotates, proves and records, and fails at its end; the next run finds nothing to do, and fails for it, too."""
    textfile, env = tmp_path / "rotation.prom", {}
    if cause == "no library":
        # The first one on the path is the one that counts, and this one is much too old.
        facts = tmp_path / "path/prometheus_client-0.0.1.dist-info"
        facts.mkdir(parents=True)
        (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: prometheus_client\nVersion: 0.0.1\n")
        (tmp_path / "path/prometheus_client.py").write_text("raise ImportError('it is hidden')\n")
        env["PYTHONPATH"] = str(tmp_path / "path")
    else:
        textfile = tmp_path / "nowhere/rotation.prom"
    why = "prometheus_client" if cause == "no library" else str(tmp_path / "nowhere")
    scene.variables["haproxy_certificates_metrics_textfile"] = str(textfile)
    issued = scene.store("a")
    for changed in (True, False):
        run = run_playbook(scene.variables, env={**scene.aws.env, **env})
        assert run.returncode == 2
        assert run.error.startswith("The metrics were not written: ")
        assert why in run.error
        walk = run.result("haproxy_rotation")
        assert (walk["changed"], walk["proven"]) == (changed, ["web/a"] if changed else [])
        assert walk["error"] == run.error
        assert (walk["activation_error"], walk["failures"]) == ("", [])
        assert scene.served("a") == issued.fingerprint_sha256
        assert (scene.state()["outcome"], scene.state()["last_success_at"] is not None) == ("proven", True)
        assert not textfile.exists()
    predicted = run_playbook(scene.variables, env={**scene.aws.env, **env}, check=True)
    assert predicted.returncode == 2, predicted.output
    assert why in predicted.error

    textfile.parent.mkdir(exist_ok=True)
    run = scene.rotate()
    assert (run.returncode, run.changed) == (0, []), run.output
    # What could be remembered was counted, though nobody could read it.
    counted = {"no library": 1, "no place": 3}
    assert samples(textfile.read_text())['cert_sync_operations_total{status="success"}'] == counted[cause]


def test_what_no_log_censors_is_not_what_the_next_step_works_with(scene: rotation.Scene) -> None:
    """The access keys are what emulators are told, and a secret has their text in its name, its path and its domain."""
    old = scene.authority.issue("test.example.com")
    scene.aws.put_secret("test/www", old.secret_document())
    keys = {"access_key": "test", "secret_key": "test", "region": REGION, "endpoint_url": scene.aws.endpoint_url}
    variables = {
        **scene.variables,
        "haproxy_certificates_aws": keys,
        "haproxy_certificates_name_prefix": "test/",
    }
    path = scene.haproxy.certs_dir / "test_www.pem"
    env = {name: value for name, value in scene.aws.env.items() if "KEY" not in name and "ENDPOINT" not in name}

    def rotate(**more: t.Any) -> int:
        given = {**variables, **{f"haproxy_certificates_{name}": value for name, value in more.items()}}
        return run_playbook(given, env=env).returncode

    assert rotate() == 0
    assert path.read_text() == old.combined_pem
    assert scene.served("test") == old.fingerprint_sha256
    assert scene.state()["newly_proven"] == list(scene.state()["certificates"]) == ["test/www"]

    # Gone back, renewed, and removed.
    shadow = scene.haproxy.certs_dir / "aaa.pem"
    shadow.write_text(old.combined_pem)
    assert scene.haproxy.reload()
    new = scene.authority.issue("test.example.com")
    scene.aws.put_secret("test/www", new.secret_document())
    assert rotate() == 2
    assert path.read_text() == old.combined_pem
    assert scene.state()["outcome"] == "rolled_back"
    shadow.unlink()
    assert scene.haproxy.reload()
    assert rotate() == 0
    assert scene.served("test") == new.fingerprint_sha256
    scene.aws.client().delete_secret(SecretId="test/www", ForceDeleteWithoutRecovery=True)
    scene.aws.put_secret("test/other", scene.authority.issue("other.example.com").secret_document())
    assert rotate(prune=True) == 0
    assert not path.exists()
    assert str(path) not in scene.haproxy.execute("show ssl cert")


def test_both_sources_and_no_source_at_all_end_with_the_same_result(scene: rotation.Scene) -> None:
    """The host asks AWS, the controller asks it, or nobody does: the fields are the same ones."""
    scene.store("a")
    fields = set()
    for source in ("host", "controller"):
        run = scene.rotate(source=source)
        assert run.returncode == 0, run.output
        walk = run.result("haproxy_rotation")
        assert walk["source"] == source
        fields.add(frozenset(walk.keys() - {"diff", "invocation"}))
    run = scene.rotate(name_prefix="")
    assert run.returncode == 2
    assert "Nothing is selected" in run.error
    assert "nothing_found" in scene.state()["failures"][0]
    told_by_ansible = {"msg", "failed", "exception", "failed_when_suppressed_exception"}
    fields.add(frozenset(run.result("haproxy_rotation").keys() - {"diff", "invocation", *told_by_ansible}))
    assert len(fields) == 1, frozenset.union(*fields) - frozenset.intersection(*fields)
    assert run.result("haproxy_rotation")["api_calls"] == {}
