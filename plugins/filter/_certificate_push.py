# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pathlib
import typing as t

import yaml
from ansible.errors import AnsibleFilterError

DOCUMENTATION = r"""
name: _certificate_push
short_description: What the role certificate_push installs, and does in a run
version_added: 1.0.0
author:
  - certops.rotation contributors (@certops)
description:
  - For the role P(certops.rotation.certificate_push#role) alone.
positional: _input, config
options:
  _input:
    description: The variables of the role, without its prefix. Text that means another type becomes it.
    type: dict
    required: true
  config:
    description: Path of a file on the controller whose variables go before those, or C(server.yml) of certdeploy.
    type: path
    default: ""
"""

EXAMPLES = r"""
- name: When is something renewed?
  ansible.builtin.debug:
    msg: "{{ (variables | certops.rotation._certificate_push).renew_on_calendar }}"
"""

RETURN = r"""
_value:
  description: The variables, each as its type, what follows from them, and what is wrong with them.
  type: dict
"""

_PREFIX: t.Final = "certificate_push_"


def certificate_push(variables: t.Mapping[str, t.Any], config: str = "") -> dict[str, t.Any]:
    from ansible_collections.certops.rotation.plugins.module_utils._core.push.pusher import PusherPlan, PusherSettings
    from ansible_collections.certops.rotation.plugins.module_utils._errors import RotationError
    from ansible_collections.certops.rotation.plugins.plugin_utils._typed import typed_fields

    try:
        given = {**variables, **(_configured(pathlib.Path(str(config)), variables) if config else {})}
        return PusherPlan(PusherSettings(**typed_fields(PusherSettings, given, _PREFIX))).as_dict()
    except RotationError as error:
        raise AnsibleFilterError(error.message) from None
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from None


def _configured(path: pathlib.Path, known: t.Collection[str]) -> dict[str, t.Any]:
    """Without the prefix. Raises AnsibleFilterError, which quotes nothing of the file."""
    content = _read(path)
    if not isinstance(content, dict):
        raise AnsibleFilterError(
            f"{path} is to hold variables of the role certificate_push, or to be certdeploy's server.yml."
        )
    names = {str(name) for name in content}
    if not any(name.startswith(_PREFIX) for name in names):
        content = _of_certdeploy(path, content)
        names = set(content)
    strange = sorted(name for name in names if name.removeprefix(_PREFIX) not in known or not name.startswith(_PREFIX))
    if strange:
        raise AnsibleFilterError(f"{path}: the role certificate_push has no variable {', '.join(strange)[:200]}.")
    return {str(name).removeprefix(_PREFIX): value for name, value in content.items()}


def _of_certdeploy(path: pathlib.Path, content: dict[str, t.Any]) -> dict[str, t.Any]:
    from ansible_collections.certops.rotation.plugins.module_utils._core.push.certdeploy import import_server
    from ansible_collections.certops.rotation.plugins.module_utils._errors import RotationError

    directory = content.get("client_config_directory")
    files = sorted(pathlib.Path(directory).iterdir()) if isinstance(directory, str) and directory else []
    try:
        imported = import_server(content, [_read(file) for file in files])
    except RotationError as error:
        raise AnsibleFilterError(f"{path}: {error.message}") from None
    return {name: value for name, value in imported.variables.items() if name.startswith(_PREFIX)}


def _read(path: pathlib.Path) -> t.Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise AnsibleFilterError(f"{path} could not be read: {error.strerror}.") from None
    except (yaml.YAMLError, ValueError):
        raise AnsibleFilterError(f"{path} is no YAML.") from None


class FilterModule:
    """Jinja2 filters of certops.rotation."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"_certificate_push": certificate_push}
