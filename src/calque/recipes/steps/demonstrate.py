"""Files to demonstrations of one part in one language."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

from calque.corpora.demonstration_files import write_demonstrations
from calque.corpora.instruction_files import read_instructions
from calque.corpora.instruction_pairs import InstructionPairFiles, read_instruction_pairs
from calque.corpora.ledger import Ledger
from calque.corpora.pairs import PairFiles, read_pairs
from calque.corpora.seed_pairs import SeedFiles
from calque.corpora.seed_rows import SeedRows, seed_rows
from calque.corpora.writing import write_json
from calque.demonstrations.chat import chat_demonstrations
from calque.demonstrations.cross_lingual import cross_lingual_demonstrations, reversed_demonstrations
from calque.demonstrations.parallel import instruction_demonstrations
from calque.demonstrations.pivot import pivot_demonstrations
from calque.demonstrations.translation import translation_demonstrations
from calque.errors import CalqueError, DataError, Problem
from calque.recipes.resolved import ResolvedPart
from calque.recipes.steps import Work
from calque.recipes.views import ChatPart, InstructionPart, PivotPart, ReversedPart, TranslationPart
from calque.records import Demonstration, InstructionPair, Rejected

Row = TypeVar("Row")
Source = TypeVar("Source")
EVERY = 1000  # rows between two words on progress


@dataclass(frozen=True)
class Demonstrate:
    """Read the files of a part, drop what cannot be used, make demonstrations."""

    part: ResolvedPart
    licence: str
    seed: int

    kind: ClassVar[Literal["demonstrate"]] = "demonstrate"
    after: ClassVar[tuple[str, ...]] = ()
    model: ClassVar[Literal[""]] = ""
    resumes: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """`demonstrate-PART-LANG`."""
        return f"demonstrate-{self.part.name}"

    @property
    def settings(self) -> dict[str, Any]:
        """The part's own settings; the seed where something is drawn."""
        settings = {
            **self.part.part.model_dump(mode="json"),
            "language": self.part.language,
            "licence": self.licence,
        }
        if isinstance(self.part.part, TranslationPart):
            settings["seed"] = self.seed
            if self.part.pairs is not None:
                settings["columns"] = [self.part.pairs.english_column, self.part.pairs.target_column]
        if isinstance(self.part.part, ChatPart):
            settings["seed"] = self.seed
        if self.part.parallel:
            settings["pairs"] = [_form(files) for files in self.part.parallel]
        if self.part.seed is not None:
            settings |= seed_settings(self.part.seed, self.part.rows, self.seed)
        return settings

    @property
    def files(self) -> tuple[Path, ...]:
        """The source files."""
        return self.part.paths

    def preflight(self) -> str:
        """Nothing: reading them is the step itself, and it comes first."""
        return ""

    def carry_out(self, work: Work) -> dict[str, Any]:
        """Write demonstrations.jsonl, dropped.jsonl and counts.json; `first` in the counts says that not all rows were read.

        With `work.most` nothing is written but what is dropped.
        """
        head = Head(work.most)
        with Ledger(work.folder / "dropped.jsonl") as ledger:
            made: Iterable[Demonstration]
            if isinstance(self.part.part, TranslationPart) and self.part.pairs is not None:
                made = self._translations(self.part.part, self.part.pairs, ledger, work, head)
            else:
                made = self._made(ledger, work, head)
            if work.most is None:
                kept = write_demonstrations(work.folder / "demonstrations.jsonl", made)
            else:
                kept = sum(1 for _ in made)
            counts = {**ledger.counts(), "files": [path.name for path in self.files]}
        if head.cut:
            counts["first"] = work.most
        elif not kept and not counts["dropped"].get("not_drawn"):
            reasons = (
                ", ".join(f"{n} × {reason}" for reason, n in counts["dropped"].items()) or "no row at all"
            )
            told, remedy = "", "give a file that has rows"
            with (work.folder / "dropped.jsonl").open(encoding="utf-8") as lines:
                for first in map(json.loads, islice(lines, 1)):
                    told = f"; the first, row {first['row']}: {first['detail'] or first['reason']}"
                    remedy = "mend the rows, or give a file of the form that the recipe asks for here"
            raise DataError(
                Problem(f"no row can be used ({reasons}){told}", str(self.files[0]), remedy=remedy)
            )
        write_json(work.folder / "counts.json", counts)
        return counts

    def _made(self, ledger: Ledger, work: Work, head: Head) -> Iterator[Demonstration]:
        part = self.part.part
        if self.part.seed is not None:
            seed = seed_rows(self.part.seed, self.part.rows, self.seed, ledger)
            if isinstance(part, ReversedPart):
                return reversed_demonstrations(seed)
            return cross_lingual_demonstrations(seed, "seed")
        if isinstance(part, InstructionPart) and not self.part.parallel:
            return _told(ledger.keep(self._instructions(head)), work)
        read = _each(lambda files: head.of(read_instruction_pairs(files)), self.part.parallel)
        longest = part.longest if isinstance(part, ChatPart | PivotPart) else None
        pairs = _told(ledger.keep(_no_longer(read, longest)), work)
        if isinstance(part, ChatPart):
            return chat_demonstrations(
                pairs,
                prompt_language=part.prompt_language,
                trained=part.trained,
                english_asked_for=part.english_asked_for,
                seed=self.seed,
            )
        if isinstance(part, PivotPart):
            return pivot_demonstrations(pairs, prompt_language=part.prompt_language)
        return instruction_demonstrations(pairs, self.part.language)

    def _instructions(self, head: Head) -> Iterator[Demonstration | Rejected]:
        code = self.part.language
        return _each(lambda path: head.of(read_instructions(path, code, self.licence)), self.part.files)

    def _translations(
        self, part: TranslationPart, pairs: PairFiles, ledger: Ledger, work: Work, head: Head
    ) -> list[Demonstration]:
        read = _told(ledger.keep(head.of(read_pairs(pairs))), work)
        try:
            read = read if work.most is None else iter(list(read))  # `head` is to know whether these are all
            made = translation_demonstrations(
                read,
                language=self.part.language,
                count=None if part.count == "all" or head.cut else part.count,
                share_into_target=part.share_into_target,
                prompt_language=part.prompt_language,
                seed=self.seed,
                shuffled=part.shuffled,
            )
        except CalqueError as error:
            raise type(error)(*(_at(problem, pairs.paths[0]) for problem in error.problems)) from None
        ledger.set_aside("not_drawn", ledger.kept - len(made))
        return made


class Head:
    """The first rows of a source, at most `most` of each (None: all); `cut` once there were more."""

    def __init__(self, most: int | None) -> None:
        self.most = most
        self.cut = False

    def of(self, rows: Iterator[Row]) -> Iterator[Row]:
        """The first of these rows."""
        yield from islice(rows, self.most)
        self.cut = self.cut or next(rows, None) is not None


def seed_settings(files: SeedFiles, rows: SeedRows, seed: int) -> dict[str, Any]:
    """What, beside the content of the seed's files, says which pairs there are and which of them are taken."""
    form = "questions" if files.questions else "alpaca" if files.alpaca else "parallel"
    settings: dict[str, Any] = {"seed_form": form}
    if files.parallel is not None:
        settings["pairs"] = [_form(files.parallel)]
    if rows.side != "all":
        settings |= {"side": rows.side, "held_out": rows.held_out, "seed": seed}
    if rows.count != "all":
        settings |= {"count": rows.count, "seed": seed}
    return settings


def _each(
    read: Callable[[Source], Iterator[Row | Rejected]], sources: Sequence[Source]
) -> Iterator[Row | Rejected]:
    """The rows of all sources; reading goes on behind a broken one, so that all broken files are named at once."""
    problems: list[Problem] = []
    for source in sources:
        try:
            yield from read(source)
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError(*problems)


def _no_longer(
    rows: Iterator[InstructionPair | Rejected], longest: int | None
) -> Iterator[InstructionPair | Rejected]:
    """Pairs whose conversation in x has no more than `longest` characters; the others are put aside."""
    for row in rows:
        if longest is not None and isinstance(row, InstructionPair):
            length = sum(len(text) for message in row.target for text in message.texts)
            if length > longest:
                place = row.provenance
                yield Rejected(
                    place.dataset, place.row, "too_long", f"{length} characters; at most {longest}"
                )
                continue
        yield row


def _form(files: InstructionPairFiles) -> dict[str, Any]:
    """What of the settings of parallel files, beside their content, says which pairs there are."""
    form = "dolly" if files.dolly else "oasst" if files.oasst else "alpaca"
    return {
        "language": files.language,
        "form": form,
        "sections": [pair.section for pair in files.alpaca],
        "index": files.index is not None,
        "minimal_score": files.minimal_score,
        "best_branch": files.best_branch,
    }


def _at(problem: Problem, path: Path) -> Problem:
    """The problem with the file it is in, if it does not say."""
    return problem if problem.file else Problem(problem.message, str(path), problem.line, problem.remedy)


def _told(rows: Iterator[Row], work: Work) -> Iterator[Row]:
    count = 0
    for count, row in enumerate(rows, start=1):
        if count % EVERY == 0:
            work.progress(count, 0)
        yield row
    work.progress(count, count)
