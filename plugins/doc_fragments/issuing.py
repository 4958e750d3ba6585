# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """What is to be issued, by whom and when: mirrors ISSUING_OPTIONS in module_utils/_module/issuing_options.py."""

    DOCUMENTATION = r"""
options:
  certificates:
    description: The certificates that should be there. One that is not listed is left alone.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description:
          - Name of its secret, by which it is known everywhere.
          - By default the first domain, in which C(*.) becomes C(wildcard.).
        type: str
      domains:
        description:
          - Its names, as a list, or as one text with commas between them. DNS names, with a wildcard as the first label
            at most, or IP addresses.
          - The certificate has exactly these names. Their order is kept, and counts for nothing later. A name that is
            added or removed is a reason to issue it again.
        type: raw
        required: true
      key_type:
        description: Kind and size of its private key, which is a new one whenever the certificate is issued.
        type: str
        choices: [ec256, ec384, rsa2048, rsa3072, rsa4096]
        default: ec256
      profile:
        description: Profile of the CA, such as V(tlsserver) or V(shortlived). By default that of the issuer.
        type: str
      stores:
        description:
          - Names of the stores that get it. By default all of O(stores).
          - Secrets Manager always gets it. It needs not be listed.
        type: list
        elements: str
      renew_before_days:
        description: As O(renew_before_days), for this certificate.
        type: int
  issuers:
    description:
      - The certificate authorities (ACME, RFC 8555). The first one issues.
      - Another one is asked, in this order and in the same run, for what is left when one does not answer, or answers
        with errors that are its own. A name that is refused, or a limit of the CA, is no reason for that.
    type: list
    elements: dict
    required: true
    suboptions:
      directory:
        description: URL of its directory.
        type: str
        required: true
      account_secret:
        description:
          - Name of the secret with the account's key and URL. When it does not exist, an account is registered, which
            needs O(certops.rotation.certificate_issue#module:terms_agreed).
        type: str
        required: true
      eab_secret:
        description:
          - Name of a secret with C(kid) and C(hmac_key), the external account binding that the CA has given. It is used
            once, to register.
        type: str
      profile:
        description: Profile that is asked for where the certificate names none.
        type: str
      preferred_chain:
        description:
          - Common name of the issuer at the top of the chain that is wanted. When the CA offers no such chain, its
            default one is taken.
        type: str
      ca_bundle:
        description: File of PEM certificates on the controller that the CA's HTTPS is verified with.
        type: path
  renew_before_days:
    description:
      - Renew a certificate of which so many days or less are left. V(30) is what many other tools use.
      - It is capped by the lifetime, with a warning, for otherwise a certificate that lives a week would be renewed in
        each run.
      - Without it, the CA is asked (O(renewal_info)), and where it does not say, a certificate is renewed when less
        than a third of its lifetime is left, and 30 days at most; or half of it, when it lives less than 10 days.
    type: int
  reissue:
    description:
      - Which of the certificates an incident concerns, so that they are issued again besides what is due. Those that
        end first come before the others, as far as the limits of the CA allow. The rest is held, and done by the next
        runs.
      - What is named by its serial number or fingerprint is meant whenever it was issued. Of the rest, all that is
        given must apply, and an instant is needed with it, so that each is replaced once.
      - In check mode it is a fire drill, which tells how many hours it takes.
    type: dict
    suboptions:
      issuer:
        description:
          - Who has issued them. URL of a CA's directory, or the common name or organization of their issuer, such as
            V(R3).
        type: str
      serial_numbers:
        description: Serial numbers, hexadecimal, in quotes, with or without colons.
        type: list
        elements: str
      fingerprints:
        description: SHA-256 of certificates, or of their public keys (SubjectPublicKeyInfo), hexadecimal.
        type: list
        elements: str
      key_types:
        description: Kinds of their keys.
        type: list
        elements: str
        choices: [ec256, ec384, rsa2048, rsa3072, rsa4096]
      issued_before:
        description:
          - The instant of the incident, ISO 8601 in UTC, such as V(2027-01-31T12:00:00Z). What was issued later is not
            concerned.
          - The instant of issuing is that of the certificate's own timestamps of the logs (RFC 6962), where it has any,
            for many CAs set the begin of its validity back.
        type: str
      older_than:
        description: The same as a duration before now, such as V(30d).
        type: str
      all:
        description: Whether all that are listed are meant.
        type: bool
        default: false
  stage:
    description:
      - Label of the versions that are stored. V(AWSCURRENT) is what hosts read.
      - Another one, such as V(CANDIDATE), makes a candidate of what is issued, which waits until it is promoted, while
        hosts, ACM and S3 keep what is current. ACM and S3 get it by the next run after the promotion. See
        M(certops.rotation.certificate_candidate).
      - What waits is not issued again, unless it is not as it is wanted by now. What was withdrawn is issued again
        after one, two, four and then seven days, or with
        O(certops.rotation.certificate_issue#module:force).
      - The first certificate of a secret is current at once, for there is nothing that could be served instead. So is
        what waits, or is issued, when the current one has ended.
      - What waits while the current one is below
        O(certops.rotation.certificate_issue#module:emergency_floor) fails each run.
    type: str
    default: AWSCURRENT
  renewal_info:
    description:
      - Whether the CA is asked when a certificate should be renewed (ARI, RFC 9773), where it answers that. The
        instant within the window that it names is chosen by the certificate, and is the same in every run.
      - The CA is asked again when it says so. Until then its last answer counts, which O(ledger) keeps.
    type: bool
    default: true
  emergency_floor:
    description:
      - When no more than this is left of a certificate, it is renewed whatever else says that it should wait, such as
        the CA's window or a limit that the CA has told.
      - A duration such as V(3d), or a share of the lifetime such as V(10%).
    type: str
    default: 10%
  journal_secret:
    description:
      - Name of the secret in which a run keeps what it has begun, with the private keys of certificates that the CA is
        about to issue, so that nothing is lost when it is killed. It is empty whenever nothing is under way.
      - The next run with the same journal finishes what is in it.
      - Runs that may be at work at the same time need one each.
    type: str
    default: certops/issuance/journal
  ledger:
    description:
      - Where it is remembered which orders were made, which names failed and until when the CA wants to be left alone.
      - Name of a secret, or an object in S3 as V(s3://bucket/key). It holds no keys.
    type: str
    default: certops/issuance/ledger
  kms_key_id:
    description:
      - The KMS key that encrypts the secrets which are created, by id, alias or ARN. By default that of Secrets
        Manager.
    type: str
"""
