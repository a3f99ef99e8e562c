"""Nothing is asked twice, failures are no answers, and a killed process loses nothing that came."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from calque.engines import Completion, Failure, Sampling, Scores
from calque.engines.store import RequestStore, key_of
from calque.engines.stored import StoredEngine
from calque.errors import EngineError, RunError
from calque.records import Conversation, Message


class Echo:
    """Says the question again; fails where it holds `bad`. Answers come last first."""

    def __init__(self, identity: str = "echo") -> None:
        self.identity = identity
        self.asked: list[str] = []

    def rendered(self, conversation: Conversation) -> str:
        return conversation[-1].text

    def answers(
        self,
        conversations: Sequence[Conversation],
        *,
        max_new_tokens: int,  # noqa: ARG002
        sampling: Sampling | None = None,  # noqa: ARG002
    ) -> Iterator[tuple[int, Completion | Failure]]:
        for i in reversed(range(len(conversations))):
            text = conversations[i][-1].text
            self.asked.append(text)
            yield i, Failure("timeout", "late") if "bad" in text else Completion(text, len(text), True, 7)

    def scores(
        self, conversations: Sequence[Conversation], choices: Sequence[Sequence[str]]
    ) -> Iterator[tuple[int, Scores | Failure]]:
        for i, (conversation, row) in enumerate(zip(conversations, choices, strict=True)):
            self.asked.append(conversation[-1].text)
            yield i, tuple(-float(len(choice)) for choice in row)

    def requests_for(self, choices: Sequence[str]) -> int:
        return 1 + len(choices)


def ask(*texts: str) -> list[Conversation]:
    return [(Message("user", text, "en"),) for text in texts]


def test_equal_requests_are_asked_once_in_a_call_and_never_again(tmp_path: Path) -> None:
    with RequestStore(tmp_path / "a" / "requests.sqlite") as store:
        echo, done = Echo(), []
        made = StoredEngine(echo, store)
        answers = made.complete(ask("a", "b", "a", "c"), max_new_tokens=5, progress=done.append)
        assert [a.text for a in answers] == ["a", "b", "a", "c"]
        assert (echo.asked, sum(done)) == (["c", "b", "a"], 4)
        assert (made.counts.asked, made.counts.repeated, made.counts.from_store) == (3, 1, 0)
        assert (made.counts.tokens, made.counts.prompt_tokens) == (3, 21)
    with RequestStore(tmp_path / "a" / "requests.sqlite") as store:
        later = StoredEngine(Echo(), store)
        assert later.complete(ask("c", "a", "d"), max_new_tokens=5)[1].prompt_tokens == 7
        assert later.engine.asked == ["d"]  # type: ignore[attr-defined]
        assert later.counts.from_store == 2


def test_model_parameters_and_kind_are_part_of_the_request(tmp_path: Path) -> None:
    with RequestStore(tmp_path / "requests.sqlite") as store:
        echo = Echo()
        made = StoredEngine(echo, store)
        for _ in range(2):
            made.complete(ask("a"), max_new_tokens=5)
            made.complete(ask("a"), max_new_tokens=6)
            made.complete(ask("a"), max_new_tokens=5, sampling=Sampling(seed=1))
            made.complete(ask("a"), max_new_tokens=5, sampling=Sampling(seed=2))
            assert made.choose(ask("a"), [("x", "yy")]) == [(-1.0, -2.0)]
            assert made.choose(ask("a"), [("x", "yyy")]) == [(-1.0, -3.0)]
        assert len(echo.asked) == len(store) == 6
        other = Echo("another")
        StoredEngine(other, store).complete(ask("a"), max_new_tokens=5)
        assert other.asked == ["a"]


def test_a_failure_is_no_answer(tmp_path: Path) -> None:
    with RequestStore(tmp_path / "requests.sqlite") as store:
        echo = Echo()
        made = StoredEngine(echo, store)
        for _ in range(2):
            found = made.attempt(ask("a", "bad 1", "bad 1"), max_new_tokens=5)
            assert found == [Completion("a", 1, True), Failure("timeout", "late"), Failure("timeout", "late")]
        assert echo.asked == ["bad 1", "a", "bad 1"]
        assert (made.counts.failed, len(store)) == (2, 1)
        with pytest.raises(EngineError, match=r"1 of 2 requests were not answered \(1 × timeout\)"):
            made.complete(ask("a", "bad 2"), max_new_tokens=5)


def test_text_that_no_encoding_can_write_is_kept(tmp_path: Path) -> None:
    with RequestStore(tmp_path / "requests.sqlite") as store:
        made = StoredEngine(Echo(), store)
        assert made.complete(ask("\ud800 ไทย"), max_new_tokens=5) == made.complete(
            ask("\ud800 ไทย"), max_new_tokens=5
        )
        assert len(store) == 1


def test_an_answer_stays_as_it_was_first(tmp_path: Path) -> None:
    with RequestStore(tmp_path / "requests.sqlite") as store:
        store.put({"b": 1, "a": 2}, "one")
        store.put({"a": 2, "b": 1}, "two")
        assert store.get([key_of({"a": 2, "b": 1}), "nothing"]) == {key_of({"a": 2, "b": 1}): "one"}
        many = [{"n": n} for n in range(1200)]
        for request in many:
            store.put(request, request["n"])
        assert sorted(store.get([key_of(r) for r in many]).values()) == list(range(1200))


def test_a_file_that_is_no_store_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "requests.sqlite"
    path.write_bytes(b"no database at all, but long enough to be read as one" * 20)
    with pytest.raises(RunError, match=r"requests.sqlite: the store of requests cannot be read"):
        RequestStore(path)


KILLED = """
import sys
from calque.engines.store import RequestStore
store = RequestStore(sys.argv[1])
n = 0
while True:
    store.put({"n": n}, n)
    print(n, flush=True)
    n += 1
"""


def test_a_killed_process_loses_nothing_that_it_had_kept(tmp_path: Path) -> None:
    path = tmp_path / "requests.sqlite"
    process = subprocess.Popen([sys.executable, "-c", KILLED, path], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) >= 200:
            os.kill(process.pid, signal.SIGKILL)
            break
    told = [200, *(int(line) for line in process.stdout if line.endswith("\n"))][-1]
    process.wait()
    with RequestStore(path) as store:
        keys = [key_of({"n": n}) for n in range(told + 1)]
        assert sorted(store.get(keys).values()) == list(range(told + 1))
    assert sqlite3.connect(path).execute("PRAGMA integrity_check").fetchone() == ("ok",)
