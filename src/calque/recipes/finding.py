"""Files that a recipe names, as seen from its folder, each language written in."""

from __future__ import annotations

from pathlib import Path

from calque.corpora.files import expand
from calque.corpora.pairs import PairFiles as Pairs
from calque.errors import DataError, Problem
from calque.recipes.document import Loc, Places
from calque.recipes.schema import Files, PairFiles, PairSource, PairTable


class Finder:
    """Finds files; what is not there becomes one of `problems`, with the place where the recipe names it."""

    def __init__(self, folder: Path, places: Places) -> None:
        self.folder = folder
        self.places = places
        self.problems: list[Problem] = []

    def files(self, loc: Loc, names: Files, code: str) -> tuple[Path, ...]:
        """Files and folders that the setting at `loc` names for the language `code`."""
        found: list[Path] = []
        for name in [names] if isinstance(names, str) else names:
            path = self._path(name, code)
            try:
                found += [path] if path.is_dir() else expand(path)
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

    def not_in_english(self, names: Files) -> bool:
        """Whether `names` stand for a file of each language, and there is none for English."""
        given = [names] if isinstance(names, str) else names
        return "{language}" in str(given) and not any(self._is_there(self._path(n, "en")) for n in given)

    def _is_there(self, path: Path) -> bool:
        try:
            return path.is_dir() or bool(expand(path))
        except DataError:
            return False

    def _path(self, name: str, code: str) -> Path:
        return self.folder / Path(name.replace("{language}", code)).expanduser()
