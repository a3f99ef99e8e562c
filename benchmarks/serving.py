"""Requests a second against a local server: our engine, the `openai` client, and lm-evaluation-harness's chat client.

    python benchmarks/serving.py [--requests 2000] [--concurrency 1,8,32,128] [--repeats 3] [--out FILE]

Three servers of chat completions on loopback, each in a process of its own, none of them with a framework in the way:

  instant   answers at once: what is left is the client's own work, told as its processor time for a request
  slow      answers after 50 ms, at most 64 at a time: no client can have more than min(concurrency, 64) / 0.05 a second
  model     a random Llama (`--size`) behind our own engine, which answers together what waits: told is the share of the
            time in which the model was at work, since no client can do more than keep it busy

All contenders ask the same questions and must get the same answers. Each run is a process of its own; loading is not
counted; contenders take turns, and medians are told. Ours asks through its store of requests, as a run does, so that each
answer is on disk when it is counted; `calque, no store` is the engine alone. The peers take part where they can be
imported (benchmarks/requirements.txt). Compare within one table alone: client and server share the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

DELAY, SLOTS = 0.05, 64
TOKENS = 16  # of an answer of the model
HOST = "127.0.0.1"
SERVERS = ("instant", "slow", "model")


def questions(count: int) -> list[str]:
    """Texts of words that are tokens of the model of `generation.py`."""
    return [" ".join(f"w{2 + (i * 37 + j * 101) % 8000}" for j in range(20 + i % 60)) for i in range(count)]


# --- servers


class Server:
    """A bare server of chat completions; `answer` makes a text of a question, and may take its time."""

    def __init__(self, answer: Callable[[str], Any]) -> None:
        self.answer = answer
        self.busy = 0.0
        self.requests = 0

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await self._head(reader):
            line, *headers = head.decode("latin-1").split("\r\n")
            length = next((int(h[15:]) for h in headers if h.lower().startswith("content-length:")), 0)
            body = await reader.readexactly(length)
            said = await self._said(line, body)
            size = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(said)}\r\n\r\n"
            writer.write(size.encode() + said)
            await writer.drain()
        writer.close()

    async def _head(self, reader: asyncio.StreamReader) -> bytes:
        try:
            return (await reader.readuntil(b"\r\n\r\n"))[:-4]
        except (asyncio.IncompleteReadError, ConnectionResetError):
            return b""

    async def _said(self, line: str, body: bytes) -> bytes:
        if not line.startswith("POST"):
            return json.dumps({"busy": self.busy, "requests": self.requests}).encode()
        self.requests += 1
        text = await self.answer(json.loads(body)["messages"][-1]["content"])
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        usage = {"prompt_tokens": 40, "completion_tokens": TOKENS, "total_tokens": 40 + TOKENS}
        made = {
            "id": "x",
            "object": "chat.completion",
            "created": 0,
            "model": "m",
            "choices": [choice],
            "usage": usage,
        }
        return json.dumps(made).encode()


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def instant(_server: Server) -> Callable[[str], Any]:
    async def answer(text: str) -> str:
        return digest(text)

    return answer


def slow(_server: Server) -> Callable[[str], Any]:
    slots = asyncio.Semaphore(SLOTS)

    async def answer(text: str) -> str:
        async with slots:
            await asyncio.sleep(DELAY)
        return digest(text)

    return answer


def of_model(server: Server, folder: Path) -> Callable[[str], Any]:
    """Our engine in a thread: it answers all that waits in one go."""
    from generation import load

    from calque.engines.transformers_engine import TransformersEngine
    from calque.records import Message

    model, encoder = load(folder)
    engine = TransformersEngine(model, encoder, "m")
    waiting: list[tuple[str, asyncio.Future[str]]] = []
    ready = threading.Condition()
    loop = asyncio.get_running_loop()

    def work() -> None:
        while True:
            with ready:
                ready.wait_for(lambda: waiting)
                some, waiting[:] = list(waiting), []
            began = time.monotonic()
            asked = [(Message("user", text, "en"),) for text, _ in some]
            answers = engine.complete(asked, max_new_tokens=TOKENS)
            server.busy += time.monotonic() - began
            for (_, future), answer in zip(some, answers, strict=True):
                loop.call_soon_threadsafe(future.set_result, answer.text)

    threading.Thread(target=work, daemon=True).start()

    async def answer(text: str) -> str:
        future: asyncio.Future[str] = loop.create_future()
        with ready:
            waiting.append((text, future))
            ready.notify()
        return await future

    return answer


async def serve(which: str, folder: Path) -> None:
    server = Server(instant)
    made = {"instant": instant, "slow": slow, "model": lambda one: of_model(one, folder)}[which]
    server.answer = made(server)
    listening = await asyncio.start_server(server.connected, HOST, 0, backlog=1024)
    print(listening.sockets[0].getsockname()[1], flush=True)
    await listening.serve_forever()


@contextmanager
def running(which: str, folder: Path) -> Iterator[str]:
    words = [sys.executable, __file__, "--serve", which, "--folder", str(folder)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"http://{HOST}:{int(process.stdout.readline())}/v1"
    finally:
        process.kill()
        process.wait()


def told(url: str) -> dict[str, float]:
    with urllib.request.urlopen(f"{url}/told", timeout=10) as answer:  # noqa: S310 — our own server
        found: dict[str, float] = json.load(answer)
        return found


# --- contenders: each makes a function that asks all questions and gives the answers


def calque(url: str, concurrency: int, *, stored: bool = True) -> Callable[[list[str]], list[str]]:
    from calque.engines.asking import Limits
    from calque.engines.server import ServerEngine
    from calque.engines.store import RequestStore
    from calque.engines.stored import StoredEngine
    from calque.records import Message

    engine = ServerEngine(url, "m", limits=Limits(concurrency=concurrency))

    def ask(texts: list[str]) -> list[str]:
        asked = [(Message("user", text, "en"),) for text in texts]
        if not stored:
            return [a.text for a in engine.complete(asked, max_new_tokens=TOKENS)]
        with tempfile.TemporaryDirectory() as folder, RequestStore(f"{folder}/requests.sqlite") as store:
            return [a.text for a in StoredEngine(engine, store).complete(asked, max_new_tokens=TOKENS)]

    return ask


def openai(url: str, concurrency: int) -> Callable[[list[str]], list[str]]:
    import httpx2
    from openai import AsyncOpenAI

    async def all_of(texts: list[str]) -> list[str]:
        limits = httpx2.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)
        found = [""] * len(texts)
        places = iter(range(len(texts)))
        async with AsyncOpenAI(
            base_url=url, api_key="none", http_client=httpx2.AsyncClient(limits=limits, trust_env=False)
        ) as client:

            async def work() -> None:
                for i in places:
                    made = await client.chat.completions.create(
                        model="m",
                        messages=[{"role": "user", "content": texts[i]}],
                        max_tokens=TOKENS,
                        temperature=0.0,
                    )
                    found[i] = made.choices[0].message.content or ""

            await asyncio.gather(*(work() for _ in range(concurrency)))
        return found

    return lambda texts: asyncio.run(all_of(texts))


def harness(url: str, concurrency: int) -> Callable[[list[str]], list[str]]:
    import logging

    from lm_eval.api.instance import Instance
    from lm_eval.models.api_models import JsonChatStr
    from lm_eval.models.openai_completions import LocalChatCompletion

    logging.disable(logging.WARNING)
    os.environ["OPENAI_API_KEY"] = "none"
    model = LocalChatCompletion(
        model="m", base_url=f"{url}/chat/completions", num_concurrent=concurrency, max_gen_toks=TOKENS
    )

    def ask(texts: list[str]) -> list[str]:
        how = {"until": [], "do_sample": False, "max_gen_toks": TOKENS}
        asked = [
            Instance(
                "generate_until", {}, (JsonChatStr(json.dumps([{"role": "user", "content": t}])), how), i
            )
            for i, t in enumerate(texts)
        ]
        return list(model.generate_until(asked, disable_tqdm=True))

    return ask


CONTENDERS: dict[str, Callable[[str, int], Callable[[list[str]], list[str]]]] = {
    "calque": calque,
    "calque, no store": lambda url, concurrency: calque(url, concurrency, stored=False),
    "openai": openai,
    "lm-eval": harness,
}
NEEDS = {"openai": "openai", "lm-eval": "lm_eval"}


def contend(name: str, url: str, requests: int, concurrency: int) -> dict[str, Any]:
    """One run in this process."""
    ask = CONTENDERS[name](url, concurrency)
    texts = questions(requests)
    before, cpu, began = told(url), time.process_time(), time.monotonic()
    answers = ask(texts)
    seconds, cpu = time.monotonic() - began, time.process_time() - cpu
    after = told(url)
    return {
        "seconds": seconds,
        "cpu": cpu,
        "busy": after["busy"] - before["busy"],
        "answers": digest("\n".join(answers)),
        "answered": sum(map(bool, answers)),
        "asked": after["requests"] - before["requests"],
    }


# --- all of it


def bound(server: str, concurrency: int) -> float | None:
    """Requests a second beyond which the server cannot go."""
    return min(concurrency, SLOTS) / DELAY if server == "slow" else None


def measure(args: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    there = [name for name in CONTENDERS if importlib.util.find_spec(NEEDS.get(name, "calque")) is not None]
    rows: list[dict[str, Any]] = []
    for server in args.servers:
        with running(server, folder) as url:
            for concurrency in args.concurrency:
                requests = args.requests
                if (most := bound(server, concurrency)) is not None:
                    requests = min(requests, max(40, int(most * 3)))
                if server == "model":
                    requests = min(requests, 200 if concurrency == 1 else 600)
                runs: dict[str, list[dict[str, Any]]] = {name: [] for name in there}
                for turn in range(args.repeats):
                    for name in there[turn % len(there) :] + there[: turn % len(there)]:
                        words = ["--contend", name, "--url", url, "--requests", str(requests)]
                        words += ["--concurrency", str(concurrency)]
                        done = subprocess.run(
                            [sys.executable, __file__, *words], capture_output=True, text=True, check=False
                        )
                        if done.returncode:
                            sys.exit(done.stderr)
                        runs[name].append(json.loads(done.stdout.splitlines()[-1]))
                rows += [row_of(server, name, concurrency, requests, found) for name, found in runs.items()]
                if len({one["answers"] for found in runs.values() for one in found}) > 1:
                    sys.exit(f"{server}: the answers are not the same")
                for row in rows[-len(runs) :]:
                    print(line(row), flush=True)
    return rows


def row_of(
    server: str, name: str, concurrency: int, requests: int, runs: list[dict[str, Any]]
) -> dict[str, Any]:
    seconds = statistics.median(one["seconds"] for one in runs)
    most = bound(server, concurrency)
    return {
        "server": server,
        "contender": name,
        "concurrency": concurrency,
        "requests": requests,
        "per_second": requests / seconds,
        "least": requests / max(one["seconds"] for one in runs),
        "most": requests / min(one["seconds"] for one in runs),
        "cpu_ms": 1000 * statistics.median(one["cpu"] for one in runs) / requests,
        "of_bound": requests / seconds / most if most is not None else None,
        "busy": statistics.median(one["busy"] / one["seconds"] for one in runs)
        if server == "model"
        else None,
        "answers": runs[0]["answers"],
        "asked": [one["asked"] for one in runs],
    }


def line(row: dict[str, Any]) -> str:
    share = row["of_bound"] if row["of_bound"] is not None else row["busy"]
    word = f"{share:>7.0%}" if share is not None else " " * 7
    rate = f"{row['per_second']:>9,.0f} [{row['least']:,.0f}, {row['most']:,.0f}]"
    return f"{row['server']:<9}{row['concurrency']:>5}  {row['contender']:<18}{rate:<26}{word}{row['cpu_ms']:>9.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--concurrency", default="1,8,32,128", type=lambda s: [int(n) for n in s.split(",")])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--servers", default=",".join(SERVERS), type=lambda s: s.split(","))
    parser.add_argument("--size", default="1.5M", help="of the model behind the server, as in generation.py")
    parser.add_argument("--out", type=Path, default=Path("build/serving.json"))
    for name in ("--serve", "--contend", "--url", "--folder"):
        parser.add_argument(name, default="", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        asyncio.run(serve(args.serve, Path(args.folder)))
    elif args.contend:
        print(json.dumps(contend(args.contend, args.url, args.requests, args.concurrency[0])))
    else:
        from generation import make_model

        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "model"
            if "model" in args.servers:
                make_model(folder, args.size)
            head = f"{'server':<9}{'at a':>5}  {'contender':<18}{'requests/s':>9} {'[least, most]':<16}{'of bound':>7}"
            print(
                f"{head}{'CPU ms':>9}\n{'':<9}{'time':>5}  {'':<44}{'or busy':>7}{'a request':>9}", flush=True
            )
            rows = measure(args, folder)
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(rows, indent=1), encoding="utf-8")
        print(args.out)


if __name__ == "__main__":
    main()
