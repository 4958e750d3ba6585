#!/usr/bin/python
# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: rotation_doctor_info
short_description: Why does the rotation not work on this host?
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - Looks at everything that the role P(certops.rotation.haproxy_certificates#role) depends on, with the options that
    the role would use. Each check says that all is well, or what is wrong and what to do.
  - The checks go further than those of M(certops.rotation.rotation_preflight_info). AWS is asked who the credentials
    belong to and what they may do, the selected secrets are read and verified, HAProxy is connected to, its
    configuration is checked, and the host's clock is compared with that of AWS.
  - A check that fails does not keep the others from being made, and does not fail the task. See RV(ok).
  - It only looks. Values of secrets are read to verify them, and are neither written nor returned.
options:
  path:
    description: Directory of the certificates.
    type: path
    required: true
  layout:
    description: Layout of the files. HAProxy loads V(haproxy) only.
    type: str
    choices: [haproxy, lineage, split]
    default: haproxy
  on_invalid:
    description: Whether a certificate that may not be served is an error or a warning.
    type: str
    choices: [fail, skip]
    default: fail
  on_missing:
    description: Whether a named secret that does not exist is an error or a warning.
    type: str
    choices: [fail, skip]
    default: fail
  on_deleted:
    description: Whether a named secret that is marked for deletion is an error or a warning.
    type: str
    choices: [fail, skip]
    default: fail
  service:
    description: HAProxy's systemd unit, for the method V(systemd).
    type: str
    default: haproxy
  ca_path:
    description: CA of the Docker Engine, as a PEM file, where O(docker_host) is C(https://).
    type: path
  client_cert:
    description: Client certificate for the Docker Engine, as a PEM file.
    type: path
  client_key:
    description: The private key of O(client_cert), as a PEM file.
    type: path
  environment:
    description: Variables of HAProxy's process that its configuration uses, in addition to those that are found.
    type: dict
    default: {}
  timeout:
    description: Seconds to wait for one answer of HAProxy.
    type: float
    default: 10
extends_documentation_fragment:
  - certops.rotation.attributes
  - certops.rotation.attributes.info_module
  - certops.rotation.haproxy_host
  - certops.rotation.attributes.actiongroup_aws
  - certops.rotation.certificate_files
  - certops.rotation.certificate_secrets
  - certops.rotation.certificate_secrets.selection
  - certops.rotation.certificate_secrets.labels
  - certops.rotation.verification
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
notes:
  - Needs the permissions of M(certops.rotation.certificate_sync); the lack of one is a result. C(sts:GetCallerIdentity)
    needs none.
  - Every permission is tried by one call that reads. A denied call leaves a trace in AWS CloudTrail.
seealso:
  - module: certops.rotation.rotation_preflight_info
  - module: certops.rotation.certificate_sync
"""

EXAMPLES = r"""
- name: Look at everything
  certops.rotation.rotation_doctor_info:
    tags:
      Environment: production
    region: eu-central-1
    path: /etc/haproxy/certs
    socket: /run/haproxy/admin.sock
    reload_methods:
      - systemd
    config:
      - /etc/haproxy/haproxy.cfg
  register: doctor

- name: Say what has to be done
  ansible.builtin.debug:
    msg: "{{ doctor.checks | rejectattr('ok') | map(attribute='message') }}"
"""

RETURN = r"""
ok:
  description: Whether no check has the severity V(error).
  returned: always
  type: bool
checks:
  description: What was looked at. In the order in which to mend it.
  returned: always
  type: list
  elements: dict
  contains:
    check:
      description: What was looked at, with the name of the secret where one is concerned.
      type: str
      sample: secretsmanager:GetSecretValue
    ok:
      description: Whether all is well.
      type: bool
    severity:
      description: V(ok), V(warning) when the rotation works without it, or V(error).
      type: str
      sample: error
    message:
      description: What is wrong and what to do. Where all is well, what was found. It may have several lines.
      type: str
      sample: Allowed.
table:
  description: The same as lines for people.
  returned: always
  type: list
  elements: str
msg:
  description: What has to be mended, as one text. Empty when nothing has.
  returned: always
  type: str
"""

from ansible_collections.certops.rotation.plugins.module_utils._module.aws import AwsModule
from ansible_collections.certops.rotation.plugins.module_utils._module.rotation_doctor_info import ARGUMENT_SPEC, run


def main() -> None:
    run(AwsModule(ARGUMENT_SPEC, attempts=3))


if __name__ == "__main__":
    main()
