"""Where a customer's callback may go: public addresses on plain ports, by names that mean only one thing.

A callback URL makes our machines call an address that somebody else chose, so whatever is not surely public is refused
(server-side request forgery). The table is ours and not `ipaddress.is_global`, which changed its mind between patch
releases of Python. Sources: the IANA special-purpose registries, read 2026-10.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from yarl import URL

from ims.errors import Later

_CLOSED_V4 = tuple(
    IPv4Network(block)
    for block in (
        "0.0.0.0/8",  # "this network"; 0.0.0.0 reaches loopback on Linux
        "10.0.0.0/8",
        "100.64.0.0/10",  # CGNAT; Alibaba's metadata stands in it
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure's wire server: looks public, answers only inside
        "169.254.0.0/16",  # link-local, metadata of most clouds
        "172.16.0.0/12",
        "192.0.0.0/24",  # protocol assignments; Oracle's metadata stands in it
        "192.0.2.0/24",
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",  # with the broadcast address
    )
)
_OPEN_V6 = IPv6Network("2000::/3")  # all global unicast; loopback, unique-local (fd00:ec2::254), link-local, multicast lie outside
_CLOSED_V6 = tuple(
    IPv6Network(block)
    for block in (
        "2001::/23",  # Teredo, ORCHID and other protocol assignments
        "2001:db8::/32",
        "2002::/16",  # 6to4
        "3fff::/20",
    )
)
# An IPv4 address in other clothes: the packet goes to the last 32 bits, so they are what is judged.
# Teredo, 6to4 and the local NAT64 prefix (64:ff9b:1::/48) carry one elsewhere and are refused whole: no web server lives there.
_CARRIES_V4 = (IPv6Network("::ffff:0:0/96"), IPv6Network("::ffff:0:0:0/96"), IPv6Network("64:ff9b::/96"))
_LOOPBACK_V4 = IPv4Network("127.0.0.0/8")

_WELL_KNOWN_PORTS = frozenset({80, 443})  # below 1024 nothing else speaks HTTP
# The blocked ports of the Fetch standard above 1023: a body posted there would be read as commands of another protocol.
_BLOCKED_PORTS = frozenset({1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, *range(6665, 6670), 6679, 6697, 10080})

_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)+")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")  # a name that ends so is read as an IPv4 address by some libraries (WHATWG URL)
_INSIDE = (".localhost", ".local", ".localdomain", ".internal", ".intranet", ".lan", ".home.arpa", ".in-addr.arpa", ".ip6.arpa")
_LOOPBACK_NAME = "localhost"


class Unreachable(Later):
    """A call that did not get an answer; the text is a short reason without anything of the URL."""


class Refused(Unreachable):
    """A URL that must not be called, whoever asks."""


@lru_cache(maxsize=1_024)  # a customer names the same one with every message
def destination(url: str, allow_loopback: bool) -> URL:
    """The URL, parsed once: what is judged here is what is called. Refused unless a name in it may still resolve well."""
    if not url.isprintable() or any(c in url for c in " \\"):
        raise Refused("the URL holds blanks or control characters")
    try:
        parsed = URL(url)
    except ValueError as exc:
        raise Refused("the URL can not be read") from exc
    if parsed.scheme not in ("http", "https"):
        raise Refused("the scheme is neither http nor https")
    if "@" in re.split(r"[/?#]", url.partition("//")[2], maxsplit=1)[0]:  # in the text: yarl drops an empty user
        raise Refused("the URL holds a user name")
    if parsed.port not in _WELL_KNOWN_PORTS and not (parsed.port and parsed.port >= 1024 and parsed.port not in _BLOCKED_PORTS):
        raise Refused("the port is not allowed")
    host = parsed.raw_host or ""
    address = literal(host)
    if address is not None:
        check_addresses(host, [str(address)], allow_loopback)
    elif not (_may_resolve(host) or (allow_loopback and host == _LOOPBACK_NAME)):
        raise Refused("the host is not a public name")
    return parsed


def check_addresses(host: str, addresses: Iterable[str], allow_loopback: bool) -> None:
    """Refused when any of the addresses of `host` is not public.

    Where loopback is allowed it must be written as such: a public name that leads to it is still an attack.
    """
    loopback_too = allow_loopback and (host == _LOOPBACK_NAME or literal(host) is not None)
    if not all(is_public(address) or (loopback_too and is_loopback(address)) for address in addresses):
        raise Refused("the address is not public")


def is_public(address: str) -> bool:
    """Whether packets to this address (text form) leave for the open internet."""
    ip = _unpacked(address)
    if isinstance(ip, IPv4Address):
        return not any(ip in block for block in _CLOSED_V4)
    return ip in _OPEN_V6 and not any(ip in block for block in _CLOSED_V6)


def is_loopback(address: str) -> bool:
    """127.0.0.0/8 or ::1, exactly: not a mapped form, which only somebody with a plan writes."""
    ip = ip_address(address)
    return ip in _LOOPBACK_V4 if isinstance(ip, IPv4Address) else ip == IPv6Address("::1")


def literal(host: str) -> IPv4Address | IPv6Address | None:
    """The address that the host is written as, in its one canonical form; Refused for every other spelling of a number."""
    if ":" not in host and not _NUMBER.fullmatch(host.rstrip(".").rpartition(".")[2]):
        return None
    try:
        return ip_address(host)  # strict: four decimal parts without leading zeros; a zone or an octal part raises
    except ValueError as exc:
        raise Refused("the host is an unusual form of an address") from exc


def _may_resolve(host: str) -> bool:
    name = host.removesuffix(".")
    return _NAME.fullmatch(name) is not None and not name.endswith(_INSIDE)


def _unpacked(address: str) -> IPv4Address | IPv6Address:
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address) and any(ip in block for block in _CARRIES_V4):
        return IPv4Address(int(ip) & 0xFFFF_FFFF)
    return ip
