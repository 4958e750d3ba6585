# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Who publishes TXT records: mirrors module_utils/_module/dns_options.py."""

    DOCUMENTATION = r"""
options:
  dns:
    description:
      - Who writes TXT records. Each name is written by the provider which has the longest matching zone. Of two with
        the same zone the first one does.
      - Where C(_acme-challenge.NAME) leads elsewhere by a CNAME record of its own, what counts is the zone it leads to,
        which may be another provider's.
      - What others have at the same name stays. Only values of this module are removed.
    type: list
    elements: dict
    default: [{provider: route53}]
    suboptions:
      provider:
        description:
          - V(route53) writes public zones of AWS Route53, by the credentials of this task if nothing else is said.
          - V(rfc2136) sends dynamic updates to a DNS server such as BIND, Knot, PowerDNS or that of Windows.
          - V(command) runs a program of yours.
          - V(lexicon) uses the Python library C(dns-lexicon), which knows the DNS services of many companies.
        type: str
        choices: [route53, rfc2136, command, lexicon]
        default: route53
      hosted_zone_ids:
        description:
          - Only these zones of Route53, by id. They are described singly, and C(route53:ListHostedZones) is not needed.
          - Needed to tell apart two public zones of the same name.
        type: list
        elements: str
      profile:
        description: A profile of AWS's configuration files for V(route53), in place of the credentials of this task.
        type: str
      role_arn:
        description: A role that is assumed for V(route53), of another account for instance.
        type: str
      external_id:
        description: What the role in O(dns[].role_arn) asks for.
        type: str
      zones:
        description:
          - Names of the zones that may be written by V(rfc2136), V(command) or V(lexicon).
          - When there are none, V(rfc2136) asks the server in which zone each name is, and V(command) the program.
        type: list
        elements: str
      server:
        description: The primary server of the zones as C(host) or C(host:port), for V(rfc2136).
        type: str
      key_secret:
        description:
          - Name of the secret in Secrets Manager that holds the TSIG key, for V(rfc2136).
          - It is JSON with C(key_name), C(algorithm) and C(secret), or what C(tsig-keygen) prints, or the base64 alone.
        type: str
      key_name:
        description: Name of the TSIG key, where the secret does not tell it.
        type: str
      key_algorithm:
        description: Algorithm of the TSIG key, where the secret does not tell it. V(hmac-sha256) if nobody does.
        type: str
        choices: [hmac-sha256, hmac-sha512, hmac-sha384, hmac-sha224, hmac-sha1, hmac-md5]
      command:
        description:
          - The program for V(command) and its first arguments. It runs on the host on which this module runs.
          - It is called with one more argument, C(zones), C(add), C(wait) or C(remove), and reads JSON from its input.
        type: list
        elements: str
      command_timeout:
        description: Seconds for one call of the program. 120 if nothing is said.
        type: int
      lexicon_service:
        description: Name of the DNS service as lexicon has it, such as C(cloudflare).
        type: str
      credentials_secret:
        description:
          - Name of the secret in Secrets Manager that holds what lexicon needs for the service, for V(lexicon).
          - It is a JSON object, such as C({"auth_token":"..."}), by the names of lexicon's options.
        type: str
  nameservers:
    description:
      - Name servers as C(host) or C(host:port) that are asked instead of the zones' own, for CNAME and CAA records and
        whether a TXT record is there.
      - For networks in which the zones' own servers cannot be reached, and for names that are not in the public DNS.
      - They should not cache. A cache goes on saying for minutes that a name is absent.
    type: list
    elements: str
    default: []
"""
