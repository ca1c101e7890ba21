"""Where a request comes from: the visitor's address, and the scheme that the visitor's browser saw.

``X-Forwarded-*`` headers are believed only as far as the operator has said how many reverse
proxies stand in front: anybody can write such a header.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final, final

from starlette.datastructures import Headers
from starlette.types import Scope

__all__ = ["Seen", "address_group", "see"]

_SECURE: Final = {"http": "https", "ws": "wss", "https": "https", "wss": "wss"}
_PLAIN: Final = {"http": "http", "ws": "ws", "https": "http", "wss": "ws"}


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """``address`` of the visitor (``unknown`` when the server was not told); ``scheme`` as ASGI's.

    ``is_secure`` says whether the visitor's browser talks TLS as far as anybody tells: good enough
    to mark a cookie, since nobody can write headers for somebody else's browser.
    """

    address: str
    scheme: str
    is_secure: bool


def see(scope: Scope, *, proxies: int) -> Seen:
    """Return where a request comes from behind ``proxies`` trusted reverse proxies.

    The last proxy adds the address that it saw at the end of ``X-Forwarded-For``, the one before
    it the entry before, and so on; what stands further left was written by the visitor.

    >>> scope = {"type": "http", "scheme": "http", "client": ("10.0.0.1", 5), "headers": [
    ...     (b"x-forwarded-for", b"6.6.6.6, 203.0.113.9")]}
    >>> see(scope, proxies=0).address, see(scope, proxies=1).address
    ('10.0.0.1', '203.0.113.9')
    """
    headers = Headers(scope=scope)
    client = scope.get("client")
    peer = client[0] if client else "unknown"
    scheme = scope.get("scheme", "http")
    told = _listed(headers, "x-forwarded-proto")
    if proxies and told:
        is_https = told[-min(proxies, len(told))].lower() in ("https", "wss")
        scheme = (_SECURE if is_https else _PLAIN).get(scheme, scheme)
    return Seen(
        address=_forwarded(headers, peer, proxies),
        scheme=scheme,
        is_secure=scheme in ("https", "wss") or "https" in told,
    )


def address_group(address: str) -> str:
    """Return what counts as one caller: an IPv4 address, or the /64 network of an IPv6 address.

    One household has a whole /64 and could send each request from another address of it.

    >>> address_group("203.0.113.9"), address_group("2001:db8:1:2:3:4:5:6")
    ('203.0.113.9', '2001:db8:1:2::/64')
    """
    parsed = _parsed(address)
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ip_network((parsed, 64), strict=False))
    return address


def _forwarded(headers: Headers, peer: str, proxies: int) -> str:
    if not proxies:
        return peer
    chain = [*_listed(headers, "x-forwarded-for"), peer]
    wanted = chain[max(0, len(chain) - 1 - proxies)]
    parsed = _parsed(wanted)
    return peer if parsed is None else str(parsed)


def _listed(headers: Headers, name: str) -> list[str]:
    values = ",".join(headers.getlist(name)).split(",")
    return [value.strip() for value in values if value.strip()]


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    """Return the address without port and brackets; ``None`` for what is none."""
    bare = text.strip()
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        return ip_address(bare)
    except ValueError:
        return None
