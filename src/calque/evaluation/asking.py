"""How a question is put: directly; in two turns, English first; or in one answer that holds both (X-CIT, PLUG).

Only what comes last, or behind the marker of the language, is graded. What it cost in tokens is counted in full.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from calque.demonstrations.pivot import answer_in
from calque.engines import Completion, Engine, Progress
from calque.evaluation.benchmark import Benchmark, Grader
from calque.evaluation.items import Item, Reply
from calque.evaluation.wording import LETTERS
from calque.prompts.turns import Turns, turns
from calque.records import Conversation, Message

Way = Literal["direct", "chat", "pivot"]
ENGLISH_TOKENS = 256  # room for the English part of an answer, where nothing else is said


@dataclass(frozen=True, slots=True)
class Asking:
    """A way of asking in a language, with the wording that it takes, and room in tokens for what is said in English."""

    way: Way = "direct"
    english_tokens: int = ENGLISH_TOKENS
    wording: Turns | None = None
    english_asked_for: bool = True
    compares: bool = True  # whether the model tells log-likelihoods

    @property
    def signature(self) -> list[str]:
        """What it adds to the signature of a score; nothing where questions are asked directly."""
        if self.wording is None:
            return []
        way = self.way if self.english_asked_for else f"{self.way}-unasked"
        return [f"way:{way}", f"turns:{self.wording.digest}", f"english_tokens:{self.english_tokens}"]

    def passes(self, made: Benchmark) -> int:
        """How often each item is put to the engine."""
        return int(made.writes) + int(self.chooses(made)) + int(self.way == "chat")

    def chooses(self, made: Benchmark) -> bool:
        """Whether options are compared: not behind an answer that would have to be written half."""
        return bool(made.chooses) and self.way != "pivot" and self.compares

    def graders(self, made: Benchmark, language: str) -> tuple[Grader, ...]:
        """Those that find something to grade."""
        return tuple(g for g in made.graders(language) if g.reads_text or self.chooses(made))


def asking(
    way: Way,
    language: str,
    words: str = "item",
    *,
    english_tokens: int = ENGLISH_TOKENS,
    english_asked_for: bool = True,
) -> Asking:
    """The way of asking in `language`; the words that ask for English are in it, or in English where `words` is en.

    Without `english_asked_for` the first of two turns is the bare question. Raises `DataError` for a language without
    a wording.
    """
    if way == "direct":
        return Asking()
    wording = turns("en" if words == "en" else language, language)
    return Asking(way, english_tokens, wording, english_asked_for)


def replies(
    made: Benchmark,
    items: Sequence[Item],
    engine: Engine,
    tokens: int,
    asked: Asking,
    progress: Progress | None,
) -> list[Reply]:
    """The replies to all items, `tokens` being the room for the answer itself."""
    conversations = [item.conversation for item in items]
    thoughts: list[Completion] | None = None
    if asked.wording is not None and asked.way == "chat":
        first = conversations
        if asked.english_asked_for:
            first = [_changed(c, asked.wording.english_first(c[-1])) for c in conversations]
        thoughts = engine.complete(first, max_new_tokens=asked.english_tokens, progress=progress)
        conversations = [
            (*c, Message("assistant", thought.text, "en"), asked.wording.now_in_target())
            for c, thought in zip(first, thoughts, strict=True)
        ]
    elif asked.wording is not None:
        conversations = [_changed(c, asked.wording.in_both(c[-1])) for c in conversations]
        tokens += asked.english_tokens
    completions = [Completion("", 0, True)] * len(items)
    if made.writes:
        completions = engine.complete(conversations, max_new_tokens=tokens, progress=progress)
    chosen: list[tuple[float, ...]] = [()] * len(items)
    if asked.chooses(made):
        options = [
            tuple(LETTERS[: len(i.choices)]) if made.chooses == "letters" else i.compared or i.choices
            for i in items
        ]
        chosen = engine.choose(conversations, options, progress=progress)
    return [
        _reply(
            made,
            _one_answer(items[i], completions[i]),
            tuple(chosen[i]),
            thoughts[i] if thoughts is not None else None,
            asked,
        )
        for i in range(len(items))
    ]


def _one_answer(item: Item, completion: Completion) -> Completion:
    """The answer up to where a model that has seen examples in a running text goes on with a question of its own."""
    examples, request = item.conversation[:-1], item.conversation[-1].text
    if not request or all(message.stops for message in examples):
        return completion
    text, another, _ = completion.text.partition(request)
    return replace(completion, text=text.strip(), finished=True) if another else completion


def _reply(
    made: Benchmark,
    completion: Completion,
    scores: tuple[float, ...],
    thought: Completion | None,
    asked: Asking,
) -> Reply:
    fits = _fits(completion) if made.writes else bool(scores)
    if thought is not None and not _fits(thought):
        return Reply("", False, (), fits=False)
    text, english = completion.text, "" if thought is None else thought.text
    if asked.way == "pivot" and asked.wording is not None:
        text, english = answer_in(asked.wording.target, completion.text), completion.text
    tokens = completion.tokens + (0 if thought is None else thought.tokens)
    return Reply(text, completion.finished, scores, fits, tokens, english)


def _fits(completion: Completion) -> bool:
    return completion.finished or completion.tokens > 0


def _changed(conversation: Conversation, last: Message) -> Conversation:
    return (*conversation[:-1], last)
