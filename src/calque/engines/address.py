"""Addresses of servers: what is one, and which are on this machine."""

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


def is_loopback(url: str) -> bool:
    """Whether a server is on this machine, so that no proxy stands before it."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
