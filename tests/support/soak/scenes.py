# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Random configurations of HAProxy: drawn, and made on disk. Nothing runs here."""

from __future__ import annotations

import dataclasses
import pathlib
import random
import re
import typing as t

from ansible_collections.certops.rotation.tests.support import pki

from .certificates import NAMES, Managed, foreign_pem
from .clients import CLIENTS, Place


@dataclasses.dataclass
class Bind:
    """text: with {names} of ports, addresses and directories. loads: keys of what it is told to load.

    places: host and name of the port, or the name of a unix socket, of where clients get to it or to its neighbour.
    """

    text: str
    loads: frozenset[str]
    places: tuple[tuple[str, str], ...]
    proxied: bool = False
    section: int = 0
    before: str = ""
    after: str = ""


class Scene:
    """One configuration and its certificates, drawn from a seed for one version of HAProxy."""

    def __init__(self, draw: random.Random, version: tuple[int, int]) -> None:
        self.draw = draw
        self.version = version
        self.managed = self._managed()
        self.files: dict[str, str] = {}  # below the directory of all: foreign ones, lists
        self.links: dict[str, str] = {}
        self.globals: list[str] = []
        self.stores: list[str] = []
        self.more: list[str] = []
        self.ports = 0
        self.loads_directory = False
        self.named: set[str] = set()  # keys without whose files HAProxy does not start
        self._foreign()
        self.binds = [self._bind(number) for number in range(draw.choice((1, 2, 2, 3)))]
        self._neighbours()
        self._dead_sections()

    # -- certificates

    def _managed(self) -> list[Managed]:
        draw = self.draw
        found: list[Managed] = []
        for number in range(draw.choice((2, 3, 3, 4))):
            found.append(self._new_one(f"s{number}", found))
        for one in found:
            one.renew(draw)
        return found

    def _new_one(self, key: str, others: t.Sequence[Managed]) -> Managed:
        draw = self.draw
        key_type: pki.KeyType = draw.choice(("ec", "ec", "rsa2048"))
        names = tuple(draw.sample(NAMES, draw.choice((1, 1, 2, 3))))
        if others and draw.random() < 0.35:  # two files of one name, or a pair of key types
            twin = draw.choice(others)
            names = twin.names if draw.random() < 0.7 else (twin.names[0], *(set(names) - set(twin.names)))
            if draw.random() < 0.8:
                key_type = "ec" if twin.key_type == "rsa2048" else "rsa2048"
        common_name = draw.choice((None, None, None, "", draw.choice(NAMES)))
        return Managed(
            key, tuple(sorted(names)) if draw.random() < 0.5 else names, key_type, draw.randrange(2), common_name
        )

    def another_one(self) -> Managed:
        one = self._new_one(f"{self.draw.choice('azs')}{len(self.managed)}", self.managed)
        one.renew(self.draw)
        self.managed.append(one)
        for bind in self.binds:
            if re.search(r"crt \{certs\}/?( |$)", bind.text):
                bind.loads |= {one.key}
        return one

    def _foreign(self) -> None:
        draw = self.draw
        for name in ("certs/aaa_legacy.pem", "certs/zzz.pem", "other/first.pem"):
            if name.startswith("other") or draw.random() < 0.25:
                names = draw.sample(NAMES, 1) if draw.random() < 0.6 else ["foreign.example.net"]
                self.files[name] = foreign_pem(draw, names, expired=draw.random() < 0.5)
        if draw.random() < 0.3:  # HAProxy skips directories
            self.files["certs/below/inner.pem"] = foreign_pem(draw, draw.sample(NAMES, 2), expired=False)
        if draw.random() < 0.15:
            one = draw.choice(self.managed)
            self.links["certs/_default.pem"] = f"certs/{one.file}"
            self.named.add(one.key)

    # -- binds

    def _bind(self, number: int) -> Bind:
        draw = self.draw
        loads, told = self._loads(number)
        options = [loads]
        for option, chance in (
            ("strict-sni", 0.25),
            ("alpn h2,http/1.1", 0.2),
            ("ssl-min-ver TLSv1.3", 0.08),
            ("ssl-max-ver TLSv1.2", 0.12),
            ("no-tls-tickets", 0.1),
            ("ca-file {other}/clients.pem verify optional", 0.07),
            ("ca-file {other}/clients.pem verify required", 0.07),
        ):
            if draw.random() < chance and not ("-ver" in option and "-ver" in options[-1]):
                options.append(option)
        if draw.random() < 0.5:  # HAProxy takes options in any order, the certificates too
            draw.shuffle(options)
        proxied = draw.random() < 0.1
        addresses, places = self._addresses()
        section = draw.randrange(2)
        files = loads.removeprefix("crt ").split(" crt ")
        are_files = loads.startswith("crt ") and all(path.endswith(".pem") or path.startswith("@") for path in files)
        if self.version >= (3, 2) and draw.random() < 0.3 and are_files and "default-crt" not in loads:
            # What all listeners of a section load: this one has a section of its own. (On a directory HAProxy hangs.)
            uses = [f"    ssl-f-use crt {path}" for path in files]
            bind = Bind(f"bind {addresses} ssl", frozenset(told), places, section=2 + number)
            return dataclasses.replace(bind, after="\n".join(uses))
        expects = ""
        if proxied and draw.random() < 0.4:
            section, expects = 2 + number, "    tcp-request connection expect-proxy layer4"
        text = f"bind {addresses} ssl {' '.join(options)}{' accept-proxy' if proxied and not expects else ''}"
        return Bind(text, frozenset(told), places, proxied, section=section, after=expects)

    def _addresses(self) -> tuple[str, tuple[tuple[str, str], ...]]:
        port = f"p{self.ports}"
        kind = self.draw.choice(("one", "one", "one", "all", "two", "unix", "six", "more"))
        if kind == "unix":
            socket = f"u{self.ports}"
            self.ports += 1
            return f"{{{socket}}}", ((socket, ""),)
        self.ports += 1
        if kind == "all":
            return f"*:{{{port}}}", (("127.0.0.1", port), ("127.0.0.3", port))
        if kind == "two":
            return f"127.0.0.1:{{{port}}},127.0.0.2:{{{port}}}", (("127.0.0.1", port), ("127.0.0.2", port))
        if kind == "six":
            return f"[::1]:{{{port}}}", (("::1", port),)
        if kind == "more":
            return f":::{{{port}}} v4v6", (("::1", port), ("127.0.0.1", port))
        return f"127.0.0.1:{{{port}}}", (("127.0.0.1", port),)

    def _loads(self, number: int) -> tuple[str, set[str]]:
        """The words that load certificates, and the keys of those."""
        draw, every = self.draw, {one.key for one in self.managed}
        kinds = ["directory"] * 3 + ["list"] * 3 + ["single", "single", "link", "links", "bundle", "after"]
        if self.version >= (3, 0):
            kinds += ["store", "default", "listed store"]
        kind = draw.choice(kinds)
        chosen = draw.sample(self.managed, draw.randint(1, len(self.managed)))
        keys = {one.key for one in chosen}
        if kind not in ("directory", "after"):
            self.named |= keys
        if kind == "directory":
            self.loads_directory = True
            return "crt {certs}" + draw.choice(("", "/")), every
        if kind == "after":
            self.loads_directory = True
            return "crt {other}/first.pem crt {certs}", every
        if kind == "single":
            return " ".join(f"crt {self._written(one)}" for one in chosen), keys
        if kind == "link":
            one = chosen[0]
            self.links[f"other/link{number}.pem"] = f"certs/{one.file}"
            return f"crt {{other}}/link{number}.pem crt {{other}}/first.pem", {one.key}
        if kind == "links":
            for one in chosen:
                self.links[f"links{number}/{draw.choice('nm')}_{one.key}.pem"] = f"certs/{one.file}"
            return f"crt {{dir}}/links{number}", keys
        if kind == "bundle":
            types = {one.key_type: one for one in chosen}
            for key_type, one in types.items():
                suffix = "rsa" if key_type == "rsa2048" else "ecdsa"
                self.links[f"other/pair{number}.pem.{suffix}"] = f"certs/{one.file}"
            return f"crt {{other}}/pair{number}.pem", {one.key for one in types.values()}
        if kind == "store":
            lines = [f"crt-store st{number}", *(["    crt-base {certs}"] if draw.random() < 0.5 else [])]
            base = "" if len(lines) > 1 else "{certs}/"
            lines += [f"    load crt {base}{one.file} alias {one.key}" for one in chosen]
            self.stores += lines
            return " ".join(f"crt @st{number}/{one.key}" for one in chosen), keys
        if kind == "listed store":
            self.stores += [f"crt-store st{number}"]
            self.stores += [f"    load crt {{certs}}/{one.file} alias {one.key}" for one in chosen]
            lines = [f"@st{number}/{one.key} {self._filters(one)}" for one in chosen]
            self.files[f"list{number}.txt"] = "\n".join(lines) + "\n"
            return f"crt-list {{dir}}/list{number}.txt", keys
        if kind == "default":
            one = draw.choice(self.managed)
            self.loads_directory = True
            self.named.add(one.key)
            return f"crt {{certs}} default-crt {{certs}}/{one.file}", every
        return self._list(number, chosen), keys

    def _written(self, one: Managed) -> str:
        """A path in one of the ways in which a configuration may write it."""
        kind = self.draw.choice(("path", "path", "path", "base", "variable", "quoted", "odd", "relative"))
        if kind == "relative" and "crt-base {certs}" not in self.globals:
            self.globals.insert(0, "default-path config")
            return f"certs/{one.file}"
        if kind == "base" and "default-path config" not in self.globals:
            self.globals.append("crt-base {certs}")
            return one.file
        if kind == "variable":
            self.globals.append("setenv SOAK_CERTS {certs}")
            return f'"${{SOAK_CERTS}}/{one.file}"'
        if kind == "quoted":
            return f"'{{certs}}/{one.file}'"
        return f"{{certs}}/{one.file}" if kind == "path" else f"{{other}}/../certs//{one.file}"

    def _list(self, number: int, chosen: t.Sequence[Managed]) -> str:
        draw = self.draw
        lines: list[str] = []
        if draw.random() < 0.3:
            lines.append("{other}/first.pem" + draw.choice(("", " !*", " foreign.example.net")))
        for one in chosen:
            for _line in range(draw.choice((1, 1, 1, 2))):
                options = draw.choice(
                    ("", "", "", "[alpn h2]", "[ssl-min-ver TLSv1.2]", "[ssl-min-ver TLSv1.3]", "[ssl-max-ver TLSv1.2]")
                )
                lines.append(" ".join(filter(None, (f"{{certs}}/{one.file}", options, self._filters(one)))))
        if draw.random() < 0.3:
            draw.shuffle(lines)
        if draw.random() < 0.3:
            lines.insert(draw.randrange(len(lines)), draw.choice(("# a comment", "")))
        self.files[f"list{number}.txt"] = "\n".join(lines) + "\n"
        return f"crt-list {{dir}}/list{number}.txt"

    def _filters(self, one: Managed) -> str:
        draw = self.draw
        if draw.random() < 0.5:
            return ""
        filters = draw.sample(NAMES, draw.choice((1, 1, 2)))
        if draw.random() < 0.5:
            filters.append(one.names[0])
        if draw.random() < 0.4:
            filters.append("!" + draw.choice(("a.example.com", "b.example.com", "www.example.com", *one.names)))
        if draw.random() < 0.15:
            filters[0] = filters[0].upper()
        if draw.random() < 0.1:
            filters.append("*")
        return " ".join(dict.fromkeys(filters))

    def _neighbours(self) -> None:
        """One address beside all addresses of one port: the more specific one answers."""
        for bind in list(self.binds):
            if bind.text.startswith("bind *:") and self.draw.random() < 0.6:
                port = bind.places[0][1]
                loads, told = self._loads(10 + len(self.binds))
                self.binds.append(
                    Bind(
                        f"bind 127.0.0.1:{{{port}}} ssl {loads}",
                        frozenset(told),
                        bind.places,
                        proxied=False,
                        section=self.draw.randrange(2),
                    )
                )
                bind.proxied, bind.text = False, bind.text.replace(" accept-proxy", "")
                bind.after = "" if "expect-proxy" in bind.after else bind.after

    def _dead_sections(self) -> None:
        """What is there and never answers."""
        draw = self.draw
        port = f"p{self.ports}"
        if draw.random() < 0.25:
            self.ports += 1
            self.more += ["frontend off", "    disabled", f"    bind 127.0.0.1:{{{port}}} ssl crt {{other}}/gone.pem"]
            self.files["other/gone.pem"] = foreign_pem(draw, ["foreign.example.net"], expired=True)
        if draw.random() < 0.25:
            port = f"p{self.ports}"
            self.ports += 1
            self.more += [
                draw.choice((".if defined(SOAK_NOT_SET)", ".if version_atleast(9.0)", ".if streq(a,b)")),
                "frontend never",
                f"    bind 127.0.0.1:{{{port}}} ssl crt {{other}}/missing.pem",
                ".endif",
            ]
        if draw.random() < 0.2:
            self.ports += 2
            self.more += [
                "defaults resting",
                "    mode http",
                "    disabled",
                "frontend rests from resting",
                f"    bind 127.0.0.1:{{p{self.ports - 2}}} ssl crt {{other}}/first.pem",
                ".if !version_atleast(2.4)",
                f"    bind 127.0.0.1:{{p{self.ports - 1}}} ssl crt {{other}}/missing.pem",
                ".elif version_atleast(9.9)",
                f"    bind 127.0.0.1:{{p{self.ports - 1}}} ssl crt {{other}}/missing.pem",
                ".else",
                f"    bind 127.0.0.1:{{p{self.ports - 1}}} ssl crt {{other}}/first.pem",
                ".endif",
            ]
        if draw.random() < 0.25:
            one = draw.choice(self.managed)
            self.named.add(one.key)
            self.more += [
                "backend upstream",
                f"    server one 127.0.0.1:1 ssl verify none crt {{certs}}/{one.file}",
            ]
        for bind in self.binds:
            if draw.random() < 0.12 and not bind.after:
                bind.before, bind.after = draw.choice(
                    ((".if version_atleast(2.4)", ".endif"), (".if feature(OPENSSL)", ".endif"))
                )
        if self.version >= (3, 2) and draw.random() < 0.1:
            self.globals.append("ssl-default-bind-options strict-sni")

    # -- on disk

    def write(self, directory: pathlib.Path) -> None:
        """All but what the collection writes."""
        (directory / "other/clients.pem").write_text(CLIENTS.certificate_pem)
        for name, text in self.files.items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
            path.write_text(_filled(text, directory, {}))
        for name, target in self.links.items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            path.symlink_to(directory / target)

    def config(self, directory: pathlib.Path, ports: t.Mapping[str, object], sockets: t.Sequence[str]) -> str:
        lines = ["global", "    tune.ssl.default-dh-param 2048"]
        lines += [f"    {line}" for line in dict.fromkeys((*sockets, *self.globals))]
        lines += [
            "defaults",
            "    mode http",
            "    timeout connect 5s",
            "    timeout client 30s",
            "    timeout server 30s",
        ]
        lines += self.stores
        for section in sorted({bind.section for bind in self.binds}):
            own = [bind for bind in self.binds if bind.section == section]
            if not own:
                continue
            lines.append(f"frontend tls{section}")
            for bind in own:
                lines += [line for line in (bind.before, f"    {bind.text}", bind.after) if line]
            lines.append("    http-request return status 200 content-type text/plain string ok")
        return _filled("\n".join([*lines, *self.more]) + "\n", directory, ports)

    def places(self, ports: t.Mapping[str, object]) -> list[tuple[Place, Bind]]:
        """Where clients connect to; of an address that several binds have part in, once."""
        found: dict[Place, Bind] = {}
        for bind in self.binds:
            for host, port in bind.places:
                if port:
                    place = Place(host, int(str(ports[port])), proxied=bind.proxied)
                else:
                    place = Place("", 0, str(ports[host]), bind.proxied)
                found.setdefault(place, bind)
        return list(found.items())

    def filters(self, one: Managed) -> list[str]:
        """All names in its lines of crt-lists, in lower case, those that are excluded among them."""
        lines = [line for name, text in self.files.items() if name.startswith("list") for line in text.splitlines()]
        own = [line for line in lines if one.file in line or f"/{one.key} " in line]
        own = [line.partition("]")[2] if "[" in line else line for line in own]
        return [word.strip("!").lower() for line in own for word in line.split() if "/" not in word]

    def names(self) -> list[str | None]:
        """What clients ask for: all names of all certificates and filters, and others."""
        found: dict[str, None] = {}
        for one in self.managed:
            found.update(dict.fromkeys(one.all_names))
            found.update(dict.fromkeys(self.filters(one)))
        asked = [f"w{self.draw.randrange(1000)}{name[1:]}" if name.startswith("*.") else name for name in found]
        self.draw.shuffle(asked)
        return [None, *dict.fromkeys(asked), self.draw.choice(asked).upper()]


def _filled(text: str, directory: pathlib.Path, ports: t.Mapping[str, object]) -> str:
    known = {"dir": directory, "certs": directory / "certs", "other": directory / "other", **ports}
    for name, value in known.items():
        text = text.replace(f"{{{name}}}", str(value))
    return text
