"""Open the stores, serve the page on this machine, and show it."""

from __future__ import annotations

import ipaddress
import socket
import webbrowser
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing, suppress
from importlib.util import find_spec
from pathlib import Path
from threading import Timer

from calque.errors import Problem, UsageError
from calque.rating.pairs import Wanted, draw
from calque.reports.folder import read_run
from calque.reports.ratings import RATINGS

PORT = 8733
NEEDED = ("fastapi", "uvicorn")
LOOPBACK = ("127.0.0.1", "localhost", "[::1]", "::1")


def rate(
    folders: Sequence[Path],
    wanted: Wanted,
    *,
    host: str = LOOPBACK[0],
    port: int | None = None,
    browser: bool = True,
    say: Callable[[str], None] = print,
) -> None:
    """Serve until interrupted. Raises `UsageError` where a package is missing, the port is taken, or nothing is to rate."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        problem = f"{' and '.join(missing)} {'are' if len(missing) > 1 else 'is'} not installed, and the page needs it"
        raise UsageError(Problem(problem, remedy="pip install 'calque[web]'"))
    import uvicorn

    from calque.rating.app import make_app
    from calque.rating.desk import Desk
    from calque.rating.store import Store

    runs = [read_run(folder) for folder in folders]
    pairs = draw(runs, wanted)
    with ExitStack() as stack:
        listening = stack.enter_context(closing(_listen(host, port)))
        stores = [stack.enter_context(closing(Store(folder))) for folder in folders]
        desk = Desk(pairs, stores, wanted.seed)
        same = len(pairs) - len(desk.pairs)
        say(f"{len(desk.pairs):,} pairs of answers to rate" + (f", {same:,} more are the same" * bool(same)))
        place = listening.getsockname()
        address = f"http://{f'[{place[0]}]' if ':' in place[0] else place[0]}:{place[1]}/"
        if not _is_loopback(host):
            say("note: whoever reaches this machine can rate, under any name")
        say(f"rate at {address} (stop with Ctrl-C; the same command goes on)")
        hosts = LOOPBACK if _is_loopback(host) else ("*",)
        config = uvicorn.Config(make_app(desk, hosts), log_level="warning", access_log=False)
        if browser:
            waiting = Timer(0.5, webbrowser.open, [address])
            waiting.daemon = True
            waiting.start()
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listening])
    for folder in folders:
        say(f"ratings: {folder / RATINGS} (calque report {folder} shows them)")


def _listen(host: str, port: int | None) -> socket.socket:
    """A socket that listens on the port that is asked for; where none is, on the usual one, or on any if that is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for candidate in (port,) if port is not None else (PORT, 0):
        listening = socket.socket(family, socket.SOCK_STREAM)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((host, candidate))
            listening.listen()
        except OSError as error:
            listening.close()
            reason = error.strerror or str(error)
        else:
            return listening
    remedy = "name another one with --port, or leave it out"
    raise UsageError(Problem(f"the page cannot be served: {reason}", f"{host}:{candidate}", remedy=remedy))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
