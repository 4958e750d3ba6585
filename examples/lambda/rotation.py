# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rotates certificates for AWS Secrets Manager, as a function of AWS Lambda. Its handler is rotation.handler.

The package has beside this file the collection, as ansible_collections/certops/rotation, and the libraries acme,
cryptography, dnspython and idna. Ansible is not needed. The environment of the function:

CERTOPS_ISSUE      options of the module certops.rotation.certificate_issue, as JSON
CERTOPS_CANARIES   endpoints of hosts that read AWSPENDING, as host:port with commas between them
"""

from __future__ import annotations

import os
import typing as t

import boto3
from ansible_collections.certops.rotation.plugins.module_utils._errors import RotationError
from ansible_collections.certops.rotation.plugins.module_utils._module.rotation_function import rotate


def handler(event: dict[str, t.Any], context: t.Any) -> str:
    try:
        done = rotate(
            event,
            left=lambda: context.get_remaining_time_in_millis() / 1000,
            issue=os.environ["CERTOPS_ISSUE"],
            canaries=os.environ["CERTOPS_CANARIES"],
            session=boto3.Session(),
        )
    except RotationError as error:
        # Lambda logs a traceback with it, and Secrets Manager tries again.
        raise RuntimeError(error.message) from None
    print(done)
    return done
