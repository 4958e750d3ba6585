# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One question to one DNS server, over UDP, then TCP; whatever it does costs its own time limit and nothing else."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import typing as t

try:
    import dns.exception
    import dns.flags
    import dns.message
    import dns.name
    import dns.query
    import dns.rcode
    import dns.rdatatype
except ImportError:  # who needs it reports it
    pass

from ..._errors import InvalidOption

#: Seconds for an answer by UDP, and again for one by TCP.
ANSWER_TIMEOUT: t.Final = 2.0
_DNS_PORT: t.Final = 53
_MOST_FAILURES = 6
_PAYLOAD = 1232  # bytes that no network fragments
# This host has no such kind of addresses, or no route.
_NO_WAY = frozenset({errno.EAFNOSUPPORT, errno.ENETUNREACH, errno.EADDRNOTAVAIL})


class NoAnswer(Exception):
    """Why a server did not answer the question. Its text goes behind "it": it was silent, it refused.

    reachable: False where this host has no way to the address at all, such as none of IPv6; silent: whether that took
    its time, or would for any other question.
    """

    def __init__(self, why: str, *, reachable: bool = True, silent: bool = False) -> None:
        super().__init__(why)
        self.why = why
        self.reachable = reachable
        self.silent = silent


class NameServer(t.NamedTuple):
    """address: IPv4 or IPv6; name: for people, "" for none."""

    address: str
    port: int = _DNS_PORT
    name: str = ""

    def __str__(self) -> str:
        port = "" if self.port == _DNS_PORT else f" port {self.port}"
        return f"{self.name} ({self.address}{port})" if self.name else f"{self.address}{port}"


def name_server(
    text: str, addresses: t.Callable[[str], t.Sequence[str]], option: str = "nameservers"
) -> list[NameServer]:
    """Of an option: ``host``, ``host:port``, ``[address]:port`` or an IPv6 address; all its addresses.

    addresses: of a host name. Raises InvalidOption.
    """
    host, port = text.strip(), str(_DNS_PORT)
    if host.startswith("["):
        host, bracket, rest = host[1:].partition("]")
        port = rest.removeprefix(":") if rest or not bracket else port
    elif host.count(":") == 1:
        host, _colon, port = host.partition(":")
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536) or not host:
        raise InvalidOption(f"{option}: {text!r} is no server. Write host, host:port, or [IPv6 address]:port.")
    try:
        return [NameServer(str(ipaddress.ip_address(host)), int(port))]
    except ValueError:
        pass
    found = [NameServer(address, int(port), host) for address in addresses(host)]
    if not found:
        raise InvalidOption(f"{option}: the host {host} has no address. Correct it, or give its address.")
    return found


def ask(server: NameServer, name: str, kind: str, *, recursive: bool, timeout: float) -> dns.message.Message:
    """Its answer: NOERROR or NXDOMAIN. name: without the root's dot; kind: of records, as TXT. Raises NoAnswer."""
    try:
        question = dns.message.make_query(_absolute(name), kind, use_edns=0, payload=_PAYLOAD)
    except dns.exception.DNSException as error:  # a label in front may have made it too long
        raise NoAnswer(f"cannot be asked for that: {error}") from None
    if not recursive:
        question.flags &= ~dns.flags.RD
    reply = _reply(question, server, timeout)
    if reply.rcode() == dns.rcode.FORMERR:  # of servers that know no EDNS
        question.use_edns(-1)
        reply = _reply(question, server, timeout)
    if reply.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        raise NoAnswer(f"answers {dns.rcode.to_text(reply.rcode())}")
    return reply


def _reply(question: dns.message.Message, server: NameServer, timeout: float) -> dns.message.Message:
    where: dict[str, t.Any] = {"where": server.address, "port": server.port, "timeout": timeout}
    # What is malformed or answers something else may be somebody else's: the server's own may still come.
    with contextlib.suppress(dns.exception.DNSException, OSError):
        return dns.query.udp_with_fallback(question, ignore_unexpected=True, ignore_errors=True, **where)[0]
    try:
        return dns.query.tcp(question, **where)
    except dns.exception.Timeout:
        raise NoAnswer(f"is silent for {timeout:g} seconds, by UDP and TCP", silent=True) from None
    except OSError as error:
        why = f"cannot be reached ({error.strerror or type(error).__name__})"
        raise NoAnswer(why, reachable=error.errno not in _NO_WAY, silent=True) from None
    except (dns.exception.DNSException, EOFError, ValueError) as error:
        raise NoAnswer(f"answers nonsense ({type(error).__name__})", silent=True) from None


class FirstAnswer:
    """Asks one server of several after the other, until one answers. May be used from many threads.

    Those that were silent are asked last from then on; where all were, for a kind of record, nobody waits for them
    again: a hundred names cost no more time than one.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._silent: set[NameServer] = set()
        self._given_up: dict[tuple[tuple[NameServer, ...], str], str] = {}

    def ask(self, servers: tuple[NameServer, ...], name: str, kind: str, *, recursive: bool) -> dns.message.Message:
        """Raises NoAnswer, with what each of them did."""
        if (servers, kind) in self._given_up:
            raise NoAnswer(self._given_up[servers, kind])
        failures: list[tuple[NameServer, NoAnswer]] = []
        for server in sorted(servers, key=self._silent.__contains__):
            try:
                return ask(server, name, kind, recursive=recursive, timeout=self._timeout)
            except NoAnswer as error:
                failures.append((server, error))
                if error.silent:
                    self._silent.add(server)
                if sum(error.reachable for _server, error in failures) >= _MOST_FAILURES:
                    break
        told = "; ".join(f"{server} {error.why}" for server, error in failures if error.reachable)
        told = told or "none can be reached from here"
        if all(error.silent for _server, error in failures):
            self._given_up[servers, kind] = told
        raise NoAnswer(told)


def _absolute(name: str) -> dns.name.Name:
    return dns.name.from_text(f"{name}.")
