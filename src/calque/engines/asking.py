"""Many requests to a server at once, so many at a time; each tried again while that may help, and answered or failed once.

Tried again are 408, 429 and 5xx (a `Retry-After` is honoured), time-outs, broken connections, bodies that are cut off, without
end, or no answer. Refused requests (other 4xx) fail at once, and a refused key ends it all. When nothing but failures
comes, the rest is not asked.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from queue import SimpleQueue
from threading import Thread
from typing import Any, Generic, TypeVar

import aiohttp
import stamina

from calque.engines import TOO_LONG, Failure, RefusesEverythingError
from calque.engines.wire import NO_ECHO
from calque.errors import CalqueError, EngineError, Problem

Answer = TypeVar("Answer")
OK, BAD_REQUEST, TOO_MANY, SERVER_ERROR = 200, 400, 429, 500
KEY_REFUSED = frozenset({401, 403})
NOT_THERE = frozenset({404, 405})
AGAIN = frozenset({408, 409, 425, 429})
BEYOND = re.compile(
    r"context.{0,10}(length|size|window)", re.IGNORECASE
)  # in how all of them refuse a prompt that is too long
QUOTED = 300  # characters of what a server said
CONNECT = 10.0  # seconds
LARGEST = 1 << 26  # bytes of a body: ten times what a prompt of 100,000 tokens and its log-probabilities have
HOPELESS = 8  # requests that failed, each after all its tries, when none was answered
REFUSED = 32  # requests that the server refused, when none was answered


@dataclass(frozen=True, slots=True)
class Limits:
    """How a server is asked: requests at a time, tries of each, seconds.

    `timeout` is for one try, `total` for all requests of one call (None: no end). Between tries it waits `wait`
    seconds, twice as long each time up to `longest_wait`; a server that asks for a longer wait is not tried again.
    """

    concurrency: int = 32
    attempts: int = 6
    timeout: float = 600.0
    total: float | None = None
    wait: float = 0.5
    longest_wait: float = 60.0


@dataclass(frozen=True, slots=True)
class Request(Generic[Answer]):
    """A body to be posted, and what reads the answer out of the JSON that comes (a `ValueError`: it is none).

    A failure that is read out of it is not tried again.
    """

    place: int
    path: str
    body: dict[str, Any]
    read: Callable[[Any], Answer | Failure]


def ask(
    url: str,
    secret: str,
    requests: Iterator[Request[Answer]],
    total: int,
    limits: Limits,
    *,
    proxy: str | None = None,
) -> Iterator[tuple[int, Answer | Failure]]:
    """Each request's place and answer, or failure, in the order in which they come; `total` of them.

    Raises `EngineError` where the server refuses the key, is none, or answers nothing at all. Closing the iterator
    stops asking. Nothing of the environment is heeded but the `proxy` that is given: no password of a `.netrc` in place of the key.
    """
    asker = _Asker(url.rstrip("/"), secret, requests, limits, proxy)
    thread = Thread(target=asker.run, name="calque-requests", daemon=True)
    thread.start()
    came = 0
    try:
        while came < total:
            result = asker.results.get()
            if isinstance(result, BaseException):
                raise result
            yield result
            came += 1
    finally:
        asker.stop()
        thread.join()


class _TryError(Exception):
    """A try that failed in a way that another may not; `wait` is what the server asked for, in seconds."""

    def __init__(self, failure: Failure, wait: float | None = None) -> None:
        super().__init__(failure.reason)
        self.failure = failure
        self.wait = wait


class _Asker(Generic[Answer]):
    """The thread in which the requests run."""

    def __init__(
        self, url: str, secret: str, requests: Iterator[Request[Answer]], limits: Limits, proxy: str | None
    ) -> None:
        self.url = url
        self.secret = secret
        self.requests = requests
        self.limits = limits
        self.proxy = proxy
        self.results: SimpleQueue[tuple[int, Answer | Failure] | BaseException] = SimpleQueue()
        self.deadline = None if limits.total is None else time.monotonic() + limits.total
        self.answered = 0
        self.failed_in_a_row = 0
        self.refused = 0
        self.stopped = False
        self.limit_name = "max_tokens"
        self._loop: asyncio.AbstractEventLoop | None = None
        self._all: asyncio.Task[None] | None = None

    def run(self) -> None:
        """All requests; what ends it before is handed to the reader."""
        logging.getLogger("stamina").setLevel(logging.ERROR)
        try:
            asyncio.run(self._run())
        except asyncio.CancelledError:
            pass
        except BaseException as error:  # noqa: BLE001  it is raised where the answers are read
            self.results.put(error)

    def stop(self) -> None:
        """Ask no more, and drop what is under way."""
        self.stopped = True
        if self._loop is not None and self._all is not None and not self._loop.is_closed():
            with suppress(RuntimeError):  # it ended just now
                self._loop.call_soon_threadsafe(self._all.cancel)

    async def _run(self) -> None:
        self._loop, self._all = asyncio.get_running_loop(), asyncio.current_task()
        if self.stopped:
            return
        headers = {"Content-Type": "application/json"}
        if self.secret:
            headers["Authorization"] = f"Bearer {self.secret}"
        size = self.limits.concurrency
        async with aiohttp.ClientSession(
            headers=headers,
            connector=aiohttp.TCPConnector(limit=size),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=min(CONNECT, self.limits.timeout)),
            trust_env=False,
            proxy=self.proxy,
        ) as session:
            try:
                async with asyncio.TaskGroup() as group:
                    for _ in range(size):
                        group.create_task(self._work(session))
            except* CalqueError as several:
                raise several.exceptions[0] from None

    async def _work(self, session: aiohttp.ClientSession) -> None:
        for request in self.requests:
            result = self._not_asked() or await self._until_answered(session, request)
            if isinstance(result, Failure):
                self._lost(result)
            else:
                self.answered += 1
                self.failed_in_a_row = 0
            self.results.put((request.place, result))

    def _not_asked(self) -> Failure | None:
        if self.deadline is not None and time.monotonic() >= self.deadline:
            return self._out_of_time()
        if self.failed_in_a_row >= max(HOPELESS, 2 * self.limits.concurrency):
            return Failure(
                "not_asked", f"{self.failed_in_a_row:,} requests before it failed one after the other"
            )
        return None

    def _out_of_time(self) -> Failure:
        return Failure("out_of_time", f"{self.limits.total:g} seconds for all requests are over")

    def _lost(self, failure: Failure) -> None:
        """Count a failure; where there never was an answer, it is the server."""
        if failure.reason == "refused" and not self.answered:
            self.refused += 1
            if self.refused >= REFUSED:
                message = f"the server refuses every request: {failure.detail}"
                raise RefusesEverythingError(
                    Problem(message, self.url, remedy="change what it does not like")
                )
        if failure.final or failure.reason in ("out_of_time", "not_asked"):
            return  # by the request's own fault, or by ours
        self.failed_in_a_row += 1
        if not self.answered and self.failed_in_a_row >= HOPELESS:
            message = f"the server answers nothing: {failure.reason}: {failure.detail}"
            raise EngineError(Problem(message, self.url, remedy="is it running, and is this its address?"))

    async def _until_answered(
        self, session: aiohttp.ClientSession, request: Request[Answer]
    ) -> Answer | Failure:
        limits = self.limits
        try:
            async for attempt in stamina.retry_context(
                on=self._wait, attempts=limits.attempts, timeout=None, wait_initial=limits.wait, wait_jitter=limits.wait,
                wait_max=limits.longest_wait,
            ):  # fmt: skip
                with attempt:
                    return await self._once(session, request)
        except _TryError as error:
            return error.failure
        raise AssertionError("a try either answers or fails")

    def _wait(self, error: Exception) -> bool | float:
        """Whether to try again, or after how many seconds."""
        if not isinstance(error, _TryError) or (
            self.deadline is not None and time.monotonic() >= self.deadline
        ):
            return False
        if error.wait is None:
            return True
        return error.wait if error.wait <= self.limits.longest_wait else False

    async def _once(self, session: aiohttp.ClientSession, request: Request[Answer]) -> Answer | Failure:
        body = request.body
        if self.limit_name not in body and "max_tokens" in body:
            body = {**body, self.limit_name: body["max_tokens"]}
            del body["max_tokens"]
        seconds = self.limits.timeout
        if self.deadline is not None:
            seconds = max(0.001, min(seconds, self.deadline - time.monotonic()))
        url, data = f"{self.url}/{request.path}", json.dumps(body).encode()
        try:
            async with (
                asyncio.timeout(seconds),
                session.post(url, data=data, allow_redirects=False) as response,
            ):
                came = await _body(response)
        except TimeoutError:
            if seconds < self.limits.timeout:
                return self._out_of_time()
            raise _TryError(Failure("timeout", f"no answer within {seconds:g} seconds")) from None
        except (aiohttp.ClientError, OSError) as error:
            reason = (
                "no_connection" if isinstance(error, aiohttp.ClientConnectorError) else "broken_connection"
            )
            raise _TryError(Failure(reason, self._quoted(str(error) or type(error).__name__))) from None
        if response.status != OK:
            said = self._quoted(came.decode("utf-8", "replace"))
            return self._refused(response.status, said, response.headers.get("retry-after", ""), request)
        try:
            return request.read(json.loads(came))
        except (ValueError, RecursionError) as error:  # nested too deep for `json`, it is no answer either
            detail = str(error).replace("\n", " ")
            raise _TryError(Failure("no_answer_in_it", self._quoted(detail))) from None

    def _refused(self, status: int, said: str, retry_after: str, request: Request[Answer]) -> Failure:
        if status in KEY_REFUSED:
            message = (
                f"the server refuses the key (status {status})"
                if self.secret
                else f"the server wants a key (status {status})"
            )
            remedy = "name the environment variable that holds it as the engine's `key`"
            raise EngineError(Problem(message, self.url, remedy=remedy))
        if status in NOT_THERE or 300 <= status < 400:
            message = (
                f"there is no such model, or no /{request.path}, at this address (status {status}): {said}"
            )
            raise EngineError(
                Problem(
                    message,
                    self.url,
                    remedy="give the address up to /v1, and the model's name as the server knows it",
                )
            )
        if request.body.get("echo") and "echo" in said.lower():
            message = f"the server sends no prompt back (status {status}), so that choices cannot be compared: {said}"
            raise EngineError(Problem(message, self.url, remedy=NO_ECHO))
        if status == BAD_REQUEST and "max_completion_tokens" in said and self.limit_name == "max_tokens":
            self.limit_name = "max_completion_tokens"
            raise _TryError(Failure("refused", said), wait=0.001)
        if status in AGAIN or status >= SERVER_ERROR:
            reason = "too_many_requests" if status == TOO_MANY else f"status_{status}"
            raise _TryError(Failure(reason, said), _retry_after(retry_after))
        return Failure(TOO_LONG if BEYOND.search(said) else "refused", f"status {status}: {said}")

    def _quoted(self, text: str) -> str:
        """What a server said, shortened, the key struck out."""
        text = text.replace(self.secret, "[key]") if self.secret else text
        return text[:QUOTED]


async def _body(response: aiohttp.ClientResponse) -> bytes:
    """A body to its end. Of one that has none no more is held than `LARGEST`: its try has failed."""
    came = bytearray()
    async for piece in response.content.iter_any():
        came += piece
        if len(came) > LARGEST:
            raise _TryError(Failure("too_large", f"the answer has more than {LARGEST:,} bytes"))
    return bytes(came)


def _retry_after(value: str) -> float | None:
    """Seconds that a `Retry-After` asks for, given in seconds or as a date."""
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None
