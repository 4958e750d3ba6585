# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A shared authority in Secrets Manager, provided and removed, over a store in memory."""

from __future__ import annotations

import datetime

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.ca.profiles import KeySpec, Profile, Subject
from ansible_collections.certops.rotation.plugins.module_utils._core.shared_ca.state import Names
from ansible_collections.certops.rotation.plugins.module_utils._errors import SecretsManagerError
from ansible_collections.certops.rotation.plugins.module_utils._flows.shared_ca.overlay import Overlay
from ansible_collections.certops.rotation.plugins.module_utils._flows.shared_ca.present import Wish
from ansible_collections.certops.rotation.plugins.module_utils._flows.shared_ca.steward import ClientWish
from ansible_collections.certops.rotation.plugins.module_utils._flows.shared_ca.stored_authority import (
    AuthorityProvider,
    Presence,
    Restoration,
)

AT = datetime.datetime(2026, 11, 22, 3, 0, tzinfo=datetime.timezone.utc)
DAY = datetime.timedelta(days=1)
EC = KeySpec("ec", 256)
FOUR = ["ca-cert", "ca-key", "client-cert", "client-key"]


class Source(Overlay):
    """Secrets Manager. properties: operations for each secret, which it is asked for; failure: of the listing."""

    def __init__(self, properties=(), failure=None):
        super().__init__()
        self.asked, self.deleted = [], []
        self._properties, self._failure = list(properties), failure

    def names(self, prefix):
        if self._failure:
            raise SecretsManagerError("No.", self._failure, None)
        return sorted(name for name in self._changed if name.startswith(prefix))

    def stored(self):
        return sorted(self._changed)

    def bring_properties(self, name, *, restore, dry):
        self.asked.append((name, restore, dry))
        return self._properties

    def delete(self, name, recovery_window, *, dry):
        if not dry:
            self.deleted.append((name, recovery_window))
        return self.fetch(name) is not None


def wish(*clients, days=365, **options):
    profiles = [ClientWish(name, Profile(Subject(name).name(), EC, days * DAY)) for name in clients]
    return Wish(Profile(Subject("CA").name(), EC, 1095 * DAY), tuple(profiles), **options)


def asked(source, check_mode=False, warnings=None):
    told = [] if warnings is None else warnings
    return AuthorityProvider(source, Names("joblet"), lambda: AT, told.append, check_mode)


def provide(source, wanted=None, *, check_mode=False, warnings=None, warn_before=DAY, properties=False, restore=False):
    authority = asked(source, check_mode, warnings)
    return authority.provide(wanted or wish("admin"), warn_before, properties=properties, restore=restore)


def provided(*clients):
    source = Source()
    provide(source, wish(*clients))
    return source


# Provided


def test_check_mode_foretells_and_writes_nothing():
    source = Source()
    report = provide(source, check_mode=True)
    assert source.stored() == []
    result = report.as_result()
    assert (result["changed"], result["items"]) == (True, dict.fromkeys(FOUR, "generated"))
    assert (result["stage"], result["certificates"]) == ("absent", [])
    diff = report.diff()
    assert (diff["before"], diff["after"]["stage"]) == ({"stage": "absent", "certificates": {}}, "settled")


def test_the_second_run_retrieves_what_the_first_has_generated():
    source = Source()
    for check_mode, outcome in ((False, "generated"), (True, "retrieved"), (False, "retrieved")):
        report = provide(source, check_mode=check_mode)
        result = report.as_result()
        assert (result["changed"], result["items"]) == (outcome == "generated", dict.fromkeys(FOUR, outcome))
        assert (result["stage"], result["changes"]) == ("settled", [])
    assert report.diff()["before"] == report.diff()["after"]


def test_problems_are_told_but_not_of_what_would_be_replaced():
    source, warnings = provided("admin"), []
    provide(source, warn_before=2000 * DAY, warnings=warnings)
    assert [line.partition(":")[0] for line in warnings] == ["ca", "admin"]
    assert warnings[1].endswith("[expires_too_soon]")
    foretold = []
    report = provide(source, wish("admin", force=True), warn_before=2000 * DAY, check_mode=True, warnings=foretold)
    assert (report.changed, foretold) == (True, [])


@pytest.mark.parametrize("options", [{"force": True}, {"renew_expired": True}])
def test_clients_whom_nobody_has_named_follow_a_replaced_authority(options):
    source = provided("admin", "ci")
    before = source.fetch("joblet/client-cert-ci").labels["AWSCURRENT"]
    at = AT if "force" in options else AT + 1100 * DAY
    authority = AuthorityProvider(source, Names("joblet"), lambda: at, [].append, check_mode=False)
    report = authority.provide(wish("admin", **options), DAY, properties=False, restore=False)
    assert report.as_result()["items"]["client-cert-ci"] == "renewed"
    assert source.fetch("joblet/client-cert-ci").labels["AWSCURRENT"] != before


def test_properties_are_looked_at_only_where_they_are_given():
    source = Source(["TagResource"])
    assert provide(source).as_result()["changes"] == []
    assert source.asked == []
    report = provide(source, properties=True)
    assert (report.changed, report.changes) == (True, ["TagResource"] * 5)
    names = ["crl", "client-cert", "client-key", "ca-cert", "ca-key"]
    assert source.asked == [(f"joblet/{name}", False, False) for name in names]


def test_check_mode_does_not_read_what_a_run_would_restore():
    source = Source(["RestoreSecret"])
    source.fetch = None
    report = provide(source, check_mode=True, restore=True)
    assert isinstance(report, Restoration)
    assert report.as_result() == {
        "changed": True,
        "prefix": "joblet",
        "items": {},
        "changes": ["RestoreSecret"] * 5,
    }
    assert report.diff() == {"before": {}, "after": {"changes": ["RestoreSecret"] * 5}}
    assert {(restore, dry) for _name, restore, dry in source.asked} == {(True, True)}


def test_a_run_restores_and_goes_on():
    report = provide(Source(["RestoreSecret"]), restore=True)
    assert isinstance(report, Presence)
    assert report.as_result()["items"] == dict.fromkeys(FOUR, "generated")


# Removed


def test_all_clients_are_removed_in_the_reverse_order_of_their_making():
    source = provided("admin", "ci")
    foretold = asked(source, check_mode=True).remove(["admin"], 7)
    assert source.deleted == []
    names = ["client-cert", "client-key", "client-cert-ci", "client-key-ci", "ca-cert", "ca-key"]
    report = asked(source).remove(["admin"], 7)
    assert report.as_result() == foretold.as_result()
    assert report.as_result() == {"changed": True, "prefix": "joblet", "items": dict.fromkeys(names, "removed")}
    secrets = [f"joblet/{name}" for name in names]
    assert report.diff() == {"before": {"secrets": secrets}, "after": {"secrets": []}}
    assert [(name, days) for name, days in source.deleted if name in secrets] == [(name, 7) for name in secrets]


def test_nothing_to_remove():
    report = asked(Source()).remove(["admin"], 30)
    assert report.as_result() == {"changed": False, "prefix": "joblet", "items": {}}


# Clients that nobody has named


def test_a_listing_that_is_denied_is_told():
    warnings = []
    asked(Source(failure="AccessDeniedException"), warnings=warnings).remove(["admin"], 7)
    assert len(warnings) == 1
    assert warnings[0].startswith("secretsmanager:ListSecrets is denied, so only the clients that are named are seen.")


def test_a_listing_that_fails_otherwise_is_an_error():
    with pytest.raises(SecretsManagerError):
        asked(Source(failure="InternalServiceError")).remove(["admin"], 7)
