"""Which network addresses are strangers' and which lie inside: this machine's, its network's, its cloud's.

A request whose address a caller or a redirect can influence must not reach what only insiders reach. The lists are
IANA's registries of special-purpose addresses; IPv6 is judged by what is public, for most of it is nobody's yet. It
must not know who asks, nor look names up.

https://www.iana.org/assignments/iana-ipv4-special-registry, https://www.iana.org/assignments/iana-ipv6-special-registry
"""

import ipaddress
from typing import Literal

Kind = Literal["public", "private", "forbidden"]
"""`private`: this machine and inner networks, which a user may mean. `forbidden`: what no request is meant for."""

_PRIVATE_4 = tuple(
    ipaddress.IPv4Network(network)
    for network in ("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
)
_FORBIDDEN_4 = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "100.100.100.200/32",  # metadata of a cloud, in an inner range
        "168.63.129.16/32",  # likewise, in a public one
        "169.254.0.0/16",  # link-local, and most clouds' metadata
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
_PRIVATE_6 = tuple(ipaddress.IPv6Network(network) for network in ("::1/128", "fc00::/7"))
_FORBIDDEN_6 = tuple(
    ipaddress.IPv6Network(network)
    for network in (
        "fd00:ec2::/32",  # a cloud's metadata
        "fd20:ce::/32",  # likewise
        "2001::/23",
        "2001:db8::/32",
        "3fff::/20",
    )
)
_PUBLIC_6 = ipaddress.IPv6Network("2000::/3")
"""All that IANA has given out for public use."""

_WITH_IPV4 = (
    (ipaddress.IPv6Network("::ffff:0:0/96"), 0),  # mapped
    (ipaddress.IPv6Network("64:ff9b::/96"), 0),  # NAT64, RFC 6052
    (ipaddress.IPv6Network("2002::/16"), 80),  # 6to4, RFC 3056
)
"""Networks whose addresses lead to an IPv4 address, and how many bits stand behind it."""


def is_address(host: str) -> bool:
    """Tell an address from a name that has to be looked up."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def kind_of_address(address: str) -> Kind:
    """Judge an address as a socket has it (`10.0.0.1`, `fe80::1%eth0`); what is none is forbidden."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "forbidden"
    return _kind_4(parsed) if isinstance(parsed, ipaddress.IPv4Address) else _kind_6(parsed)


def _kind_4(address: ipaddress.IPv4Address) -> Kind:
    if any(address in network for network in _FORBIDDEN_4):
        return "forbidden"
    return "private" if any(address in network for network in _PRIVATE_4) else "public"


def _kind_6(address: ipaddress.IPv6Address) -> Kind:
    for network, behind in _WITH_IPV4:
        if address in network:
            return _kind_4(ipaddress.IPv4Address(int(address) >> behind & 0xFFFF_FFFF))
    if any(address in network for network in _FORBIDDEN_6):
        return "forbidden"
    if any(address in network for network in _PRIVATE_6):
        return "private"
    return "public" if address in _PUBLIC_6 else "forbidden"


def refusal_of(address: str, *, allow_private: bool) -> str:
    """Say why an address must not be connected to, with the remedy; empty: it may be."""
    match kind_of_address(address):
        case "public":
            return ""
        case "private":
            return "" if allow_private else f'{address} is a private address; "allow_private: true" would allow it'
        case "forbidden":
            return f"{address} is an address that no tool may reach"
