#!/usr/bin/python
# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate_deploy
short_description: Make certificates that were pushed to this host live, each whole or not at all, and tell its services
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - Takes what was uploaded to a staging directory, one directory for each lineage as certbot names them, verifies it
    and makes it live. Then the services are told, their endpoints are asked for the new certificate, and the pusher
    gets a receipt.
  - A live lineage is a symbolic link to a directory with C(cert.pem), C(chain.pem), C(fullchain.pem) and
    C(privkey.pem), which is switched as one. A reader that resolves it once never gets the key of one certificate and
    the chain of another. The previous version is kept, see M(certops.rotation.certificate_rollback).
  - A lineage that fails verification is never live. It is removed from staging, a receipt says why, and the other
    lineages go on. The task then fails with the full list. What fails for reasons of this host, such as a full disk,
    stays staged, and the next run tries again.
  - Identical content changes nothing and tells no service, but staging is emptied all the same.
  - A run that was killed at any point leaves all that the next one needs to finish. The next run also tells services of
    what was made live in another way, by M(certops.rotation.certificate_rollback) for instance.
  - Whoever uploads is not trusted. Nothing but regular files of bounded size is read, links are not followed, and names
    are those of lineages.
options:
  source:
    description:
      - The staging directory. It may belong to the user that uploads, and has to be there.
      - What is called C(LINEAGE@FINGERPRINT), with the SHA-256 of the leaf, is whole.
        M(certops.rotation.certificate_push) renames it to this after the last file.
      - What is called C(LINEAGE) was uploaded by somebody who cannot rename. It is taken when key and certificate
        belong together and there is an intermediate, or else when nobody has changed it for O(settle).
      - Uploads that were begun and then left for more than a day (C(.upload-*)) are removed.
    type: path
    required: true
  path:
    description:
      - Directory of the live lineages. It is created when missing; its parent must exist.
      - A plain directory in place of a lineage, such as certdeploy or C(cp) have made, is taken over when it holds the
        files of a lineage and nothing else. Its content becomes the previous version, and no reader finds nothing at
        any moment. Other things in its place are left alone, and the lineage fails.
      - A subdirectory C(.certops) holds all versions and what the next run has to know.
    type: path
    required: true
  receipts:
    description:
      - Directory of the receipts, C(LINEAGE.json). It is created when missing, and only the user that runs the module
        may write there. The pusher reads what is in it.
      - When absent, no receipts are written.
    type: path
  settle:
    description:
      - How long an upload whose name does not say that it is whole may be without change before it is judged as it is.
    type: str
    default: 1m
  update_delay:
    description:
      - How long after the last push the services are told, such as V(1h) or V(1w2d3h4m5s). Each push restarts the
        delay, for all services. With V(0) they are told at once.
      - A later run has to be there to tell them, so run the module more often than this.
      - M(certops.rotation.certificate_push) takes what waits for more than 30 days for a failure.
    type: str
    default: "0"
  run_pending:
    description: Whether services that wait for O(update_delay) are told now.
    type: bool
    default: false
  allow_changes:
    description:
      - What a lineage may change, compared with what is deployed in its place. Other changes of these kinds are
        refused, and the deployed certificate stays.
      - V(san_dropped), a name is no longer covered. V(issuer_changed), another organization has issued the certificate
        (or another issuer, where issuers name no organization). V(key_type_changed), for instance EC instead of RSA.
        V(eku_lost), an extended key usage is gone. V(expires_earlier), the certificate ends before the deployed one.
        V(chain_dropped), it comes without intermediates, and the deployed one has them. V(issued_earlier), it was
        issued before the deployed one, so that it is an old one that comes late. V(all), anything.
      - By default a lineage may change in any way, for its owner decides that where it comes from, but it never goes
        back to an older certificate, nor loses its chain.
      - Nothing is refused when the deployed certificate has expired.
    type: list
    elements: str
    choices:
      [san_dropped, issuer_changed, key_type_changed, eku_lost, expires_earlier, chain_dropped, issued_earlier, all]
    default: [san_dropped, issuer_changed, key_type_changed, eku_lost, expires_earlier]
extends_documentation_fragment:
  - certops.rotation.attributes
  - certops.rotation.certificate_files
  - certops.rotation.verification
  - certops.rotation.deployed_services
attributes:
  check_mode:
    support: full
    details:
      - What is staged is read and verified. Nothing is written, removed or told.
  idempotent:
    support: full
  diff_mode:
    support: full
    details:
      - Shows names, fingerprints and dates, never PEM.
  platform:
    support: full
    platforms: posix
requirements:
  - cryptography >= 42.0
notes:
  - It goes on to its end when it is asked to end (C(SIGTERM), C(SIGHUP), C(SIGINT)) after its first change to what is
    live, and warns of that. Before that it ends at once.
seealso:
  - module: certops.rotation.certificate_push
  - module: certops.rotation.certificate_rollback
  - module: certops.rotation.certificate_sync
"""

EXAMPLES = r"""
- name: Deploy what was pushed, and reload nginx when it changed
  certops.rotation.certificate_deploy:
    source: /var/lib/certops-receiver/staging
    receipts: /var/lib/certops-receiver/receipts
    path: /etc/tls
    services:
      - type: systemd
        name: nginx.service
        action: reload
        endpoints:
          - host: 127.0.0.1
            port: 443
            server_name: www.example.com

- name: Restart mail services an hour after the last push
  certops.rotation.certificate_deploy:
    source: /var/lib/certops-receiver/staging
    path: /etc/mail/tls
    group: mail
    mode: "0640"
    directory_mode: "0750"
    update_delay: 1h
    services:
      - type: systemd
        name: postfix.service
        endpoints:
          - {host: localhost, port: 25, server_name: mail.example.com, starttls: smtp}
      - type: systemd
        name: dovecot.service
"""

RETURN = r"""
lineages:
  description: One item for each lineage that was uploaded, in order of their names.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Name of the lineage.
      type: str
      sample: www.example.com
    path:
      description: The PEM file, or the lineage's directory.
      type: str
      sample: /etc/tls/www.example.com
    action:
      description:
        - What was done, or would be done in check mode.
        - V(refused) and V(failed) are not live, and what was live stays. V(refused) is the fault of the upload, which
          is removed, V(failed) is this host's own, and the upload stays for the next run.
      type: str
      choices: [created, updated, unchanged, refused, failed]
    cause:
      description: Whose fault it is. V(content) or V(host).
      returned: when refused or failed
      type: str
      choices: [content, host]
    state:
      description: What the receipt says. Null in check mode.
      type: str
      choices: [pending, deployed, proven, refused, taken_back]
    fingerprint_sha256:
      description: SHA-256 of the certificate, in lower-case hexadecimal. Null for a refused or failed lineage.
      type: str
    previous_fingerprint_sha256:
      description: The same for the certificate that was there before.
      returned: when updated, or not seen served yet
      type: str
    deployed_fingerprint_sha256:
      description: SHA-256 of the certificate that stays on disk. For a refused or failed one.
      returned: when refused or failed
      type: str
    not_before:
      description: Start of the certificate's validity, ISO 8601 in UTC.
      type: str
      sample: "2026-11-01T00:00:00Z"
    not_after:
      description: End of the certificate's validity, ISO 8601 in UTC.
      type: str
      sample: "2027-01-30T00:00:00Z"
    subject_alternative_names:
      description: DNS names and IP addresses of the certificate.
      type: list
      elements: str
      sample: [www.example.com, example.com]
    key:
      description: Kind and size of the key.
      type: str
      sample: EC P-256
    problems:
      description: What is wrong, or noteworthy. The codes are stable.
      type: list
      elements: dict
      contains:
        code:
          description: Stable code of the problem.
          type: str
          sample: private_key_mismatch
        severity:
          description: V(error) or V(warning). An error refuses the lineage, a warning does not.
          type: str
          choices: [error, warning]
        message:
          description: What is wrong and what to do.
          type: str
waiting:
  description: Uploads that may not be whole yet, each with its C(name) and what is missing (C(message)).
  returned: always
  type: list
  elements: dict
  sample: [{name: www.example.com, message: "privkey.pem is missing or empty ..."}]
services:
  description:
    - One item for each of O(services), in their order. Where a lineage went back, more items for those that were told
      again.
  returned: always
  type: list
  elements: dict
  contains:
    service:
      description: Type and name.
      type: str
      sample: systemd nginx.service
    outcome:
      description:
        - V(ran) was told, or would be in check mode. V(failed), could not be told, or an endpoint shows something else.
        - V(pending), waits for O(update_delay). V(unchanged), nothing that concerns it has changed.
      type: str
      choices: [ran, failed, pending, unchanged]
    message:
      description: Why it failed, and the end of what it printed or logged, without keys. Receipts have nothing of that.
      type: str
    lineages:
      description: Those that it was told of, or waits to be.
      type: list
      elements: str
    wrong:
      description: Those of which an endpoint showed another certificate, or nothing any more.
      type: list
      elements: str
    proven:
      description: Those that all their endpoints showed.
      type: list
      elements: str
    unasked:
      description: Those of which an endpoint could not be asked, or the service could not be told.
      type: list
      elements: str
services_due:
  description: When services are told of what waits for O(update_delay), ISO 8601 in UTC. Null when nothing waits.
  returned: always
  type: str
  sample: "2026-11-26T13:00:00Z"
rolled_back:
  description: Certificates whose file is the version before again, or gone again where there was none. Names of
    lineages, of which a service did not show the new version. None is ever gone.
  returned: always
  type: list
  elements: str
failures:
  description: What the task failed for, one line for each problem.
  returned: always
  type: list
  elements: str
failures_by_cause:
  description: The same lines by whose fault they are, under the keys C(content), C(host) and C(source), as C(cause) of
    a certificate.
  returned: always
  type: dict
  sample: {content: [], host: ["systemd nginx.service: ..."], source: []}
"""

from ansible_collections.certops.rotation.plugins.module_utils._module.certificate_deploy import ARGUMENT_SPEC, run
from ansible_collections.certops.rotation.plugins.module_utils._module.guarded import GuardedModule


def main() -> None:
    run(GuardedModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True))


if __name__ == "__main__":
    main()
