"""Addresses of servers: what is one, and which proxy stands before it."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from calque.errors import Problem


def fault_of(url: str) -> Problem | None:
    """What is wrong with an address, or nothing. It must hold no password, which would get into recipes and logs."""
    try:
        address = urlsplit(url)
        host = address.hostname
    except ValueError:
        address, host = urlsplit(""), None
    if address.username or address.password:
        remedy = "name an environment variable as `key`"
        return Problem("a server's address must hold no password", host or "", remedy=remedy)
    if address.scheme not in ("http", "https") or not host:
        return Problem("this is no address of a server", url, remedy="give it as http://HOST:PORT/v1")
    return None


def proxy_of(url: str) -> str | None:
    """The proxy that the environment names for a server; none for one on this machine."""
    from urllib.request import getproxies, proxy_bypass

    address = urlsplit(url)
    if _is_loopback(address.hostname or "") or proxy_bypass(address.netloc):
        return None
    return getproxies().get(address.scheme)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
