#!/usr/bin/python
# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: shared_ca_member
short_description: Take what this host needs from the shared certificate authority
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - Runs on a host that uses the authority of M(certops.rotation.shared_ca). It installs what is to be trusted, the
    revocation lists, the certificates of clients, and a server certificate that this host alone has.
  - The key of the server certificate is made on the host and never leaves it. The authority's key is read only to issue
    the certificate, and not kept; with O(signed_elsewhere) it is not read at all.
  - The certificate is issued anew when it is missing, is due for renewal, lacks a name or has one too many, comes from
    another authority, is refused by TLS clients, is not valid yet, or its key is broken. Otherwise nothing changes.
  - Everything is verified before anything is written, also whether peers believe it. Among that are the dates and
    signers of revocation lists, as with a wrong one servers refuse all clients. What is not valid yet by this host's
    clock is not installed.
  - The host needs no right to write in AWS.
  - Files that other programs want, with certificates and keys in their text, can be written in the same run, so that no
    key passes through Ansible's results. See O(configurations).
options:
  path:
    description:
      - Directory for the files. It is made when it is missing. It is for one authority, and another one is refused.
      - C(ca.pem) is what to trust. C(crl.pem) holds the revocation lists, when there are any. C(server.pem) is the
        server's certificate with its key, as HAProxy wants it, and C(server-cert.pem) and C(server-key.pem) are both
        apart. C(client-NAME-cert.pem) and C(client-NAME-key.pem) belong to a client.
    type: path
    required: true
  use_secrets_manager:
    description:
      - V(auto) uses Secrets Manager on EC2, which is where the instance metadata service (IMDSv2) answers within 2
        seconds. Elsewhere it is unavailable, see O(on_unavailable).
      - V(true) uses it from anywhere.
      - V(false) never calls AWS. This host gets an authority of its own in the directory C(embedded) below O(path).
    type: str
    choices: [auto, "true", "false"]
    default: auto
  on_unavailable:
    description:
      - What to do when Secrets Manager cannot be reached or denies access. When the authority is not there, or its
        secrets are marked for deletion, the module always fails.
      - V(keep) leaves a host as it is whose certificates are good, with a warning, and fails on any other host.
      - V(embedded) does the same, but gives any other host an authority of its own, which no other host trusts. The
        next run that reaches Secrets Manager replaces it by the shared one.
    type: str
    choices: [keep, fail, embedded]
    default: keep
  server_names:
    description:
      - Host names and IP addresses of the server certificate. The unspecified addresses C(0.0.0.0) and C(::) are left
        out.
      - Without any name, also by O(metadata_names) and O(own_address), there is no server certificate, and the
        authority's key is never read.
    type: list
    elements: str
    default: []
  metadata_names:
    description:
      - Add this instance's private and public names and addresses, as its metadata service tells them.
      - While it does not answer, addresses and host names of AWS that the certificate has stay in it.
    type: bool
    default: false
  own_address:
    description:
      - Add the IPv4 address from which this host reaches others, by its default route. On a host that has IPv6 alone,
        its IPv6 address, and no temporary one.
      - Without a default route there is a warning. Addresses that the certificate has stay in it.
    type: bool
    default: false
  issuer:
    description:
      - Which authority has to have issued the server certificate. V(successor) is for the time between the steps
        C(publish) and C(promote) of M(certops.rotation.shared_ca_rotation). When there is no successor it is the same
        as V(current).
    type: str
    choices: [current, successor]
    default: current
  signed_elsewhere:
    description:
      - Whether another one, the signer, issues the server certificate, with M(certops.rotation.shared_ca_issue). This
        host then never reads the authority's key, and needs no right to.
      - When a certificate is due, nothing is installed yet. A key is made, which waits in C(server-next-key.pem), and
        RV(request) is what the signer needs. Run the module again with O(signed_certificate), or with
        O(signer_failure).
      - An authority of the host's own (O(use_secrets_manager=false), O(on_unavailable=embedded)) issues here all the
        same.
    type: bool
    default: false
  signed_certificate:
    description:
      - What the signer has made, as PEM. It has to fit the key that waits, to have the names that were asked for, to be
        valid now, and to come from the authority, or nothing is installed.
    type: str
    default: ""
  signer_failure:
    description:
      - Why the signer has made no certificate. A host whose certificate is good goes on with it, takes everything else,
        and warns. Any other host fails, and so does this one with O(on_unavailable=fail).
    type: str
    default: ""
  key_type:
    description:
      - Kind of the server's key. Like O(key_size), O(validity_days) and O(subject) it counts when a certificate is
        issued, and is no reason to issue one.
    type: str
    choices: [rsa, ec]
    default: rsa
  key_size:
    description:
      - Bits of the server's key. V(2048), V(3072) or V(4096) for RSA, V(256), V(384) or V(521) for EC.
      - By default V(2048) for RSA and V(256) for EC.
    type: int
  renew_before:
    description:
      - How long before its end the server certificate is renewed, for example V(30d). Only while another one would end
        later, as none outlives the authority.
      - V(auto) is a third of the lifetime, and 30 days at the most.
    type: str
    default: auto
  clients:
    description:
      - Names of the clients whose certificates and keys are installed on this host.
      - Files of other clients that an earlier run has installed in O(path) are removed.
    type: list
    elements: str
    default: []
  configurations:
    description: Files to be written with certificates and keys in their text.
    type: list
    elements: dict
    default: []
    suboptions:
      content:
        description:
          - The text, perhaps from C(lookup('ansible.builtin.template', ...)). A line with nothing but a placeholder
            becomes the PEM, each line of it indented like the placeholder.
          - The placeholders are V(@ca@), V(@crl@), V(@server_cert@), V(@server_key@), V(@client_cert:NAME@) and
            V(@client_key:NAME@), with a NAME of O(clients).
        type: str
        required: true
      dest:
        description:
          - Path of the file. Its directory is made with mode 0700 when it is missing.
          - Nobody but root and the user that runs the module may be able to write in that directory and above it.
        type: path
        required: true
      owner:
        description: User that owns the file. By default O(owner).
        type: str
      group:
        description: Group of the file. By default O(group).
        type: str
      mode:
        description: Permissions of the file, as a quoted octal number. By default O(mode).
        type: raw
  owner:
    description:
      - User that owns the files, as a name or a number.
      - Directories belong to the user that runs the module. The group of them, O(group) or else the first group of this
        user, may do what O(directory_mode) lets an owner do, except writing.
    type: str
  group:
    description: Group of the files and the directories made here, as a name or a number.
    type: str
  mode:
    description:
      - Permissions of the files, as a quoted octal number.
      - A mode that lets others read the private keys is refused.
    type: raw
    default: "0600"
  directory_mode:
    description:
      - Permissions of O(path) when it is made here, as a quoted octal number. An existing one keeps its own.
      - A mode that lets others write is refused, and so is an existing O(path) or a directory above it in which others
        than root and the user that runs the module may write.
    type: raw
    default: "0700"
  lock_timeout:
    description: How long to wait for another run on the same directory, for example V(60s).
    type: str
    default: 60s
extends_documentation_fragment:
  - certops.rotation.attributes
  - certops.rotation.attributes.actiongroup_aws
  - certops.rotation.shared_ca
  - certops.rotation.shared_ca.server
  - certops.rotation.shared_ca.warning
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
attributes:
  check_mode:
    support: full
  idempotent:
    support: full
  diff_mode:
    support: full
    details:
      - Shows names, dates and fingerprints, never PEM.
  platform:
    support: full
    platforms: posix
requirements:
  - cryptography >= 42.0
notes:
  - Needs C(secretsmanager:DescribeSecret) and C(secretsmanager:GetSecretValue) on the secrets of the prefix. A host
    without a server certificate, or with O(signed_elsewhere), needs neither for C(ca-key).
  - Without a region, that of the instance metadata is used.
  - Unless O(aws_config) says otherwise, AWS gets 5 seconds to accept a connection and 15 to answer.
  - The environment variables C(AWS_EC2_METADATA_SERVICE_ENDPOINT) and C(AWS_EC2_METADATA_DISABLED) are respected.
seealso:
  - module: certops.rotation.shared_ca
  - module: certops.rotation.shared_ca_issue
  - module: certops.rotation.shared_ca_rotation
  - module: certops.rotation.haproxy_ca_file
"""

EXAMPLES = r"""
- name: A server certificate of the shared authority, and what to trust
  certops.rotation.shared_ca_member:
    prefix: joblet
    path: /etc/haproxy/joblet
    server_names:
      - joblet
      - localhost
      - 127.0.0.1
    metadata_names: true
  notify: Reload HAProxy

- name: A client that has its own role's certificate, and no server
  certops.rotation.shared_ca_member:
    prefix: joblet
    region: eu-central-1
    use_secrets_manager: true
    path: /etc/ci/joblet
    clients: [ci]
    configurations:
      - dest: /etc/ci/rnx-config.yml
        content: |
          nodes:
            default:
              address: "joblet.example.com:50051"
              cert: |
                @client_cert:ci@
              key: |
                @client_key:ci@
              ca: |
                @ca@
"""

RETURN = r"""
source:
  description: Where the certificates come from. V(kept) means that Secrets Manager is unavailable, and nothing changed.
  returned: success
  type: str
  choices: [secrets_manager, embedded, kept]
reason:
  description:
    - Why Secrets Manager was not used, though it should be. Null otherwise.
    - On a failure it may also be V(absent), when there is no authority, V(deleted), when a secret is marked for
      deletion, or V(signer), when the signer gave no certificate.
  returned: success, and when AWS or the signer fails
  type: str
  choices: [denied, unreachable, other, no_region, not_ec2, absent, deleted, signer]
stage:
  description: How far a rotation of the authority is, as M(certops.rotation.shared_ca) tells it. Null for V(kept).
  returned: success
  type: str
  choices: [settled, published, promoted]
server:
  description: The server certificate. Null for a host without one.
  returned: success
  type: dict
  contains:
    action:
      description:
        - What was done, or would be done in check mode. V(requested) is one that a signer has to issue before anything
          is installed, see RV(request).
      type: str
      choices: [unchanged, issued, requested]
    reason:
      description: Why it was issued. Null when it was not.
      type: str
      choices: [missing, key_broken, ca_changed, names_changed, purpose, not_yet_valid, refused, expiring]
    fingerprint_sha256:
      description: SHA-256 of the certificate, in lower-case hexadecimal. Null when check mode predicts another one.
      type: str
    not_after:
      description: End of the certificate's validity, ISO 8601 in UTC.
      type: str
    subject_alternative_names:
      description: DNS names and IP addresses of the certificate.
      type: list
      elements: str
    issuer_fingerprint_sha256:
      description: SHA-256 of the authority that issued it.
      type: str
clients:
  description: The clients' certificates by name.
  returned: success
  type: dict
  contains:
    fingerprint_sha256:
      description: SHA-256 of the certificate, in lower-case hexadecimal.
      type: str
    not_after:
      description: End of the certificate's validity, ISO 8601 in UTC.
      type: str
    subject:
      description: Subject of the certificate. As RFC 4514 writes it.
      type: str
trusted_fingerprints:
  description: SHA-256 of each trusted authority, in lower-case hexadecimal. Those in C(ca.pem), in its order.
  returned: success
  type: list
  elements: str
files:
  description:
    - Paths of the files, as C(ca), C(crl), C(server), C(server_cert), C(server_key), and C(clients) with C(cert) and
      C(key) by name. Null for what there is not.
  returned: success
  type: dict
changed_files:
  description: Paths of the files that were written or removed, configurations included. In check mode those that would
    be.
  returned: success
  type: list
  elements: str
request:
  description: Certificate request for the signer, as PEM. Null when there is nothing to be signed.
  returned: success
  type: str
problems:
  description: What is wrong, or noteworthy. Each with C(code), C(severity) and C(message).
  returned: success
  type: list
  elements: dict
instance:
  description: C(id) and C(region) of this EC2 instance. Null elsewhere, and when nothing needed them.
  returned: success
  type: dict
api_calls:
  description: Number of requests sent by operation of AWS Secrets Manager, repeated ones included.
  returned: success
  type: dict
  sample: {DescribeSecret: 5, GetSecretValue: 1}
"""

from ansible_collections.certops.rotation.plugins.module_utils._module.aws import AwsModule
from ansible_collections.certops.rotation.plugins.module_utils._module.shared_ca_member import ARGUMENT_SPEC, run


def main() -> None:
    run(AwsModule(ARGUMENT_SPEC, attempts=3))


if __name__ == "__main__":
    main()
