"""Whose address it is, and which headers are believed."""

from __future__ import annotations

import pytest

from api.addresses import address_group, see


def scope(*forwarded: str, peer: str = "10.0.0.1", **headers: str) -> dict[str, object]:
    pairs = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    pairs += [(name.replace("_", "-").encode(), text.encode()) for name, text in headers.items()]
    return {"type": "http", "scheme": "http", "client": (peer, 1), "headers": pairs}


@pytest.mark.parametrize(
    ("forwarded", "proxies", "address"),
    [
        (("6.6.6.6",), 0, "10.0.0.1"),
        (("203.0.113.9",), 1, "203.0.113.9"),
        (("6.6.6.6, 203.0.113.9",), 1, "203.0.113.9"),
        (("6.6.6.6", "203.0.113.9"), 1, "203.0.113.9"),
        (("6.6.6.6, 203.0.113.9, 10.0.0.2",), 2, "203.0.113.9"),
        (("203.0.113.9:4711",), 1, "203.0.113.9"),
        (("[2001:db8::7]:4711",), 1, "2001:db8::7"),
        (("unknown",), 1, "10.0.0.1"),
        (("<script>",), 1, "10.0.0.1"),
        ((), 1, "10.0.0.1"),
        (("203.0.113.9",), 3, "203.0.113.9"),
    ],
)
def test_only_what_trusted_proxies_wrote_is_believed(
    forwarded: tuple[str, ...], proxies: int, address: str
) -> None:
    """Counted from the right: further left than our proxies, the visitor may have written it."""
    assert see(scope(*forwarded), proxies=proxies).address == address


def test_the_scheme_of_a_trusted_proxy_counts() -> None:
    """Behind a proxy that ends TLS, the visitor's browser has seen https."""
    told = scope("203.0.113.9", x_forwarded_proto="https")
    assert see(told, proxies=1).scheme == "https"
    assert see(told, proxies=0).scheme == "http"


def test_a_cookie_is_marked_secure_whenever_anybody_speaks_of_https() -> None:
    """Nobody can write headers for another's browser, so this needs no trust."""
    assert see(scope(x_forwarded_proto="https"), proxies=0).is_secure
    assert not see(scope(), proxies=1).is_secure


def test_a_household_of_ipv6_is_one_caller() -> None:
    """A /64 is what one household has; each address of it alone would have no limit."""
    assert address_group("2001:db8:1:2::1") == address_group("2001:db8:1:2:ffff::9")
    assert address_group("2001:db8:1:2::1") != address_group("2001:db8:1:3::1")
    assert address_group("::ffff:203.0.113.9") == "203.0.113.9"
    assert address_group("unknown") == "unknown"
