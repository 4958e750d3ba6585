# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Many instances that boot at once, some of them killed: do they end with one authority?

Every instance is a process of its own that begins at a random moment. A third of them gets SIGKILL at a random moment
and is run again afterwards. Then there must be one authority: exactly the four secrets with one version each, keys that
match, certificates that verify, and the same answer for all.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import pathlib
import random
import signal
import sys
import tempfile
import time
import traceback
import typing as t
from datetime import datetime, timedelta, timezone

from ansible_collections.certops.rotation.plugins.module_utils._core.ca.profiles import KeySpec, Profile, Subject
from ansible_collections.certops.rotation.plugins.module_utils._core.shared_ca.state import LABELS, Names
from ansible_collections.certops.rotation.plugins.module_utils._flows.shared_ca.present import Wish, bring_about
from ansible_collections.certops.rotation.plugins.module_utils._flows.shared_ca.steward import ClientWish, Steward
from ansible_collections.certops.rotation.plugins.module_utils._ports.aws.shared_secrets import SharedSecrets
from ansible_collections.certops.rotation.tests.support.moto import MotoServer
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import load_pem_private_key

# moto looks whether a secret is there, then creates it: with one thread only, that is as atomic as in AWS.
_SERVER = """
import sys
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple
run_simple("127.0.0.1", int(sys.argv[1]), DomainDispatcherApplication(create_backend_app), threaded=False)
"""
CHANCE = random.Random()  # noqa: S311  # no secret comes of it
_EC = KeySpec("ec", 256)  # thousands of RSA keys would take hours, and prove nothing more
_SECRETS = {"ca-cert", "ca-key", "client-cert", "client-key"}


def bootstrap(client: t.Any, prefix: str) -> str:
    """What the module shared_ca does. Returns the fingerprint of the authority."""
    names = Names(prefix)
    store = SharedSecrets(client, lambda function: function, labels=LABELS)
    steward = Steward(store, names, datetime.now(timezone.utc).replace(microsecond=0))
    subject = Subject("Joblet-CA", "CA").name()
    admin = ClientWish("admin", Profile(Subject("admin-client", "admin").name(), _EC, timedelta(days=365)))
    wish = Wish(Profile(subject, _EC, timedelta(days=1095)), (admin,))
    state = bring_about(steward, wish, steward.look(["admin"]))
    assert state.current is not None
    assert state.current.certificate is not None
    return state.current.certificate.fingerprint_sha256


def start(client: t.Any, prefix: str, delay: float, answer: pathlib.Path) -> int:
    """Fork an instance. Returns its process id."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        time.sleep(delay)
        answer.write_text(bootstrap(client, prefix))
        status = 0
    except BaseException:  # noqa: BLE001  # a fork must not go on as its parent
        traceback.print_exc()
    finally:
        os._exit(status)


def one_round(client: t.Any, prefix: str, instances: int, spread: float, answers: pathlib.Path) -> int:
    """spread: seconds over which they begin. Returns how many were killed. Raises AssertionError."""
    paths = [answers / str(number) for number in range(instances)]
    pids = [start(client, prefix, CHANCE.uniform(0, spread), path) for path in paths]
    doomed = CHANCE.sample(pids, instances // 3)
    deaths = sorted((CHANCE.uniform(0, 2 * spread), pid) for pid in doomed)
    began = time.monotonic()
    for moment, pid in deaths:
        time.sleep(max(0.0, began + moment - time.monotonic()))
        with contextlib.suppress(ProcessLookupError):  # not waited for yet, so the id is still its own
            os.kill(pid, signal.SIGKILL)
    killed = 0
    for pid, path in zip(pids, paths):
        _pid, status = os.waitpid(pid, 0)
        if os.waitstatus_to_exitcode(status) == -signal.SIGKILL:
            killed += 1
            assert pid in doomed
            again = start(client, prefix, 0, path)
            _pid, status = os.waitpid(again, 0)
        assert os.waitstatus_to_exitcode(status) == 0, "an instance has failed"
    check(client, prefix, {path.read_text() for path in paths})
    return killed


def check(client: t.Any, prefix: str, answers: set[str]) -> None:
    """One authority, every certificate verifies to it, no torn pair, no extra version. Raises AssertionError."""
    listed = client.list_secrets(Filters=[{"Key": "name", "Values": [f"{prefix}/"]}], MaxResults=100)["SecretList"]
    assert {secret["Name"] for secret in listed} == {f"{prefix}/{name}" for name in _SECRETS}
    texts = {}
    for name in _SECRETS:
        versions = client.list_secret_version_ids(SecretId=f"{prefix}/{name}", IncludeDeprecated=True)["Versions"]
        assert [version["VersionStages"] for version in versions] == [["AWSCURRENT"]], f"{name}: extra versions"
        reply = client.get_secret_value(SecretId=f"{prefix}/{name}", VersionStage="AWSCURRENT")
        texts[name] = reply["SecretString"].encode()
    authority, leaf = (x509.load_pem_x509_certificate(texts[name]) for name in ("ca-cert", "client-cert"))
    for certificate, key in ((authority, "ca-key"), (leaf, "client-key")):
        assert load_pem_private_key(texts[key], None).public_key() == certificate.public_key(), f"{key}: torn pair"
        certificate.verify_directly_issued_by(authority)
    assert answers == {authority.fingerprint(hashes.SHA256()).hex()}, "instances have different authorities"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--instances", type=int, default=50)
    parser.add_argument("--spread", type=float, default=2.0, help="seconds over which the instances begin")
    parser.add_argument("--seed", type=int, default=None)
    arguments = parser.parse_args()
    CHANCE.seed(arguments.seed)
    server = MotoServer(command=[sys.executable, "-c", _SERVER])
    server.start()
    killed = 0
    began = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(dir="/tmp") as directory:
            for number in range(arguments.rounds):
                answers = pathlib.Path(directory, str(number))
                answers.mkdir()
                client = server.client()
                killed += one_round(client, f"round-{number}", arguments.instances, arguments.spread, answers)
    finally:
        server.stop()
    starts = arguments.rounds * arguments.instances
    print(
        f"{arguments.rounds} rounds of {arguments.instances} instances: {starts} starts, {killed} killed and run again,"
        f" each round one authority, 4 secrets, 4 versions ({time.monotonic() - began:.0f} s)"
    )


if __name__ == "__main__":
    main()
