"""Files to what a recipe can make of them: sources and benchmarks by language, and the methods that these allow."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

from calque.corpora.files import form_of
from calque.corpora.json_rows import read_rows
from calque.corpora.looking import Look, look
from calque.corpora.passages import has_known_form
from calque.errors import Problem, UsageError
from calque.languages import LANGUAGES
from calque.languages import language as language_of
from calque.recipes.official_files import OFFICIAL, find
from calque.records import Rejected

METHODS = {
    "xcit": "instruction data with English beside the language, row by row",
    "crossalpaca": "instructions in the language (Alpaca), and parallel sentences",
    "xinstruction": "native text, and seed pairs (English instructions with answers in the language)",
}  # what each needs; the first that can be made is proposed
SQUAD = ("xquad", "mlqa", "tydiqa")
MOST = 300  # files of a folder
LINES = tuple(
    f".{name}"
    for language in LANGUAGES.values()
    for name in (language.code, *language.aliases)
    if name.isalpha()
)  # endings of the two sides of parallel text
TAKEN = "a recipe takes one source of this kind for"
COMPARED = 200  # rows of two files, to tell whether they say the same


@dataclass
class Findings:
    """What was found. Values of the sources are as a recipe has them, with paths; `rows` of parallel sentences by language."""

    looks: list[Look] = field(default_factory=list)
    instructions: dict[str, list[Path]] = field(default_factory=dict)
    translations: dict[str, Any] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    parallel: dict[str, Any] = field(default_factory=dict)
    seed: dict[str, Any] = field(default_factory=dict)
    passages: dict[str, list[Path]] = field(default_factory=dict)
    benchmarks: dict[str, dict[str, list[Path]]] = field(default_factory=dict)
    unused: list[tuple[Path, str]] = field(default_factory=list)
    models: list[Path] = field(default_factory=list)

    @property
    def used(self) -> list[Look]:
        """What has a place in a recipe."""
        unused = {path for path, _ in self.unused}
        return [one for one in self.looks if one.path not in unused]

    @property
    def languages(self) -> list[str]:
        """The languages beside English in which there is something to learn from."""
        sources = (self.instructions, self.translations, self.parallel, self.seed, self.passages)
        return sorted({code for source in sources for code in source if code not in ("en", "")})

    def methods(self, languages: Sequence[str]) -> list[str]:
        """The methods whose sources are there in every one of the languages, the first choice first."""
        seeds = self.seed.keys() | self.parallel.keys()
        there = {
            "xcit": all(code in self.parallel for code in languages),
            "crossalpaca": all(code in self.instructions and code in self.translations for code in languages),
            "xinstruction": all(code in self.passages and code in seeds for code in languages),
        }
        return [method for method in METHODS if languages and there[method]]


@dataclass(frozen=True)
class Seen:
    """Files and folders that were looked at, each file once, however often they are then sorted."""

    looks: list[Look]
    others: list[Path]
    models: list[Path]
    folders: list[Path]


def find_sources(given: Sequence[Path], languages: Sequence[str] = ()) -> Findings:
    """What there is in files and folders; see `look_at` and `sources_in`."""
    return sources_in(look_at(given), languages)


def look_at(given: Sequence[Path]) -> Seen:
    """Look at files, and at those of folders.

    Raises `UsageError` for what is not there, and for a folder of more files than one looks at.
    """
    files: list[Path] = []
    others: list[Path] = []
    models: list[Path] = []
    for path in given:
        if not path.exists():
            raise UsageError(Problem("there is no such file or folder", str(path)))
        if path.is_dir():
            known = _of_folder(path)
            within = {one.parent for one in known if one.name == "config.json"}
            models += sorted(folder for folder in within if any(folder.glob("*.safetensors")))
            known = [one for one in known if one.parent not in models]
            files += [one for one in known if _is_read(one)]
            others += [one for one in known if not _is_read(one)]
        else:
            files.append(path)
    looks = [look(path) for path in dict.fromkeys(files)]
    return Seen(looks, others, models, [path for path in given if path.is_dir()])


def sources_in(seen: Seen, languages: Sequence[str] = ()) -> Findings:
    """What a recipe can make of files. In a folder official benchmark files are told by their names, all else by its look.

    `languages` are the target languages, where they are known: files in others are left unused.
    """
    codes = list(languages) or _sorted(seen.looks, (), {}, ()).languages
    found = _sorted(seen.looks, languages, official(seen.folders, codes), seen.others)
    found.models = seen.models
    return found


def official(folders: Iterable[Path], languages: Sequence[str]) -> dict[str, dict[str, list[Path]]]:
    """Benchmark files that are told by their usual names in folders, in English and in the languages."""
    found: dict[str, dict[str, list[Path]]] = {}
    for folder in folders:
        for name in OFFICIAL:
            for code in ("en", *languages):
                files = find(name, code, folder)
                nearest = min((len(path.parts) for path in files), default=0)  # copies lie deeper
                files = [path for path in files if len(path.parts) == nearest]
                if files and code not in found.get(name, {}):
                    found.setdefault(name, {})[code] = files
    return found


def _of_folder(folder: Path) -> list[Path]:
    """All files of a folder, but for hidden ones."""
    found = [p for p in sorted(folder.rglob("*")) if p.is_file() and not p.name.startswith((".", "_"))]
    if len(found) > MOST:
        message = f"the folder has {len(found):,} files; at most {MOST} are looked at"
        raise UsageError(Problem(message, str(folder), remedy="name the files, or a smaller folder"))
    return found


def _is_read(path: Path) -> bool:
    return has_known_form(path) or form_of(path) in (".tsv", ".tab", ".tmx", *LINES)


def _sorted(
    looks: list[Look],
    languages: Sequence[str],
    benchmarks: dict[str, dict[str, list[Path]]],
    others: Sequence[Path],
) -> Findings:
    """Each file put where a recipe has a place for it."""
    found = Findings(benchmarks={name: dict(files) for name, files in benchmarks.items()})
    taken = {path for files in benchmarks.values() for paths in files.values() for path in paths}
    wanted = set(languages)
    ending = "its ending tells of no form that is read"
    found.unused += [(path, ending) for path in others if not taken.intersection((path, *path.parents))]
    lines: list[Look] = []
    indices: list[Look] = []
    asked: dict[str, Path] = {}
    for one in sorted(looks, key=lambda one: len(one.path.parts)):
        if taken.intersection((one.path, *one.path.parents)):
            continue
        found.looks.append(one)
        target = next((code for code in one.languages if code not in ("en", "")), "")
        if wanted and target and target not in wanted:
            found.unused.append((one.path, f"in {target}, which is none of the languages"))
        elif one.form == "squad":
            name = next((name for name in SQUAD if name in str(one.path).lower()), "xquad")
            _add_benchmark(name, one, found)
        elif one.form == "open":
            _add_benchmark("open", one, found)
        elif one.form == "alpaca" and one.languages[0] == "en" and target:
            found.seed[target] = [*_listed(found.seed.get(target)), one.path]
        elif one.form in ("alpaca", "messages"):
            _add(found.instructions, one, found)
        elif one.form in ("dolly", "oasst") and target:
            _add_alone(found.parallel, target, {one.form: one.path}, one, found)
        elif one.form == "pairs":
            plain = one.columns == (0, 1)
            english, other = one.columns
            table = {"file": one.path, "english_column": english, "target_column": other}
            if _add_alone(found.translations, target, one.path if plain else table, one, found):
                found.rows[target] = one.rows
        elif one.form == "index":
            indices.append(one)
        elif one.form == "lines":
            lines.append(one)
        elif one.form == "passages":
            _add(found.passages, one, found)
        elif one.form == "questions" and target == "":
            _add_alone(asked, "en", one.path, one, found)
        elif one.form == "answers" and target:
            _add_alone(asked, target, one.path, one, found)
        else:
            found.unused.append((one.path, one.told))
    _pair_lines(found, lines)
    _answered(found, asked)
    for index in indices:
        _by_index(found, index)
    _side_by_side(found)
    return found


def _add(to: dict[str, list[Path]], one: Look, found: Findings) -> None:
    code = one.languages[-1] if one.languages else ""
    if code:
        to.setdefault(code, []).append(one.path)
    else:
        found.unused.append((one.path, "its language cannot be told"))


def _add_alone(to: dict[str, Any], code: str, value: Any, one: Look, found: Findings) -> bool:
    """Take the file for the language, if none is there: a recipe has place for one. Whether it was taken."""
    if code in to:
        found.unused.append((one.path, f"{TAKEN} {code}, and there is another"))
        return False
    to[code] = value
    return True


def _add_benchmark(name: str, one: Look, found: Findings) -> None:
    """Files of a benchmark from the folder in which the first of them lies; copies elsewhere are left unused."""
    files = found.benchmarks.setdefault(name, {})
    code = one.languages[0] if one.languages else ""
    if code in files and files[code][0].parent != one.path.parent:
        found.unused.append((one.path, f"{name} in {code} is in {files[code][0].parent} too"))
    else:
        _add(files, one, found)


def _listed(value: Any) -> list[Path]:
    return list(value) if isinstance(value, list) else []


def _pair_lines(found: Findings, lines: list[Look]) -> None:
    """Two files of as many lines, one in English, whose names differ in the language alone, are parallel sentences."""
    paired: set[Path] = set()
    for english in [one for one in lines if one.languages == ("en",)]:
        for other in lines:
            code = other.languages[0] if other.languages else ""
            if code in ("", "en", *found.translations) or other.rows != english.rows:
                continue
            if _without(english.path, "en") == _without(other.path, code):
                found.translations[code] = {"english": english.path, "target": other.path}
                found.rows[code] = english.rows
                paired |= {english.path, other.path}
    for one in lines:
        if one.path in paired:
            continue
        if has_known_form(one.path):
            _add(found.passages, one, found)
        else:
            found.unused.append(
                (one.path, "text of which there is no other side; native text is called .txt")
            )


def _without(path: Path, code: str) -> str:
    """A file's name without its language."""
    names = (code, *language_of(code).aliases, language_of(code).name.lower())
    pattern = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    return re.sub(rf"(?<![a-z])(?:{pattern})(?![a-z])", "*", path.name.lower())


def _answered(found: Findings, asked: dict[str, Path]) -> None:
    english = asked.pop("en", None)
    for code, answers in asked.items():
        if english is not None and code not in found.seed:
            found.seed[code] = {"questions": english, "answers": answers}
        elif english is not None:
            found.unused.append((answers, f"{TAKEN} {code}, and there is another"))
        else:
            found.unused.append((answers, "answers without the file of their English questions"))
    if english is not None and not asked:
        found.unused.append((english, "questions without a file of answers in another language"))


def _by_index(found: Findings, index: Look) -> None:
    """Alpaca files whose rows an index joins; of several sections `{range}` stands for the section in their names."""
    code = index.languages[1]
    sections = {row.get("range") for row in _rows(index.path)}
    both = [found.instructions.get(side, []) for side in ("en", code)]
    if sections == {None}:
        sides = [paths[0] if len(paths) == 1 else None for paths in both]
    else:
        sides = [_pattern(paths, {str(section) for section in sections}) for paths in both]
    if code in found.parallel:
        found.unused.append((index.path, f"{TAKEN} {code}, and there is another"))
    elif code and None not in sides:
        found.parallel[code] = {"english": sides[0], "target": sides[1], "index": index.path}
    else:
        found.unused.append((index.path, f"{index.told} of files that are not here"))


def _pattern(paths: Sequence[Path], sections: set[str]) -> Path | None:
    """The one name, with {range} for the section, of the files of all sections; none where there is no such."""
    names = {
        path.with_name(path.name.replace(section, "{range}")): section
        for section in sections
        for path in paths
        if re.search(rf"(?<!\d){re.escape(section)}(?!\d)", path.name)
    }
    return next(iter(names)) if len(names) == 1 else None


def _side_by_side(found: Findings) -> None:
    """Alpaca files in English and in a language that say the same, row by row."""
    rows = {one.path: one.rows for one in found.looks if one.form == "alpaca"}
    english = {_without(path, "en"): path for path in found.instructions.get("en", ()) if path in rows}
    for code, paths in found.instructions.items():
        if code == "en" or code in found.parallel or not rows.keys() >= set(paths):
            continue
        pairs = [(english.get(_without(path, code)), path) for path in paths]
        if len(pairs) == 1 == len(english):
            pairs = [(next(iter(english.values())), paths[0])]
        same = [(en, x) for en, x in pairs if en is not None and rows[en] == rows[x] and _say_the_same(en, x)]
        if len(same) == len(paths):
            ours, theirs = [en for en, _ in same], [x for _, x in same]
            one = len(same) == 1
            found.parallel[code] = {
                "english": ours[0] if one else ours,
                "target": theirs[0] if one else theirs,
            }


def _say_the_same(english: Path, other: Path) -> bool:
    """Whether rows have the same numbers in them and an input in the same places, nearly always."""
    both = alike = 0
    for one, two in islice(zip_longest(_rows(english), _rows(other)), COMPARED):
        if one is None or two is None:
            return False
        both += 1
        alike += bool(one.get("input")) == bool(two.get("input")) and _shared(_numbers(one), _numbers(two))
    return both > 0 and alike >= 0.8 * both


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    return (
        row.value for row in read_rows(path) if not isinstance(row, Rejected) and isinstance(row.value, dict)
    )


def _numbers(row: dict[str, Any]) -> set[str]:
    return set(re.findall(r"[0-9]+", json.dumps(row, ensure_ascii=False)))


def _shared(one: set[str], two: set[str]) -> bool:
    return not (one | two) or 2 * len(one & two) >= len(one | two)
