# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which texts are told to ansible-core as secrets."""

from __future__ import annotations

import base64

from ansible_collections.certops.rotation.plugins.module_utils._module.masking import secret_forms
from ansible_collections.certops.rotation.tests.support import pki


def test_every_form_that_gives_a_key_away():
    pem = pki.private_key_pem(pki.new_key("rsa2048"))
    forms = secret_forms(pem)
    lines = [line for line in pem.splitlines() if "-----" not in line]
    assert set(lines[:-1]) <= set(forms), "a diff shows single lines"
    assert pem in forms
    assert pem.strip() in forms
    assert pem.strip().replace("\n", "\r\n") in forms
    assert base64.b64encode(pem.encode()).decode() in forms
    assert "".join(lines) in forms
    assert not [form for form in forms if len(form) < 16], "short texts occur elsewhere, too"
    assert not [form for form in forms if form.startswith("-----") and "\n" not in form and "\\n" not in form]
