"""A real OpenAI-compatible server on loopback with our own engine behind it, and a proxy in front that injects faults."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse

from calque.engines import Sampling
from calque.records import Conversation, Message

FAULTS = ("429", "500", "stall", "cut", "garbage", "null")


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """The application on a free port of loopback; its address up to /v1."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
    finally:
        server.should_exit = True
        server.force_exit = True
        thread.join(10)
        listening.close()


@dataclass
class Seen:
    """What came to the server: bodies, and headers of authorisation."""

    bodies: list[dict[str, Any]] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)


def model_app(engine: Any, seen: Seen, *, key: str = "", echoes: bool = True) -> FastAPI:
    """An engine of ours behind chat and plain completions (greedy, or with temperature; echo and chats with log-probabilities)."""
    app = FastAPI()
    lock = threading.Lock()

    @app.post("/v1/chat/completions")
    def chat(body: dict[str, Any], request: Request) -> Response:
        seen.bodies.append(body)
        given = request.headers.get("authorization", "")
        seen.keys.add(given)
        if key and given != f"Bearer {key}":
            return JSONResponse({"error": {"message": f"wrong key {given}"}}, 401)
        conversation = tuple(Message(m["role"], m["content"], "en") for m in body["messages"])
        drawn = (
            Sampling(body["temperature"], body["top_p"], body.get("top_k", 0), body["seed"])
            if body["temperature"]
            else None
        )
        with lock:
            (answer,) = engine.complete([conversation], max_new_tokens=body["max_tokens"], sampling=drawn)
        usage = {"prompt_tokens": answer.prompt_tokens, "completion_tokens": answer.tokens}
        message = {"role": "assistant", "content": answer.text}
        reason = "stop" if answer.finished else "length"
        choice = {"index": 0, "message": message, "finish_reason": reason}
        if body.get("logprobs"):
            choice["logprobs"] = {
                "content": [{"top_logprobs": likeliest(conversation, body["top_logprobs"])}]
            }
        return JSONResponse({"choices": [choice], "usage": usage})

    def likeliest(conversation: Conversation, count: int) -> list[dict[str, Any]]:
        import torch

        (ids,) = engine.encoder.encode_prompts([conversation])
        with lock, torch.no_grad():
            shares = engine.model(torch.tensor([ids])).logits[0, -1].float().log_softmax(-1)
        values, tokens = shares.topk(count)
        texts = [engine.encoder.tokenizer.decode([token]) for token in tokens.tolist()]
        return [{"token": t, "logprob": v} for t, v in zip(texts, values.tolist(), strict=True)]

    @app.post("/v1/completions")
    def text(body: dict[str, Any]) -> Response:
        import torch

        seen.bodies.append(body)
        tokenizer = engine.encoder.tokenizer
        ids = ([engine.encoder.bos] if engine.encoder.bos is not None else []) + tokenizer(
            body["prompt"], add_special_tokens=False
        )["input_ids"]
        if not body.get("echo"):
            with lock:
                (written,) = engine._generate([ids], body["max_tokens"], None)
            answer, finished = engine.encoder.decode(written)
            length = written.index(engine.stop_id) if engine.stop_id in written else len(written)
            usage = {"prompt_tokens": len(ids), "completion_tokens": length}
            reason = "stop" if finished else "length"
            return JSONResponse({"choices": [{"text": answer, "finish_reason": reason}], "usage": usage})
        if not echoes:
            return JSONResponse({"error": {"message": "Only no echo is supported"}}, 400)
        with lock, torch.no_grad():
            shares = engine.model(torch.tensor([ids])).logits[0].float().log_softmax(-1)
        values, offsets, tokens, at = [], [], [], 0
        for i, token in enumerate(ids):
            piece = "" if token == engine.encoder.bos else tokenizer.decode([token])
            values.append(float(shares[i - 1, token]) if i else None)
            offsets.append(at)
            tokens.append(piece)
            at += len(piece)
        values, offsets, tokens = [*values, -1.0], [*offsets, at], [*tokens, "x"]
        given = {"token_logprobs": values, "text_offset": offsets, "tokens": tokens}
        usage = {"prompt_tokens": len(ids), "completion_tokens": 1}
        choice = {"text": body["prompt"] + "x", "finish_reason": "length", "logprobs": given}
        return JSONResponse({"choices": [choice], "usage": usage})

    return app


@dataclass
class Proxy:
    """Passes requests on, but for a share of them, which meet with one of `faults`, in turn.

    A request that comes again meets with `most` faults at most; the next takes what it is spared. Else chance alone would
    bring one in 15,000 eight of them.
    """

    share: float = 0.3
    faults: tuple[str, ...] = FAULTS
    stall: float = 3.0
    retry_after: str = "0"
    most: int = 7
    met: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    debt: float = 0.0
    faults_of: Counter[bytes] = field(default_factory=Counter)
    most_at_once: int = 0
    now: int = 0

    def app(self, behind: str) -> FastAPI:
        """The application in front of the server at the address `behind`."""
        app = FastAPI()

        @app.post("/v1/{path:path}")
        async def relay(path: str, request: Request) -> Response:
            body = await request.body()
            self.requests += 1
            self.debt += self.share
            if self.debt >= 1 - 1e-9 and self.faults_of[body] < self.most:
                self.debt -= 1
                self.faults_of[body] += 1
                fault = self.faults[sum(self.met.values()) % len(self.faults)]
                self.met[fault] += 1
                return await self._fault(fault)
            self.now += 1
            self.most_at_once = max(self.most_at_once, self.now)
            try:
                async with httpx2.AsyncClient(trust_env=False, timeout=60) as client:
                    kept = {"authorization": request.headers.get("authorization", "")}
                    headers = {**kept, "content-type": "application/json"}
                    answer = await client.post(f"{behind}/{path}", content=body, headers=headers)
                return Response(answer.content, answer.status_code, media_type="application/json")
            finally:
                self.now -= 1

        return app

    async def _fault(self, fault: str) -> Response:
        if fault == "429":
            return JSONResponse({"error": "slow down"}, 429, {"Retry-After": self.retry_after})
        if fault == "500":
            return PlainTextResponse("out of memory", 500)
        if fault == "stall":
            await asyncio.sleep(self.stall)
            return PlainTextResponse("too late", 504)
        if fault == "cut":
            return StreamingResponse(
                _half(), 200, {"Content-Length": "4000", "Content-Type": "application/json"}
            )
        if fault == "garbage":
            return PlainTextResponse("<html>Bad gateway</html>", 200)
        return JSONResponse({"choices": [{"message": {"role": "assistant", "content": None}}]})


async def _half() -> AsyncIterator[bytes]:
    yield b'{"choices": [{"message": {"role": "assi'
