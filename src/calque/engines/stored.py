"""An engine that asks nothing twice: answers come from a store of requests where it has them, and go there when they come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

from calque.engines import Answering, Completion, Failure, Progress, Sampling, Scores
from calque.engines.store import RequestStore, key_of
from calque.errors import EngineError, Problem
from calque.records import Conversation

Answer = TypeVar("Answer", Completion, Scores)
EXAMPLES = 3  # failures that are told in full


@dataclass(slots=True)
class Asked:
    """What became of the requests so far: put to the model, found in the store, asked twice at once, failed."""

    asked: int = 0
    from_store: int = 0
    repeated: int = 0
    failed: int = 0
    tokens: int = 0
    prompt_tokens: int = 0


class StoredEngine:
    """An engine behind a store. Equal requests are asked once, also within one call; failures are asked again next time."""

    def __init__(self, engine: Answering, store: RequestStore) -> None:
        self.engine = engine
        self.store = store
        self.counts = Asked()

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
        """Answers to all; an `EngineError` where any failed, when all others are in the store."""
        return whole(
            self.attempt(conversations, max_new_tokens=max_new_tokens, sampling=sampling, progress=progress)
        )

    def choose(
        self,
        conversations: Sequence[Conversation],
        choices: Sequence[Sequence[str]],
        *,
        progress: Progress | None = None,
    ) -> list[Scores]:
        """Log-likelihoods for all; an `EngineError` where any failed, when all others are in the store."""
        requests = [
            self._request("choose", c, {"choices": list(row)})
            for c, row in zip(conversations, choices, strict=True)
        ]

        def ask(which: Sequence[int]) -> Iterator[tuple[int, Scores | Failure]]:
            return self.engine.scores([conversations[i] for i in which], [choices[i] for i in which])

        return whole(self._through(requests, ask, list, _scores, progress))

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

        return self._through(requests, ask, asdict, lambda row: Completion(**row), progress)

    def _request(
        self, kind: str, conversation: Conversation, parameters: Mapping[str, Any]
    ) -> dict[str, Any]:
        shown = self.engine.rendered(conversation)
        return {"kind": kind, "model": self.engine.identity, "shown": shown, **parameters}

    def _through(
        self,
        requests: Sequence[Mapping[str, Any]],
        ask: Callable[[Sequence[int]], Iterator[tuple[int, Answer | Failure]]],
        to_json: Callable[[Answer], Any],
        from_json: Callable[[Any], Answer],
        progress: Progress | None,
    ) -> list[Answer | Failure]:
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
        for place, answer in ask(missing) if missing else ():
            i = missing[place]
            self.counts.asked += 1
            if isinstance(answer, Failure):
                self.counts.failed += 1
            else:
                self.store.put(requests[i], to_json(answer))
            self._count_tokens(answer)
            found[keys[i]] = answer
            if progress is not None:
                progress(times[keys[i]])
        return [found[key] for key in keys]

    def _count_tokens(self, answer: Completion | Scores | Failure) -> None:
        if isinstance(answer, Completion | Failure):
            self.counts.tokens += answer.tokens
            self.counts.prompt_tokens += answer.prompt_tokens


def _scores(row: Any) -> Scores:
    return tuple(map(float, row))


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
