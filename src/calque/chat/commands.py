"""What begins with a slash: the commands of a conversation, parsed. What they do is `terminal`'s."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace

from calque.chat.talk import WAYS, Manner
from calque.engines import Sampling
from calque.errors import Problem, UsageError
from calque.languages import language as language_of

HELP = {
    "help": "this list",
    "reset": "forget what was said",
    "undo": "take the last request and its answer back",
    "again": "put the last request once more (drawn anew, where answers are drawn)",
    "system": "NAME, or NAME,NAME to hear several: whom to talk to; alone: who there is",
    "language": "CODE: of what you say and of the answers",
    "answers": "direct, chat (English first, in a turn of its own) or pivot (both in one answer)",
    "set": "temperature=0.7 top_p=0.9 top_k=50 seed=1 max_tokens=256 english_tokens=256; temperature=0 is greedy",
    "save": "FILE: the conversation as JSON lines, in the form of messages",
    "quit": "leave (as Ctrl-D does)",
}
SAMPLED = ("temperature", "top_p", "top_k", "seed")
ROOMS = ("max_tokens", "english_tokens")


@dataclass(frozen=True, slots=True)
class Command:
    """A command by its name, and what stands behind it."""

    name: str
    words: str = ""


def parse(line: str) -> Command | None:
    """The command of a line; none where it is something to be said. A line that begins with `//` is said with one slash.

    Raises `UsageError` for what is no command.
    """
    if not line.startswith("/") or line.startswith("//"):
        return None
    name, _, words = line[1:].strip().partition(" ")
    name = {"exit": "quit", "clear": "reset", "?": "help", "": "help"}.get(name, name)
    if name not in HELP:
        near = difflib.get_close_matches(name, HELP, n=1)
        remedy = f"did you mean /{near[0]}?" if near else "say /help"
        raise UsageError(Problem(f"there is no command /{name}", remedy=remedy))
    return Command(name, words.strip())


def with_settings(manner: Manner, words: str) -> Manner:
    """The manner with `key=value` words carried out. Raises `UsageError` that says what can be set."""
    sampled = {} if manner.sampling is None else {name: getattr(manner.sampling, name) for name in SAMPLED}
    greedy = manner.sampling is None
    for word in words.split():
        key, equals, text = word.partition("=")
        if not equals or key not in (*SAMPLED, *ROOMS):
            raise UsageError(Problem(f"{word!r} is no setting", remedy=f"say /set {HELP['set']}"))
        try:
            value = float(text) if key in ("temperature", "top_p") else int(text)
        except ValueError:
            raise UsageError(Problem(f"{key} is a number, not {text!r}")) from None
        if key in ROOMS:
            if value < 1:
                raise UsageError(Problem(f"{key} is at least 1"))
            room = int(value)
            manner = (
                replace(manner, max_tokens=room)
                if key == "max_tokens"
                else replace(manner, english_tokens=room)
            )
        elif key == "temperature" and value == 0:
            greedy, sampled = True, {}
        else:
            greedy = greedy and key == "seed"
            sampled[key] = value
    return replace(manner, sampling=None if greedy else Sampling(**sampled))


def with_language(manner: Manner, code: str) -> Manner:
    """The manner in another language, by any of its names."""
    return replace(manner, language=language_of(code).code)


def with_way(manner: Manner, way: str) -> Manner:
    """The manner with another way of asking."""
    known = next((one for one in WAYS if one == way), None)
    if known is None:
        raise UsageError(Problem(f"--answers {way}: there is none", remedy=f"there are: {', '.join(WAYS)}"))
    return replace(manner, way=known)


def told(manner: Manner) -> str:
    """How answers are asked for, in a few words."""
    sampling = manner.sampling
    drawn = (
        "greedy"
        if sampling is None
        else f"temperature {sampling.temperature:g}, top_p {sampling.top_p:g}, top_k {sampling.top_k}, seed {sampling.seed}"
    )
    way = "" if manner.way == "direct" else f", answers: {manner.way}"
    return f"{language_of(manner.language).name}{way}, {drawn}, at most {manner.max_tokens} tokens"
