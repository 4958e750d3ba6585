# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """The hosts that get lineages: mirrors TARGETS_OPTIONS in module_utils/_module/push_options.py."""

    DOCUMENTATION = r"""
options:
  targets:
    description:
      - The hosts. Their settings are read whenever something is pushed. The queue keeps names only, so that a host that
        has moved, or got another key, is reached by what is said here.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: What the host is called in the queue and in reports, such as its name in the inventory.
        type: str
        required: true
      address:
        description: DNS name or IP address. By default the name.
        type: str
      port:
        description: Port of its SSH server.
        type: int
        default: 22
      user:
        description: Who logs in there.
        type: str
        default: certdeploy
      domains:
        description:
          - The host gets every lineage with one of these names, as a whole. V(*) stands for all lineages.
          - Upper and lower case, and a dot at the end, do not count. Names of international domains may be written as
            they are.
        type: list
        elements: str
        required: true
      wildcards:
        description:
          - Whether a name in C(domains) is also matched by a wildcard of the lineage, and V(*.example.com) there by any
            name one label below. Otherwise names have to be the same.
        type: bool
        default: false
      host_key:
        description:
          - The keys that the host may show, of any type, each as V(ssh-ed25519 AAAA...), as in the file
            C(/etc/ssh/ssh_host_ed25519_key.pub) there. A host that shows another one gets nothing.
        type: list
        elements: str
        required: true
      private_key_file:
        description: File of the private key to log in with. By default O(private_key_file).
        type: path
      protocol:
        description:
          - How the host takes lineages. V(receiver) is a host with the role C(certops.rotation.certificate_receiver),
            which confirms each by a receipt.
          - V(directory) is any other SFTP server, or a certdeploy client. The files are put into a directory that is
            named after the lineage. That the upload ended well is then all that is known, unless C(endpoints) are
            asked.
        type: str
        choices: [receiver, directory]
        default: receiver
      path:
        description:
          - Directory for uploads, as SFTP shows it. An empty text is where the login ends up.
          - By default C(/staging), or C(/var/cache/certdeploy) with the protocol V(directory).
        type: str
      receipts:
        description: Directory of the receipts, as SFTP shows it. Of no meaning with the protocol V(directory).
        type: str
        default: /receipts
      files:
        description: The files of a lineage that the host gets, without the ending C(.pem).
        type: list
        elements: str
        choices: [fullchain, privkey, chain, cert]
        default: [fullchain, privkey]
      retries:
        description: Further attempts in one run after the first one. By default O(retries).
        type: int
      retry_interval:
        description: Seconds from the end of an attempt to the next one. By default O(retry_interval).
        type: float
      timeout:
        description: Seconds for one attempt, to connect and to upload.
        type: float
        default: 60.0
      receipt_timeout:
        description:
          - Seconds to wait for the receipt after an upload, and for C(endpoints) to show the certificate. With V(0)
            nothing is waited for. The next run asks.
        type: float
        default: 60.0
      endpoints:
        description:
          - TLS endpoints, as O(certops.rotation.tls_endpoint_info#module:endpoints), whose handshake has to get the new
            certificate before the push counts as confirmed. They are asked from the machine that pushes.
          - Each concerns the lineages that cover its server name, and with C(key_type) those with such a key. One
            without a server name may only be given for a host that gets a single lineage.
          - Of several lineages of the host that cover a name the service chooses. An endpoint that shows another one of
            them is right, and proves nothing of this one, which is confirmed by the receipt or the upload then.
        type: list
        elements: raw
        default: []
      canary:
        description:
          - Whether it comes before the others. They get a lineage once every canary that gets it, too, has proven it,
            by a receipt or by its endpoints.
          - What a host with the protocol V(directory) cannot prove, for none of its endpoints has to show that and
            nothing else, it does not keep from the others. That is told as a warning.
          - What a host had only taken before it became a canary is asked about again.
        type: bool
        default: false
  private_key_file:
    description: File of the private key to log in with. Without it ssh uses its agent and its own defaults.
    type: path
  passphrase:
    description:
      - Passphrase of the private keys, O(private_key_file) and those of the targets. It is handed to ssh without a file
        or a command line. Keys with several passphrases are for an ssh-agent.
    type: str
  retries:
    description:
      - Further attempts in one run after the first one. What would not go better at once, such as a wrong host key or a
        refused certificate, is left to the next run.
    type: int
    default: 1
  retry_interval:
    description: Seconds from the end of an attempt to the next one. Meanwhile it is the other hosts' turn.
    type: float
    default: 30.0
"""
