import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_agent.config.addresses import is_address, kind_of_address, refusal_of


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("8.8.8.8", "public"),
        ("1.1.1.1", "public"),
        ("172.15.255.255", "public"),
        ("172.32.0.0", "public"),
        ("2606:4700::1111", "public"),
        ("::ffff:8.8.8.8", "public"),
        ("64:ff9b::808:808", "public"),
        ("2002:808:808::1", "public"),
        ("127.0.0.1", "private"),
        ("127.255.255.254", "private"),
        ("10.0.0.1", "private"),
        ("172.16.0.1", "private"),
        ("192.168.1.1", "private"),
        ("100.64.0.1", "private"),
        ("::1", "private"),
        ("fd12::1", "private"),
        ("::ffff:127.0.0.1", "private"),
        ("::ffff:7f00:1", "private"),
        ("64:ff9b::7f00:1", "private"),
        ("2002:a00:1::1", "private"),
        ("0.0.0.0", "forbidden"),
        ("169.254.169.254", "forbidden"),
        ("168.63.129.16", "forbidden"),
        ("100.100.100.200", "forbidden"),
        ("192.0.0.192", "forbidden"),
        ("224.0.0.1", "forbidden"),
        ("255.255.255.255", "forbidden"),
        ("::", "forbidden"),
        ("::127.0.0.1", "forbidden"),
        ("fe80::1%eth0", "forbidden"),
        ("ff02::1", "forbidden"),
        ("fd00:ec2::254", "forbidden"),
        ("::ffff:169.254.169.254", "forbidden"),
        ("64:ff9b:1::7f00:1", "forbidden"),
        ("2001:db8::1", "forbidden"),
        ("2001::1", "forbidden"),
        ("2130706433", "forbidden"),
        ("example.com", "forbidden"),
        ("", "forbidden"),
    ],
)
def test_what_an_address_is(address: str, kind: str) -> None:
    assert kind_of_address(address) == kind


@given(st.ip_addresses())
def test_what_python_calls_inner_is_never_public(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    inner = (
        address.is_private
        or address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_reserved
        or address.is_unspecified
    )
    # These are judged by the IPv4 address that they lead to.
    dressed = str(address).startswith(("64:ff9b::", "::ffff:", "2002:"))
    if inner and not dressed:
        assert kind_of_address(str(address)) != "public"


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_the_same_in_every_ipv6_dress(address: ipaddress.IPv4Address) -> None:
    number, kind = int(address), kind_of_address(str(address))

    for dressed in (0xFFFF << 32 | number, 0x64FF9B << 96 | number, 0x2002 << 112 | number << 80 | 1):
        assert kind_of_address(str(ipaddress.IPv6Address(dressed))) == kind


@given(st.ip_addresses())
def test_leave_for_private_addresses_opens_these_only(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    kind = kind_of_address(str(address))

    assert (refusal_of(str(address), allow_private=True) == "") is (kind != "forbidden")
    assert (refusal_of(str(address), allow_private=False) == "") is (kind == "public")


def test_a_refusal_says_what_would_allow_it() -> None:
    assert refusal_of("10.0.0.5", allow_private=False) == (
        '10.0.0.5 is a private address; "allow_private: true" would allow it'
    )
    assert refusal_of("169.254.169.254", allow_private=True) == ("169.254.169.254 is an address that no tool may reach")


@given(st.ip_addresses())
def test_an_address_is_told_from_a_name(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    assert is_address(str(address))
    assert not is_address(f"{address}.example")
