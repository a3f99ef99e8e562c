"""A server's answers equal those in this process, each comes once whatever goes wrong, and no key gets out."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from fastapi import FastAPI
from fastapi.responses import JSONResponse, Response
from tests.loopback import FAULTS, Proxy, Seen, model_app, served

from calque.engines import Completion, Failure, Sampling, asking
from calque.engines.asking import Limits
from calque.engines.loading import ModelFiles, load_model, load_tokenizer
from calque.engines.price import Price, Purse
from calque.engines.server import ServerEngine
from calque.engines.store import RequestStore
from calque.engines.stored import StoredEngine
from calque.engines.transformers_engine import TransformersEngine
from calque.errors import EngineError, ModelError
from calque.prompts.encoding import make_encoder
from calque.records import Message

QUICK = Limits(concurrency=8, attempts=8, timeout=60.0, wait=0.01, longest_wait=2.0)
KEY = "sk-very-secret-0815"


@pytest.fixture(scope="module")
def engine(foundry: Any) -> TransformersEngine:
    files = ModelFiles("m", foundry.model("llama", "bytes-bos"))
    model = load_model(files, dtype=torch.float32)
    return TransformersEngine(model, make_encoder(load_tokenizer(files), "plain"), "m")


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def url(engine: TransformersEngine, seen: Seen) -> Iterator[str]:
    with served(model_app(engine, seen)) as address:
        yield address


def ask(text: str) -> tuple[Message, ...]:
    return (Message("user", text, "en"),)


def saying(status: int, body: Any, **headers: str) -> FastAPI:
    app = FastAPI()
    app.state.requests = 0

    @app.post("/v1/chat/completions")
    def chat() -> Response:
        app.state.requests += 1
        return JSONResponse(body, status, headers)

    return app


def test_a_server_s_answers_are_those_of_this_process(
    engine: TransformersEngine, url: str, seen: Seen
) -> None:
    asked = [ask(f"the dog {i}") for i in range(12)]
    done: list[int] = []
    made = ServerEngine(url, "m", limits=QUICK)
    assert made.complete(asked, max_new_tokens=8, progress=done.append) == engine.complete(
        asked, max_new_tokens=8
    )
    assert sum(done) == len(seen.bodies) == 12
    drawn = Sampling(temperature=0.8, top_p=0.9, top_k=40, seed=3)
    expected = engine.complete(asked, max_new_tokens=8, sampling=drawn)
    assert made.complete(asked, max_new_tokens=8, sampling=drawn) == expected
    assert made.complete(asked, max_new_tokens=8)[0].prompt_tokens > 0
    assert seen.keys == {""}


def test_choices_by_echo_have_the_likelihoods_of_this_process(engine: TransformersEngine, url: str) -> None:
    asked = [ask("the dog"), ask("where is the cat?")]
    choices = [("nel bosco", "in città", "b"), ("A", "B")]
    made = ServerEngine(url, "m", template="plain", limits=QUICK)
    here, there = engine.choose(asked, choices), made.choose(asked, choices)
    for a, b in zip(here, there, strict=True):
        assert b == pytest.approx(a, abs=1e-4)
    written = [(a.text, a.finished) for a in made.complete(asked, max_new_tokens=6)]
    assert written == [(a.text, a.finished) for a in engine.complete(asked, max_new_tokens=6)]
    with pytest.raises(
        ModelError, match="longer than a character, as 'nel bosco', cannot be compared by chat"
    ):
        ServerEngine(url, "m").choose(asked, choices)
    with pytest.raises(ModelError, match="cannot be compared without echo"):
        ServerEngine(url, "m", template="plain", echo=False).choose(asked, choices)
    turns = (*ask("a"), Message("assistant", "b", "en"), *ask("c"))
    with pytest.raises(ModelError, match="several turns"):
        made.complete([turns], max_new_tokens=4)


def test_scores_know_what_they_cost(engine: TransformersEngine, url: str, seen: Seen, tmp_path: Path) -> None:
    """Three requests: the prompt, and the prompt with each of two choices; one token is written for each."""
    with RequestStore(tmp_path / "requests.sqlite") as store:
        purse = Purse("here", Price(1.0, 10.0))
        made = StoredEngine(ServerEngine(url, "m", template="plain", limits=QUICK), store, purse)
        (found,) = made.choose([ask("the dog")], [("A", "B")])
        texts = [body["prompt"] for body in seen.bodies]
        lengths = [len(engine.encoder.tokenizer(text)["input_ids"]) for text in texts]
        assert sorted(text[-1] for text in texts) == ["\n", "A", "B"]
        assert (made.counts.prompt_tokens, made.counts.tokens) == (sum(lengths), 3)
        assert store.spent("here") == pytest.approx((sum(lengths) + 30) / 1e6)
        again = StoredEngine(ServerEngine(url, "m", template="plain", limits=QUICK), store, purse)
        assert again.choose([ask("the dog")], [("A", "B")]) == [found]
        assert store.spent("here") == pytest.approx((sum(lengths) + 30) / 1e6)
        assert len(seen.bodies) == 3


def test_choices_of_a_character_by_chat_have_the_shares_of_this_process(
    engine: TransformersEngine, url: str, seen: Seen, tmp_path: Path
) -> None:
    """The server tells of every token; where it tells of the likeliest alone, that is none of the choices."""
    asked, choices = [ask("the dog"), ask("where is the cat?")], [("1", "2", "3")] * 2
    here = engine.choose(asked, choices)
    with RequestStore(tmp_path / "requests.sqlite") as store:
        purse = Purse("here", Price(1.0, 10.0))
        for _ in range(2):
            made = ServerEngine(
                url, "m", parameters={"top_logprobs": len(engine.encoder.tokenizer)}, limits=QUICK
            )
            there = StoredEngine(made, store, purse)
            found = there.choose(asked, choices)
            for a, b in zip(here, found, strict=True):
                assert b == pytest.approx(a, abs=1e-4)
            assert there.counts.requests == len(seen.bodies) == 2
        few = ServerEngine(url, "m", parameters={"top_logprobs": 1}, limits=QUICK)
        unknown = StoredEngine(few, store).attempt_scores(asked, choices)
        assert [one.reason for one in unknown if isinstance(one, Failure)] == ["no_probability"] * 2


def test_a_choice_that_is_not_told_stays_unknown_in_the_store(tmp_path: Path) -> None:
    app = FastAPI()

    @app.post("/v1/chat/completions")
    def chat() -> Response:
        told = [{"token": "2", "logprob": -0.5}]
        choice = {"message": {"content": "2"}, "finish_reason": "length"}
        return JSONResponse({"choices": [{**choice, "logprobs": {"content": [{"top_logprobs": told}]}}]})

    with served(app) as url, RequestStore(tmp_path / "requests.sqlite") as store:
        made = StoredEngine(ServerEngine(url, "m", limits=QUICK), store)
        first = made.choose([ask("a")], [("1", "2")])
        assert first == made.choose([ask("a")], [("1", "2")]) == [(-math.inf, -0.5)]
        assert (made.counts.asked, made.counts.from_store) == (1, 1)


def test_a_server_without_echo_is_told_from_one_that_fails(engine: TransformersEngine, seen: Seen) -> None:
    with (
        served(model_app(engine, seen, echoes=False)) as url,
        pytest.raises(EngineError, match=r"sends no prompt back \(status 400\)(.|\n)*say echo: false"),
    ):
        ServerEngine(url, "m", template="plain", limits=QUICK).choose([ask("a")] * 50, [("A", "B")] * 50)
    app, sent = FastAPI(), []

    @app.post("/v1/completions")
    def text(body: dict[str, Any]) -> Response:
        sent.append(body)
        told = {"content": [{"token": "x", "logprob": -1.0}]}  # of what was written alone, in another form
        choice = {"text": "x", "finish_reason": "length", "logprobs": told}
        return JSONResponse({"choices": [choice], "usage": {"prompt_tokens": 9, "completion_tokens": 1}})

    with served(app) as url, pytest.raises(EngineError, match="tells no log-probabilities of a prompt"):
        ServerEngine(url, "m", template="plain", limits=Limits(concurrency=1)).choose([ask("a")], [("A",)])
    assert len(sent) == 1


def test_a_server_that_refuses_everything_is_not_asked_on(seen: Seen) -> None:
    app = saying(400, {"error": {"message": "temperature is not supported"}})
    with served(app) as url, pytest.raises(EngineError, match=r"refuses every request: .*temperature is not"):
        ServerEngine(url, "m", limits=QUICK).complete([ask(f"{i}") for i in range(500)], max_new_tokens=1)
    assert app.state.requests <= 40


def test_a_server_that_has_answered_before_may_refuse_all_that_is_left(tmp_path: Path) -> None:
    """40 that are refused come before one that is not, as where a run was cut short and these are left; another was answered before."""
    app = FastAPI()

    @app.post("/v1/chat/completions")
    def chat(body: dict[str, Any]) -> Response:
        if "bad" in body["messages"][-1]["content"]:
            return JSONResponse({"error": {"message": "not by our policy"}}, 400)
        return JSONResponse({"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}]})

    bad = [ask(f"bad {i}") for i in range(40)]
    with served(app) as url, RequestStore(tmp_path / "requests.sqlite") as store:
        made = StoredEngine(ServerEngine(url, "m", limits=QUICK), store)
        with pytest.raises(EngineError, match="refuses every request"):
            made.attempt([*bad, ask("a")], max_new_tokens=1)
        made.attempt([ask("b")], max_new_tokens=1)
        found = made.attempt([ask("b"), *bad, ask("a")], max_new_tokens=1)
    failed = [answer.reason for answer in found if isinstance(answer, Failure)]
    assert (failed, found[-1]) == (["refused"] * 40, found[0])


def test_an_answer_that_is_withheld_is_final_and_thoughts_without_an_answer_are_an_empty_one() -> None:
    app, count = FastAPI(), itertools.count()
    said = [
        ({"content": "..."}, "content_filter"),
        ({"content": None}, "content_filter"),
        ({"content": None, "reasoning_content": "hm"}, "length"),
    ]

    @app.post("/v1/chat/completions")
    def chat() -> Response:
        message, reason = said[next(count)]
        usage = {"prompt_tokens": 5, "completion_tokens": 3}
        choice = {"message": message, "finish_reason": reason}
        return JSONResponse({"choices": [choice], "usage": usage})

    with served(app) as url:
        made = ServerEngine(url, "m", limits=Limits(concurrency=1, attempts=3))
        found = [a for _, a in made.answers([ask(f"{i}") for i in range(3)], max_new_tokens=3)]
    assert [a.reason for a in found if isinstance(a, Failure) and a.final] == ["withheld", "withheld"]
    assert (found[0].tokens, found[0].prompt_tokens) == (3, 5)
    assert found[2] == Completion("", 3, False)
    assert next(count) == 3


def test_with_thirty_per_cent_faults_every_answer_comes_once(
    engine: TransformersEngine, url: str, seen: Seen, tmp_path: Path
) -> None:
    asked = [ask(f"the cat {i}") for i in range(60)]
    proxy = Proxy(
        share=0.3, stall=0.5
    )  # which ends in a 504: on a busy machine no true answer may run out of time
    with served(proxy.app(url)) as front, RequestStore(tmp_path / "requests.sqlite") as store:
        made = StoredEngine(ServerEngine(front, "m", limits=QUICK), store)
        done: list[int] = []
        answers = made.complete(asked, max_new_tokens=6, progress=done.append)
        assert answers == engine.complete(asked, max_new_tokens=6)
        assert sum(done) == len(store) == len(seen.bodies) == 60
        assert set(proxy.met) == set(FAULTS)
        assert proxy.requests == 60 + sum(proxy.met.values())
        assert proxy.most_at_once <= QUICK.concurrency
        assert max(proxy.faults_of.values()) < QUICK.attempts
        before = proxy.requests
        again = StoredEngine(ServerEngine(front, "m", limits=QUICK), store)
        assert again.complete(asked, max_new_tokens=6) == answers
        assert (proxy.requests, again.counts.asked, again.counts.from_store) == (before, 0, 60)


def test_what_does_not_come_in_time_is_asked_again() -> None:
    app, count = FastAPI(), itertools.count()

    @app.post("/v1/chat/completions")
    async def chat() -> Response:
        if next(count) == 0:
            await asyncio.sleep(60)
        return JSONResponse({"choices": [{"message": {"content": "ja"}, "finish_reason": "stop"}]})

    with served(app) as url:
        made = ServerEngine(url, "m", limits=Limits(concurrency=1, attempts=9, timeout=1.0, wait=0.01))
        assert made.complete([ask("a")], max_new_tokens=1) == [Completion("ja", 1, True)]
    assert next(count) >= 2


def test_what_failed_is_told_and_alone_asked_again(
    engine: TransformersEngine, url: str, tmp_path: Path
) -> None:
    """One try each: what meets a fault fails, is no row of the store, and is asked again by the next run."""
    asked = [ask(f"the fox {i}") for i in range(20)]
    proxy = Proxy(share=0.2, faults=("500", "garbage"))
    one = Limits(concurrency=2, attempts=1, timeout=5.0)
    with served(proxy.app(url)) as front, RequestStore(tmp_path / "requests.sqlite") as store:
        made = StoredEngine(ServerEngine(front, "m", limits=one), store)
        with pytest.raises(EngineError) as error:
            made.complete(asked, max_new_tokens=4)
        assert "4 of 20 requests were not answered (2 × status_500, 2 × no_answer_in_it)" in str(error.value)
        assert "out of memory" in str(error.value)
        assert (len(store), made.counts.failed) == (16, 4)
        proxy.share = 0.0
        again = StoredEngine(ServerEngine(front, "m", limits=one), store)
        assert again.complete(asked, max_new_tokens=4) == engine.complete(asked, max_new_tokens=4)
        assert (again.counts.asked, again.counts.from_store) == (4, 16)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "no_answer_in_it"),
        (b"[" * 100_000, "no_answer_in_it"),  # deeper than `json` goes
        (b"\xff\xfe\x00", "no_answer_in_it"),
        (b"[]", "no_answer_in_it"),
        (b'data: {"choices": [{"delta": {"content": "j', "no_answer_in_it"),  # half a stream
        (b" " * 200_000, "too_large"),
    ],
)
def test_a_body_that_is_no_answer_fails_alone_and_is_tried_again(
    body: bytes, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "LARGEST", 150_000)
    app, count = FastAPI(), itertools.count()

    @app.post("/v1/chat/completions")
    def chat(asked: dict[str, Any]) -> Response:
        if asked["messages"][-1]["content"] == "good":
            return JSONResponse({"choices": [{"message": {"content": "ja"}, "finish_reason": "stop"}]})
        next(count)
        return Response(body)

    with served(app) as url:
        made = ServerEngine(url, "m", limits=Limits(concurrency=1, attempts=3, timeout=60.0, wait=0.001))
        bad, good = (a for _, a in made.answers([ask("bad"), ask("good")], max_new_tokens=1))
    assert isinstance(bad, Failure)
    assert (bad.reason, good) == (reason, Completion("ja", 1, True))
    assert next(count) == 3


def test_a_server_s_wait_is_honoured_and_too_long_a_wait_is_not_waited_for() -> None:
    import time

    for wait, wanted in (("1", 1.0), ("3600", 0.0)):
        app = saying(429, {}, **{"Retry-After": wait})
        with served(app) as url:
            start = time.monotonic()
            made = ServerEngine(url, "m", limits=Limits(concurrency=1, attempts=2, wait=0.001))
            (found,) = [answer for _, answer in made.answers([ask("a")], max_new_tokens=1)]
        assert isinstance(found, Failure)
        assert found.reason == "too_many_requests"
        assert app.state.requests == (2 if wanted else 1)
        assert time.monotonic() - start >= wanted


def test_a_request_that_is_refused_fails_alone_and_at_once() -> None:
    app = saying(400, {"error": {"message": "the prompt is too long"}})
    with served(app) as url:
        found = dict(
            ServerEngine(url, "m", limits=QUICK).answers([ask(f"{i}") for i in range(20)], max_new_tokens=1)
        )
    assert app.state.requests == 20
    assert {f.reason for f in found.values() if isinstance(f, Failure)} == {"refused"}
    assert "the prompt is too long" in str(found[0])


def test_models_that_know_another_name_of_the_limit_are_asked_by_it() -> None:
    app, bodies = FastAPI(), []

    @app.post("/v1/chat/completions")
    def chat(body: dict[str, Any]) -> Response:
        bodies.append(body)
        if "max_tokens" in body:
            message = "'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
            return JSONResponse({"error": {"message": message}}, 400)
        return JSONResponse({"choices": [{"message": {"content": "ja"}, "finish_reason": "stop"}]})

    with served(app) as url:
        made = ServerEngine(url, "m", parameters={"reasoning_effort": "low"}, limits=Limits(concurrency=1))
        assert made.complete([ask("a"), ask("b")], max_new_tokens=7) == [Completion("ja", 1, True)] * 2
    assert bodies[-1]["max_completion_tokens"] == 7
    assert bodies[-1]["reasoning_effort"] == "low"
    assert len(bodies) == 3


def test_a_server_that_is_not_there_or_answers_nothing_ends_it_soon() -> None:
    few = Limits(concurrency=4, attempts=2, timeout=0.2, wait=0.001)
    app = saying(500, {"detail": "broken"})
    with served(app) as url:
        with pytest.raises(EngineError, match=r"answers nothing: status_500: .*broken"):
            ServerEngine(url, "m", limits=few).complete([ask(f"{i}") for i in range(1000)], max_new_tokens=1)
        assert app.state.requests <= 24
    with pytest.raises(EngineError, match=r"answers nothing: no_connection"):
        ServerEngine(url, "m", limits=few).complete([ask(f"{i}") for i in range(1000)], max_new_tokens=1)
    with (
        served(FastAPI()) as url,
        pytest.raises(EngineError, match=r"no such model, or no /chat/completions"),
    ):
        ServerEngine(url, "m", limits=few).complete([ask("a")], max_new_tokens=1)


def test_when_a_server_dies_the_rest_is_not_asked() -> None:
    app, count = FastAPI(), itertools.count()

    @app.post("/v1/chat/completions")
    def chat() -> Response:
        if next(count) >= 5:
            return JSONResponse({}, 503)
        return JSONResponse({"choices": [{"message": {"content": "ja"}, "finish_reason": "stop"}]})

    with served(app) as url:
        made = ServerEngine(url, "m", limits=Limits(concurrency=2, attempts=1))
        found = dict(made.answers([ask(f"{i}") for i in range(500)], max_new_tokens=1))
    reasons = [a.reason for a in found.values() if isinstance(a, Failure)]
    assert len(found) == 500
    assert len(reasons) == 495
    assert 8 <= reasons.count("status_503") <= 10
    assert reasons.count("not_asked") >= 485


def test_the_time_for_all_requests_is_kept_to(url: str) -> None:
    proxy = Proxy(share=1.0, faults=("stall",), stall=5.0)
    with served(proxy.app(url)) as front:
        made = ServerEngine(front, "m", limits=Limits(concurrency=2, attempts=9, timeout=30.0, total=0.5))
        found = dict(made.answers([ask(f"{i}") for i in range(20)], max_new_tokens=1))
    assert proxy.requests <= 4
    assert {a.reason for a in found.values() if isinstance(a, Failure)} == {"out_of_time"}


def test_the_key_goes_to_the_server_and_nowhere_else(
    engine: TransformersEngine,
    seen: Seen,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("SOME_KEY", KEY)
    with served(model_app(engine, seen, key=KEY)) as url, RequestStore(tmp_path / "requests.sqlite") as store:
        made = ServerEngine(url, "m", key="SOME_KEY", limits=QUICK)
        StoredEngine(made, store).complete([ask("the dog")], max_new_tokens=3)
        assert seen.keys == {f"Bearer {KEY}"}
        monkeypatch.setenv("SOME_KEY", "sk-another")
        with pytest.raises(EngineError, match="refuses the key") as refused:
            ServerEngine(url, "m", key="SOME_KEY", limits=QUICK).complete([ask("the dog")], max_new_tokens=3)
        with pytest.raises(EngineError, match="wants a key"):
            ServerEngine(url, "m", limits=QUICK).complete([ask("the dog")], max_new_tokens=3)
    monkeypatch.delenv("SOME_KEY")
    with pytest.raises(EngineError, match=r"SOME_KEY.* is not set"):
        ServerEngine(url, "m", key="SOME_KEY").complete([ask("a")], max_new_tokens=1)
    told = repr(made) + made.identity + str(refused.value) + caplog.text
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    for secret in (KEY, "sk-another"):
        assert secret not in told
        assert secret.encode() not in kept


def test_a_proxy_of_the_environment_is_gone_through_and_a_netrc_is_not_heeded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, str]] = []

    async def proxy(scope: Any, receive: Any, send: Any) -> None:
        headers = dict(scope["headers"])
        seen.append((scope["path"], headers.get(b"authorization", b"").decode()))
        body = b'{"choices": [{"message": {"content": "ja"}, "finish_reason": "stop"}]}'
        kind = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": kind})
        await send({"type": "http.response.body", "body": body})

    (tmp_path / "netrc").write_text("default login me password hunter2", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("SOME_KEY", KEY)
    with served(proxy) as url:  # type: ignore[arg-type]
        monkeypatch.setenv("http_proxy", url.removesuffix("/v1"))
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        far = ServerEngine("http://models.example/v1", "m", key="SOME_KEY", limits=QUICK)
        assert far.complete([ask("a")], max_new_tokens=1) == [Completion("ja", 1, True)]
        near = ServerEngine(url, "m", key="SOME_KEY", limits=QUICK)
        near.complete([ask("a")], max_new_tokens=1)
    assert seen == [
        ("http://models.example/v1/chat/completions", f"Bearer {KEY}"),
        ("/v1/chat/completions", f"Bearer {KEY}"),
    ]


def test_a_key_that_a_server_says_again_is_struck_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", KEY)
    with served(saying(400, {"error": f"not for {KEY}"})) as url:
        (found,) = [
            a for _, a in ServerEngine(url, "m", key="SOME_KEY").answers([ask("a")], max_new_tokens=1)
        ]
    assert found == Failure("refused", 'status 400: {"error":"not for [key]"}')


def test_the_identity_knows_model_revision_template_and_parameters_but_no_host() -> None:
    one = ServerEngine("http://here:1/v1", "m").identity
    assert ServerEngine("https://there/v1/", "m", key="K", limits=QUICK).identity == one
    others = [
        ServerEngine("http://here:1/v1", "n"),
        ServerEngine("http://here:1/v1", "m", revision="step-200"),
        ServerEngine("http://here:1/v1", "m", template="alpaca"),
        ServerEngine("http://here:1/v1", "m", parameters={"reasoning_effort": "low"}),
    ]
    assert len({one, *(other.identity for other in others)}) == 5
    assert json.loads(one)["model"] == "m"


@pytest.mark.parametrize("url", ["here:1/v1", "ftp://here", "http://user:pass@here/v1", ""])
def test_an_address_that_is_none_or_holds_a_password_is_refused(url: str) -> None:
    with pytest.raises(ModelError) as error:
        ServerEngine(url, "m")
    assert "pass@" not in str(error.value)
