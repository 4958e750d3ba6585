# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible loads what lies here for the playbooks next to it, without any setting."""

from __future__ import annotations

DOCUMENTATION = r"""
name: rotation_report
type: aggregate
short_description: The callback certops.rotation.rotation_report for the playbooks of this collection
description:
  - See the callback C(certops.rotation.rotation_report).
"""

from ansible_collections.certops.rotation.plugins.callback.rotation_report import CallbackModule

__all__ = ["CallbackModule"]
