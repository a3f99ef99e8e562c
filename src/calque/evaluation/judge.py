"""A model as a judge of answers to open questions: which of two systems answered better, item by item.

Each pair is shown in both orders, and what the judge says of it counts only if it says so in both: else it is a tie. What needs no
judge is not put to one: answers that are the same tie, an empty one loses, and so does one in a wrong language. A request that fails
is asked again; what stays without a verdict is told, and is none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol, TypeVar

from calque.engines import Completion, Failure, Progress, Sampling
from calque.evaluation.answer_language import in_language
from calque.evaluation.verdicts import HowGood, Which, holds, read_verdict
from calque.prompts.judging import JudgeWording
from calque.records import Conversation

Mode = Literal["pairwise", "single"]
Winner = Literal["first", "second", "tie", ""]  # "": no verdict
Why = Literal["judged", "flipped", "language", "empty", "same", "unjudged"]
AGAIN = (
    None,
    Sampling(temperature=0.7, seed=1),
    Sampling(temperature=0.7, seed=2),
)  # how each request is tried, in turn
_OTHER: dict[str, Winner] = {"first": "second", "second": "first"}
_Form = TypeVar("_Form", Which, HowGood)


class JudgeEngine(Protocol):
    """What judges: an engine behind a store, which keeps an answer only if it holds a verdict."""

    def attempt(
        self,
        conversations: Sequence[Conversation],
        *,
        max_new_tokens: int,
        sampling: Sampling | None = None,
        check: Callable[[Completion], Failure | None] | None = None,
        progress: Progress | None = None,
    ) -> list[Completion | Failure]:
        """Answers, and failures where there is none that passes the check."""


@dataclass(frozen=True, slots=True)
class Contest:
    """One question and the answers of two systems to it, in the language of the question."""

    item: str
    question: str
    first: str
    second: str
    language: str


@dataclass(frozen=True, slots=True)
class Judged:
    """Who won a contest, and why. `said` is what the judge said with the first system's answer shown first, then second.

    Of single ratings, `ratings` are those of the first and of the second system's answer. `failure` tells why there is no verdict;
    `tokens` are those written, `prompt_tokens` those read, in all tries.
    """

    contest: Contest
    winner: Winner
    why: Why
    said: tuple[Winner, ...] = ()
    ratings: tuple[int, ...] = ()
    failure: str = ""
    tokens: int = 0
    prompt_tokens: int = 0


def judge(
    contests: Sequence[Contest],
    engine: JudgeEngine,
    wording: Callable[[str], JudgeWording],
    *,
    mode: Mode = "pairwise",
    max_new_tokens: int = 512,
    ask_all: bool = False,
    progress: Progress | None = None,
) -> list[Judged]:
    """A verdict for each contest, in their order; `wording` is that for a language. With `ask_all` even what needs no judge is put to it.

    What the engine fails to answer stays unjudged, for its reason; so does what it has no budget for.
    """
    decided = [None if ask_all else _without_judge(contest) for contest in contests]
    open_ = [c for c, d in zip(contests, decided, strict=True) if d is None]
    if progress is not None:
        progress(len(contests) - len(open_))
    ask = _pairwise if mode == "pairwise" else _single
    verdicts = iter(ask(open_, engine, wording, max_new_tokens, _by_twos(progress)))
    return [found if found is not None else next(verdicts) for found in decided]


def _by_twos(progress: Progress | None) -> Progress | None:
    """Progress in contests, told of requests, of which there are two for each."""
    if progress is None:
        return None
    told = progress
    requests = 0

    def note(done: int, /) -> None:
        nonlocal requests
        before, requests = requests, requests + done
        told(requests // 2 - before // 2)

    return note


def _without_judge(contest: Contest) -> Judged | None:
    """What needs no judge."""
    first, second = contest.first.strip(), contest.second.strip()
    if first == second:
        return Judged(contest, "tie", "same")
    if not first or not second:
        return Judged(contest, "second" if not first else "first", "empty")
    wrong = [in_language(text, contest.language) is False for text in (first, second)]
    if any(wrong):
        return Judged(contest, "tie" if all(wrong) else "second" if wrong[0] else "first", "language")
    return None


def _pairwise(
    contests: Sequence[Contest],
    engine: JudgeEngine,
    wording: Callable[[str], JudgeWording],
    max_new_tokens: int,
    progress: Progress | None,
) -> Iterator[Judged]:
    shown = [
        wording(c.language).which(c.question, a, b, c.language)
        for c in contests
        for a, b in ((c.first, c.second), (c.second, c.first))
    ]
    by_place: dict[str, Winner] = {"A": "first", "B": "second", "tie": "tie"}
    for judged, told in _twos(contests, _answers(shown, engine, Which, max_new_tokens, progress)):
        if judged.failure:
            yield judged
            continue
        straight, turned = (read_verdict(text, Which).verdict for text in told)
        said = (by_place[straight], _OTHER.get(by_place[turned], "tie"))
        same = said[0] == said[1]
        yield replace(
            judged, winner=said[0] if same else "tie", why="judged" if same else "flipped", said=said
        )


def _single(
    contests: Sequence[Contest],
    engine: JudgeEngine,
    wording: Callable[[str], JudgeWording],
    max_new_tokens: int,
    progress: Progress | None,
) -> Iterator[Judged]:
    shown = [
        wording(c.language).how_good(c.question, text, c.language)
        for c in contests
        for text in (c.first, c.second)
    ]
    for judged, told in _twos(contests, _answers(shown, engine, HowGood, max_new_tokens, progress)):
        if judged.failure:
            yield judged
            continue
        first, second = (read_verdict(text, HowGood).rating for text in told)
        winner: Winner = "first" if first > second else "second" if second > first else "tie"
        yield replace(judged, winner=winner, why="judged", ratings=(first, second))


@dataclass(slots=True)
class _Tried:
    """What came of a request in the end, and what all its tries cost in tokens."""

    answer: Completion | Failure
    tokens: int = 0
    prompt_tokens: int = 0


def _twos(contests: Sequence[Contest], tried: Sequence[_Tried]) -> Iterator[tuple[Judged, list[str]]]:
    """Each contest without a winner yet, and the texts of its two answers; with the failure, where one of them is none."""
    for i, contest in enumerate(contests):
        pair = tried[2 * i : 2 * i + 2]
        failed = next((one.answer.reason for one in pair if isinstance(one.answer, Failure)), "")
        written, read = sum(one.tokens for one in pair), sum(one.prompt_tokens for one in pair)
        texts = [one.answer.text for one in pair if isinstance(one.answer, Completion)]
        yield Judged(contest, "", "unjudged", failure=failed, tokens=written, prompt_tokens=read), texts


def _answers(
    shown: Sequence[Conversation],
    engine: JudgeEngine,
    form: type[_Form],
    max_new_tokens: int,
    progress: Progress | None,
) -> list[_Tried]:
    """Each asked greedily; where no verdict comes, drawn, so that it may come out otherwise."""
    found = [_Tried(Failure("not_asked")) for _ in shown]
    for sampling in AGAIN:
        missing = [
            i for i, one in enumerate(found) if isinstance(one.answer, Failure) and not one.answer.final
        ]
        if missing:
            chosen = [shown[i] for i in missing]
            answers = engine.attempt(
                chosen,
                max_new_tokens=max_new_tokens,
                sampling=sampling,
                check=holds(form),
                progress=progress if sampling is None else None,
            )
            for i, answer in zip(missing, answers, strict=True):
                found[i].answer = answer
                found[i].tokens += answer.tokens
                found[i].prompt_tokens += answer.prompt_tokens
    return found
