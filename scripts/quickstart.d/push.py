# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The quickstart of pushing: from certbot to three hosts, one of which is down, and a renewal under load.

certbot and the ACME server (Pebble), the SSH servers, nginx and HAProxy are real. The playbooks certops.rotation.push
and certops.rotation.deploy do what they do in production; what a path unit of systemd does there, start the second one
when something is uploaded, a thread does here. As in the other quickstarts, every line that the screen marks was
checked before it was printed.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import shlex
import sys
import threading
import typing as t

from authority import Authority
from claims import claim, snapshot, wait_until
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from issuing import Pebble
from occasion import Occasion, hold
from playbook import INVENTORY, Playbook
from pushing import Certbot, LineageHaproxy, Names, Nginx, ReceivingHost, make_ssh_key
from screen import Screen
from stage import StageError
from visitors import Client, Visitors

DOMAINS = ("shop.example.com", "www.shop.example.com")
LINEAGE = DOMAINS[0]
ISSUE = ["certbot", "certonly", "-c", "certbot.ini", "--standalone", *(f"--domain={domain}" for domain in DOMAINS)]
RENEW = ["certbot", "renew", "-c", "certbot.ini", "--force-renewal"]
PUSH = ["ansible-playbook", "certops.rotation.push", "-i", INVENTORY]
DEPLOY = ["ansible-playbook", "certops.rotation.deploy", "-i", INVENTORY]
NEXT_COMMANDS = (
    "less docs/pushing.md",
    "ANSIBLE_COLLECTIONS_PATH=.dev/collections .dev/venv/bin/ansible-doc certops.rotation.certificate_push",
    "make test",
)
