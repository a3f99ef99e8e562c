"""An engine that asks nothing twice: answers come from a store of requests where it has them, and go there when they come."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

from calque.engines import (
    TOO_LONG,
    Answering,
    Completion,
    CountedScores,
    Failure,
    Progress,
    RefusesEverythingError,
    Sampling,
    Scores,
)
from calque.engines.price import Purse
from calque.engines.store import RequestStore, key_of
from calque.errors import EngineError, Problem
from calque.records import Conversation

Answer = TypeVar("Answer", Completion, Scores)
EXAMPLES = 3  # failures that are told in full
CHARACTERS = 3  # of a prompt to a token, where a server does not tell: rather too few
OVER_BUDGET = "over_budget"


@dataclass(slots=True)
class Asked:
    """What became of the requests so far: put to the model, found in the store, asked twice at once, failed.

    `requests` is what a server gets for all of them if none is in the store; for choices it may be several each.
    """

    requests: int = 0
    asked: int = 0
    from_store: int = 0
    repeated: int = 0
    failed: int = 0
    tokens: int = 0
    prompt_tokens: int = 0


class StoredEngine:
    """An engine behind a store. Equal requests are asked once, also within one call; failures are asked again next time.

    With a `purse`, what its budget may not hold for fails as `over_budget`, and is not asked. The answers of a call are kept
    as they come; or `together`, once all have come, and none where they do not.
    """

    def __init__(
        self, engine: Answering, store: RequestStore, purse: Purse | None = None, *, together: bool = False
    ) -> None:
        self.engine = engine
        self.store = store
        self.purse = purse
        self.together = together
        self.counts = Asked()
        self._paid = 0  # requests that cost tokens, answered or not

    @property
    def identity(self) -> str:
        """That of the model behind it."""
        return self.engine.identity

    def complete(
        self,
        conversations: Sequence[Conversation],
        *,
        max_new_tokens: int,
        sampling: Sampling | None = None,
        progress: Progress | None = None,
    ) -> list[Completion]:
        """Answers to all, as they are `settled`."""
        found = self.attempt(
            conversations, max_new_tokens=max_new_tokens, sampling=sampling, progress=progress
        )
        return self.settled(conversations, found, _nothing_written)

    def choose(
        self,
        conversations: Sequence[Conversation],
        choices: Sequence[Sequence[str]],
        *,
        progress: Progress | None = None,
    ) -> list[Scores]:
        """Log-likelihoods for all, as they are `settled`."""
        found = self.attempt_scores(conversations, choices, progress=progress)
        return self.settled(conversations, found, _no_scores)

    def settled(
        self,
        conversations: Sequence[Conversation],  # noqa: ARG002
        found: Sequence[Answer | Failure],
        instead: Callable[[Failure], Answer],  # noqa: ARG002
    ) -> list[Answer]:
        """What came, if nothing failed; else an `EngineError`, when all others are in the store.

        A subclass may put `instead` of a failure what a model in this process gives where it has no answer.
        """
        return whole(found)

    def attempt_scores(
        self,
        conversations: Sequence[Conversation],
        choices: Sequence[Sequence[str]],
        *,
        progress: Progress | None = None,
    ) -> list[Scores | Failure]:
        """Log-likelihoods, and failures where there are none."""
        requests = [
            self._request("choose", c, {"choices": list(row)})
            for c, row in zip(conversations, choices, strict=True)
        ]

        def ask(which: Sequence[int]) -> Iterator[tuple[int, Scores | Failure]]:
            return self.engine.scores([conversations[i] for i in which], [choices[i] for i in which])

        def dearest(i: int) -> tuple[int, int]:
            prompts = self.engine.requests_for(choices[i])
            return prompts * _bytes(requests[i]["shown"]) + sum(map(_bytes, choices[i])), prompts

        return self._through(requests, ask, dearest, _scores_row, _scores, progress)

    def attempt(
        self,
        conversations: Sequence[Conversation],
        *,
        max_new_tokens: int,
        sampling: Sampling | None = None,
        check: Callable[[Completion], Failure | None] | None = None,
        progress: Progress | None = None,
    ) -> list[Completion | Failure]:
        """Answers, and failures where there is none. An answer of which `check` makes a failure is not kept."""
        drawn = None if sampling is None else asdict(sampling)
        parameters = {"max_new_tokens": max_new_tokens, "sampling": drawn}
        requests = [self._request("complete", c, parameters) for c in conversations]

        def ask(which: Sequence[int]) -> Iterator[tuple[int, Completion | Failure]]:
            chosen = [conversations[i] for i in which]
            for i, answer in self.engine.answers(chosen, max_new_tokens=max_new_tokens, sampling=sampling):
                failed = check(answer) if check is not None and isinstance(answer, Completion) else None
                if failed is not None and isinstance(answer, Completion):
                    failed = replace(failed, tokens=answer.tokens, prompt_tokens=answer.prompt_tokens)
                yield i, failed or answer

        def dearest(i: int) -> tuple[int, int]:
            return _bytes(requests[i]["shown"]), max_new_tokens

        return self._through(requests, ask, dearest, asdict, lambda row: Completion(**row), progress)

    def _request(
        self, kind: str, conversation: Conversation, parameters: Mapping[str, Any]
    ) -> dict[str, Any]:
        shown = self.engine.rendered(conversation)
        return {"kind": kind, "model": self.engine.identity, "shown": shown, **parameters}

    def _through(
        self,
        requests: Sequence[Mapping[str, Any]],
        ask: Callable[[Sequence[int]], Iterator[tuple[int, Answer | Failure]]],
        dearest: Callable[[int], tuple[int, int]],
        to_json: Callable[[Answer], Any],
        from_json: Callable[[Any], Answer],
        progress: Progress | None,
    ) -> list[Answer | Failure]:
        self.counts.requests += sum(
            self.engine.requests_for(request["choices"]) if "choices" in request else 1
            for request in requests
        )
        keys = [key_of(request) for request in requests]
        kept = self.store.get(list(dict.fromkeys(keys)))
        found: dict[str, Answer | Failure] = {key: from_json(row) for key, row in kept.items()}
        times = Counter(keys)
        first: dict[str, int] = {}
        for i, key in enumerate(keys):
            if key not in found:
                first.setdefault(key, i)
        known = sum(times[key] for key in found)
        self.counts.from_store += known
        self.counts.repeated += sum(times[key] - 1 for key in first)
        if progress is not None and known:
            progress(known)
        missing = list(first.values())
        waiting: list[tuple[Mapping[str, Any], Any]] = []
        for some in self._portions(missing, dearest):
            for i, answer in _told(some, ask, keys, found):
                self.counts.asked += 1
                if isinstance(answer, Failure):
                    self.counts.failed += 1
                elif self.together:
                    waiting.append((requests[i], to_json(answer)))
                else:
                    self.store.put(requests[i], to_json(answer))
                self._pay(answer, requests[i]["shown"])
                found[keys[i]] = answer
                if progress is not None:
                    progress(times[keys[i]])
        self.store.put_together(waiting)
        unasked = Failure(OVER_BUDGET, "it might have cost more than may be spent")
        return [found.get(key, unasked) for key in keys]

    def _portions(
        self, missing: Sequence[int], dearest: Callable[[int], tuple[int, int]]
    ) -> Iterator[Sequence[int]]:
        """The requests that are to be put, so many at once as the budget holds for."""
        if self.purse is None or self.purse.budget is None:
            if missing:
                yield missing
            return
        at = 0
        most = max((self.purse.price.of(*dearest(i)) for i in missing), default=0.0)
        for size in self.purse.portions(self.store, len(missing), most, lambda: self._paid):
            yield missing[at : at + size]
            at += size

    def _pay(self, answer: Completion | Scores | Failure, shown: str) -> None:
        if isinstance(answer, Completion | CountedScores | Failure):
            self.counts.tokens += answer.tokens
            self.counts.prompt_tokens += answer.prompt_tokens
            self._paid += bool(answer.tokens or answer.prompt_tokens)
            if self.purse is not None:
                untold = (
                    answer.tokens and not answer.prompt_tokens
                )  # by a server that does not say what it read
                read = math.ceil(len(shown) / CHARACTERS) if untold else answer.prompt_tokens
                self.purse.pay(self.store, read, answer.tokens)


def _told(
    which: Sequence[int],
    ask: Callable[[Sequence[int]], Iterator[tuple[int, Answer | Failure]]],
    keys: Sequence[str],
    found: Mapping[str, Answer | Failure],
) -> Iterator[tuple[int, Answer | Failure]]:
    """Requests `which`, and what came of each; `found` is told of it at once, by `keys`.

    What refuses many in a row and has answered others before does not refuse everything: those left over from a run
    that was cut short may be the refused ones alone.
    """
    while which:
        try:
            yield from ((which[place], answer) for place, answer in ask(which))
        except RefusesEverythingError:
            left = [i for i in which if keys[i] not in found]
            if len(left) == len(which) or all(isinstance(answer, Failure) for answer in found.values()):
                raise
            which = left
        else:
            return


def _nothing_written(failure: Failure) -> Completion:
    """An empty answer; an unfinished one where there was no room for any."""
    return Completion("", 0, failure.reason != TOO_LONG)


def _no_scores(_failure: Failure) -> Scores:
    return ()


def _bytes(text: str) -> int:
    """More tokens than a text has bytes no tokenizer makes of it."""
    return len(text.encode("utf-8", "surrogatepass"))


def _scores_row(scores: Scores) -> dict[str, Any]:
    tokens, read = (scores.tokens, scores.prompt_tokens) if isinstance(scores, CountedScores) else (0, 0)
    told = [value if math.isfinite(value) else None for value in scores]  # JSON knows no −∞
    return {"scores": told, "tokens": tokens, "prompt_tokens": read}


def _scores(row: Any) -> Scores:
    scores = (-math.inf if value is None else float(value) for value in row["scores"])
    return CountedScores.of(scores, row["tokens"], row["prompt_tokens"])


def whole(answers: Sequence[Answer | Failure]) -> list[Answer]:
    """The answers, if none failed; else an `EngineError` that tells how many failed and why."""
    failures = [(i, a) for i, a in enumerate(answers) if isinstance(a, Failure)]
    if not failures:
        return [a for a in answers if not isinstance(a, Failure)]
    reasons = ", ".join(
        f"{n:,} × {reason}" for reason, n in Counter(f.reason for _, f in failures).most_common()
    )
    told = "".join(f"\n    request {i + 1:,}: {f.reason}: {f.detail}" for i, f in failures[:EXAMPLES])
    message = f"{len(failures):,} of {len(answers):,} requests were not answered ({reasons}){told}"
    raise EngineError(
        Problem(message, remedy="the answers that came are kept: run again, and only these are asked again")
    )
