"""Worked examples before a question (few-shot): which they are, where they come from, how they are put before it.

The same examples stand before every question (of a group, where those of MMLU's subjects or BBH's tasks differ), in the
order of their file, so that the model reads them once. They are drawn by a seed of their own, which is not the run's: the same in
every run. They come from the benchmark's own split for it (MMLU's dev, XCOPA's val), found by its name beside the file that is asked, from
files that are given, or from the very file that is asked: what is shown of that is not asked, and counted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from calque.errors import DataError, Problem, UsageError
from calque.evaluation.benchmark import Benchmark
from calque.evaluation.items import Item
from calque.evaluation.source import digest, gather
from calque.evaluation.wording import LETTERS
from calque.randomness import stream
from calque.records import Conversation, Message

Form = Literal["turns", "text"]
ASKED = "asked"  # in place of files: those that are asked themselves


@dataclass(frozen=True, slots=True)
class Shots:
    """How many examples are shown, and from where; none of `files` means the benchmark's own, else what is asked.

    With `from_asked` they are taken from there even so. `form` is `turns`, each example a turn whose answer ends as answers do,
    or `text`: all in one running text, in which nothing ends before the question is answered.
    """

    count: int = 0
    files: tuple[Path, ...] = ()
    from_asked: bool = False
    seed: int = 0
    form: Form = "turns"

    def __post_init__(self) -> None:
        """Raise `UsageError` for a count below 0."""
        if self.count < 0:
            raise UsageError(Problem(f"shots is {self.count}", remedy="give 0 (none) or more"))

    def sources(self, made: Benchmark, files: Sequence[Path]) -> tuple[Path, ...]:
        """The files that examples for `files` are read from, besides these."""
        if not self.count or self.from_asked:
            return ()
        return tuple(gather(self.files, made.ending)) if self.files else own_files(made, files)

    def signature(self, shown: Shown) -> tuple[str, ...]:
        """What a score says of the examples: how many, of which file with which content, by which seed, in which form."""
        if not self.count:
            return ("shots:0",)
        return (
            f"shots:{self.count}",
            f"examples:{shown.source}",
            f"examples_seed:{self.seed}",
            f"examples_as:{self.form}",
        )


NONE = Shots()


def told(signature: Sequence[str]) -> str:
    """In words, what the signature of a set of items says of its examples; nothing where there are none."""
    said = dict(part.split(":", 1) for part in signature)
    if "examples" not in said:
        return ""
    source = said["examples"].partition("@")[0]
    where = "taken out of the questions" if source == ASKED else f"of {source}"
    examples = f"{said['shots']} example" + ("" if said["shots"] == "1" else "s")
    return f", each behind {examples} {where}"


@dataclass(frozen=True, slots=True)
class Shown:
    """The examples, by group ("" where all see the same), and the ids of those that were taken from what is asked.

    `source` names their file or folder, with 8 hex digits of what it holds; empty where there are none.
    """

    before: Mapping[str, tuple[Item, ...]]
    taken: frozenset[str] = frozenset()
    source: str = ""


def own_files(made: Benchmark, files: Sequence[Path]) -> tuple[Path, ...]:
    """The benchmark's own files of examples that lie beside the files asked, by their official names: for all or none."""
    asked = {path.absolute() for path in files}
    found = [other for path in files if (other := _beside(made, path)) is not None and other not in asked]
    return tuple(dict.fromkeys(found)) if len(found) == len(files) else ()


def _beside(made: Benchmark, path: Path) -> Path | None:
    for pattern, instead in made.examples:
        name, changed = re.subn(pattern, instead, path.absolute().as_posix())
        plain = name.removesuffix(".gz")
        for other in (name, plain, plain + ".gz"):
            if changed and Path(other).is_file():
                return Path(other)
    return None


def choose(
    made: Benchmark,
    shots: Shots,
    files: Sequence[Path],
    items: Sequence[Item],
    drawn: frozenset[int],
    read: Callable[[Sequence[Path]], Iterator[Item]],
) -> Shown:
    """The examples for `items` of `files`, of which those at `drawn` are to be asked; `read` gives the items of others.

    From the files asked, examples are taken among those that the limit leaves out, as long as there are enough. Raises `DataError` where
    there are too few, and where other files turn out to hold what is asked.
    """
    if not made.shows:
        message = f"{made.name} has no right answers, so that no example can be shown"
        raise UsageError(Problem(message, remedy=f"set the shots of {made.name} to 0"))
    others = shots.sources(made, files)
    if not others:
        return _from_asked(made, shots, files, items, drawn)
    same = {path.resolve() for path in others} & {path.resolve() for path in files}
    asked = {items[i].content for i in drawn}
    found = list(read(others))
    pool = [item for item in found if item.content not in asked]
    if same or (found and not pool):
        where = str(next(iter(same), others[0]))
        message = f"{made.name}: the examples are to come from what is asked"
        remedy = f"give a file of other questions, or {ASKED!r} to take examples out of what is asked"
        raise DataError(Problem(message, where, remedy=remedy))
    groups = list(dict.fromkeys(_group(made, items[i]) for i in sorted(drawn)))
    before = {
        group: _draw(
            made, shots, group, [item for item in pool if _group(made, item) == group], str(others[0])
        )
        for group in groups
    }
    return Shown(before, source=_source(others))


def _from_asked(
    made: Benchmark, shots: Shots, files: Sequence[Path], items: Sequence[Item], drawn: frozenset[int]
) -> Shown:
    before = {}
    for group in dict.fromkeys(_group(made, items[i]) for i in sorted(drawn)):
        members = [i for i, item in enumerate(items) if _group(made, item) == group]
        rest = [i for i in members if i not in drawn]
        pool = rest if len(rest) >= shots.count else members
        before[group] = _draw(made, shots, group, [items[i] for i in pool], str(files[0]))
    shown = {item.content for of in before.values() for item in of}
    taken = frozenset(item.id for item in items if item.content in shown)  # what is asked twice, too
    return Shown(before, taken, ASKED)


def _draw(made: Benchmark, shots: Shots, group: str, pool: Sequence[Item], file: str) -> tuple[Item, ...]:
    if len(pool) < shots.count:
        of = f" of {group}" if group else ""
        message = f"{made.name}: {shots.count} examples are to be shown, and there are {len(pool)}{of}"
        remedy = "ask with fewer shots, or give files with more (evaluate.examples)"
        raise DataError(Problem(message, file, remedy=remedy))
    order = stream(shots.seed, "examples", group).permutation(len(pool))[: shots.count]
    return tuple(pool[i] for i in sorted(order.tolist()))


def shown_before(made: Benchmark, shots: Shots, shown: Shown, item: Item) -> Item:
    """The item with its examples before it."""
    examples = shown.before.get(_group(made, item), ())
    turns = [turn for example in examples for turn in _turns(made, example, shots.form)]
    return replace(item, conversation=(*turns, *item.conversation))


def fewer(item: Item) -> Item | None:
    """The item without its first example, for a model whose context is too short; None where there is none."""
    return replace(item, conversation=item.conversation[2:]) if len(item.conversation) > 2 else None


def examples_of(item: Item) -> int:
    """How many examples stand before an item that is one message itself."""
    return len(item.conversation) // 2


def _turns(made: Benchmark, example: Item, form: Form) -> Conversation:
    answer = Message("assistant", right_answer(made, example), example.language, stops=form == "turns")
    return (*example.conversation, answer)


def right_answer(made: Benchmark, item: Item) -> str:
    """What a model would have to answer: the letter, the text of the right option, or the first gold."""
    if made.chooses != "texts":
        return item.golds[0]
    return (item.compared or item.choices)[LETTERS.index(item.golds[0])]


def _group(made: Benchmark, item: Item) -> str:
    return item.group if made.examples_by_group else ""


def _source(files: Sequence[Path]) -> str:
    name = files[0].name if len(files) == 1 else files[0].parent.name
    return f"{re.sub('[|:+]', '-', name)}@{digest(files)}"
