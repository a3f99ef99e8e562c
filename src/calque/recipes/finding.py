"""Files that a recipe names, as seen from its folder, each language written in."""

from __future__ import annotations

from pathlib import Path

from calque.corpora.files import expand
from calque.corpora.hub import fetch, is_on_hub
from calque.corpora.instruction_pairs import AlpacaPair, InstructionPairFiles
from calque.corpora.pairs import PairFiles as Pairs
from calque.corpora.passages import PassageFiles, has_known_form
from calque.corpora.seed_pairs import SeedFiles
from calque.errors import DataError, Problem
from calque.recipes.document import Loc, Places
from calque.recipes.sources import (
    AnsweredQuestions,
    DollyPairs,
    Files,
    InstructionPairSource,
    OasstPairs,
    PairFiles,
    PairSource,
    PairTable,
    Passages,
    PassageSource,
    SeedSource,
)


class Finder:
    """Finds files; what is not there becomes one of `problems`, with the place where the recipe names it.

    `notes` tell what lies in folders of native text and is not read.
    """

    def __init__(self, folder: Path, places: Places) -> None:
        self.folder = folder
        self.places = places
        self.problems: list[Problem] = []
        self.notes: list[str] = []

    def files(self, loc: Loc, names: Files, code: str) -> tuple[Path, ...]:
        """Files and folders that the setting at `loc` names for the language `code`."""
        found: list[Path] = []
        for name in [names] if isinstance(names, str) else names:
            try:
                found += self._found(name, code)
            except DataError as error:
                self.problems += [
                    self.places.problem(loc, f"{problem.file}: {problem.message}", problem.remedy)
                    for problem in error.problems
                ]
        return tuple(found)

    def pairs(self, loc: Loc, source: PairSource, code: str, licence: str) -> Pairs | None:
        """The file or files of parallel text that the setting at `loc` names; None where one is not there."""
        if isinstance(source, PairFiles):
            english = self.files((*loc, "english"), source.english, code)
            target = self.files((*loc, "target"), source.target, code)
            if not (english and target):
                return None
            return Pairs(code, english=english[0], target=target[0], licence=licence)
        table = source if isinstance(source, PairTable) else PairTable(file=source)
        found = self.files(loc, table.file, code)
        if not found:
            return None
        return Pairs(
            code,
            path=found[0],
            english_column=table.english_column,
            target_column=table.target_column,
            licence=licence,
        )

    def parallel(
        self, loc: Loc, source: InstructionPairSource, code: str, licence: str
    ) -> InstructionPairFiles | None:
        """The files of parallel instruction data that the setting at `loc` names; None where one is not there."""
        if isinstance(source, DollyPairs):
            dolly = self.files((*loc, "dolly"), source.dolly, code)
            return InstructionPairFiles(code, dolly=dolly, licence=licence) if dolly else None
        if isinstance(source, OasstPairs):
            oasst = self.files((*loc, "oasst"), source.oasst, code)
            found = InstructionPairFiles(code, oasst=oasst, best_branch=source.best_branch, licence=licence)
            return found if oasst else None
        english = self._by_range((*loc, "english"), source.english, code)
        target = self._by_range((*loc, "target"), source.target, code)
        index = self.files((*loc, "index"), source.index, code) if source.index is not None else ()
        if not (english and target) or (source.index is not None and not index):
            return None
        together = english.keys() & target.keys()
        by_range = "{range}" in str(source.english) and "{range}" in str(source.target)
        if not together or (english.keys() != target.keys() and not by_range):
            message = f"{len(english)} files in English and {len(target)} in {code} are no pairs"
            self.problems.append(
                self.places.problem(loc, message, "give as many files of each, in the same order")
            )
            return None
        alpaca = tuple(AlpacaPair(english[key], target[key], key) for key in english if key in target)
        return InstructionPairFiles(
            code,
            alpaca=alpaca,
            index=index[0] if index else None,
            minimal_score=source.minimal_score,
            licence=licence,
        )

    def seed(self, loc: Loc, source: SeedSource, code: str, licence: str) -> SeedFiles | None:
        """The files of the seed that the setting at `loc` names; None where one is not there."""
        if isinstance(source, str | list):
            alpaca = self.files(loc, source, code)
            return SeedFiles(code, alpaca=alpaca, licence=licence) if alpaca else None
        if isinstance(source, AnsweredQuestions):
            asked = self.files((*loc, "questions"), source.questions, code)
            answered = self.files((*loc, "answers"), source.answers, code)
            found = SeedFiles(code, questions=asked, answers=answered, licence=licence)
            return found if asked and answered else None
        parallel = self.parallel(loc, source, code, licence)
        return SeedFiles(code, parallel=parallel, licence=licence) if parallel is not None else None

    def passages(self, loc: Loc, given: Passages, code: str, licence: str) -> tuple[PassageFiles, ...]:
        """The native text that the setting at `loc` names; of a folder all files of a known form, those below it too."""
        found = []
        for source in given if isinstance(given, list) else [given]:
            settings = source if isinstance(source, PassageSource) else PassageSource(files=source)
            paths = [path for one in self.files(loc, settings.files, code) for path in self._below(loc, one)]
            if paths:
                found.append(
                    PassageFiles(
                        code,
                        tuple(paths),
                        settings.unit,
                        settings.markup,
                        settings.text_field,
                        settings.licence or licence,
                    )
                )
        return tuple(found)

    def _below(self, loc: Loc, path: Path) -> list[Path]:
        """A file itself; of a folder the files of native text."""
        if not path.is_dir():
            return [path]
        below = sorted(p for p in path.rglob("*") if p.is_file() and p.name[0] not in "._")
        found = [p for p in below if has_known_form(p)]
        if not found:
            self.problems.append(self.places.problem(loc, f"{path}: there is no text in this folder"))
        elif others := [p for p in below if not has_known_form(p)]:
            files = "1 file" if len(others) == 1 else f"{len(others)} files"
            self.notes.append(f"{path.name}: {files} of no known form left out, such as {others[0].name}")
        return found

    def _by_range(self, loc: Loc, names: Files, code: str) -> dict[str, Path]:
        """Files by what stands for {range} in their names; without it by their number, a single one by nothing."""
        given = [names] if isinstance(names, str) else names
        found: dict[str, Path] = {}
        for name in given:
            files = self.files(loc, name.replace("{range}", "*"), code)
            if "{range}" not in name:
                found |= {f"#{len(found) + i}": path for i, path in enumerate(files, start=1)}
                continue
            before, _, after = Path(name.replace("{language}", code)).name.partition("{range}")
            found |= {path.name[len(before) : len(path.name) - len(after)]: path for path in files}
        return {"": next(iter(found.values()))} if list(found) == ["#1"] else found

    def not_in_english(self, names: Files) -> bool:
        """Whether `names` stand for a file of each language, and there is none for English."""
        given = [names] if isinstance(names, str) else names
        return "{language}" in str(given) and not any(self._is_there(name) for name in given)

    def _is_there(self, name: str) -> bool:
        """Whether there is a file, or a folder, in English."""
        try:
            return bool(self._found(name, "en"))
        except DataError:
            return False

    def _found(self, name: str, code: str) -> list[Path]:
        """What a name stands for: a folder, files, or a file on the hub; none is a `DataError`."""
        name = name.replace("{language}", code)
        if is_on_hub(name):
            return [fetch(name)]
        path = self.folder / Path(name).expanduser()
        return [path] if path.is_dir() else expand(path)
