# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a host takes into its files, by runs that are killed before they have done it."""

from __future__ import annotations

import datetime

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.ca.keys import quick_key
from ansible_collections.certops.rotation.plugins.module_utils._core.ca.profiles import Subject
from ansible_collections.certops.rotation.plugins.module_utils._core.shared_ca.state import Names
from ansible_collections.certops.rotation.plugins.module_utils._flows.shared_ca.install import install
from ansible_collections.certops.rotation.plugins.module_utils._flows.shared_ca.member import MemberWish
from ansible_collections.certops.rotation.plugins.module_utils._flows.shared_ca.supply import Supplier
from ansible_collections.certops.rotation.plugins.module_utils._ports.store.atomic import FileAttributes
from ansible_collections.certops.rotation.plugins.module_utils._ports.store.directory import CertificateDirectory
from ansible_collections.certops.rotation.plugins.module_utils._ports.store.embedded import EmbeddedAuthority
from ansible_collections.certops.rotation.plugins.module_utils._ports.store.shared_ca import MemberDirectory

AT = datetime.datetime(2026, 11, 22, 3, 0, tzinfo=datetime.timezone.utc)


class Killed(BaseException):
    """The process is gone."""


def run(path, *clients, killed=False, check_mode=False):
    """On a host with an authority of its own."""
    store = CertificateDirectory(str(path))
    directory = MemberDirectory(store)
    supplier = Supplier(
        wish=MemberWish(None, clients),
        names=Names("joblet"),
        store=None,
        on_unavailable="keep",
        embedded=EmbeddedAuthority(str(path)),
        subject=Subject("joblet-server"),
        key_type="ec",
        at=AT,
        warn_before=datetime.timedelta(0),
        make_key=quick_key,
        check_mode=check_mode,
    )
    if killed:
        directory.write = killed_at_once
    with store.locked(5, create=not check_mode):
        return install(directory, supplier, FileAttributes(0o600), ())


def killed_at_once(*_arguments):
    raise Killed


@pytest.mark.parametrize("is_remembered", [True, False])
def test_files_of_clients_are_removed_by_the_run_after_one_that_was_killed(tmp_path, is_remembered):
    path = tmp_path / "joblet"
    run(path, "admin", "ci")
    if not is_remembered:  # an earlier version has written them
        (path / ".certops" / "shared-ca.json").unlink()
    with pytest.raises(Killed):
        run(path, "admin", killed=True)
    assert (path / "client-ci-key.pem").exists()
    predicted = run(path, "admin", check_mode=True).stale
    assert run(path, "admin").stale == predicted
    assert sorted(file.name for file in path.rglob("*.pem")) == [
        "ca.pem",
        "ca.pem",
        "client-admin-cert.pem",
        "client-admin-key.pem",
        "client-admin.pem",
    ]
    assert run(path, "admin").stale == []


def test_what_a_killed_run_was_writing_is_removed_when_it_is_listed_no_more(tmp_path):
    path = tmp_path / "joblet"
    run(path)
    with pytest.raises(Killed):
        run(path, "ci", killed=True)
    # It got as far as one of two files.
    key = MemberDirectory(CertificateDirectory(str(path))).origin().clients["ci"]
    assert len(key) == 1
    run(path, "ci")
    (path / "client-ci-cert.pem").unlink()
    assert run(path).stale == ["client-ci-key.pem", "embedded/client-ci.pem"]
