"""From one's files to a recipe: look at them, ask what they do not tell, write it down. Nothing is overwritten."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from calque.corpora.writing import fsync_folder
from calque.errors import Problem, UsageError
from calque.languages import language as language_of
from calque.recipes.drafting import Wishes, draft
from calque.recipes.findings import METHODS, Findings, look_at, sources_in

Ask = Callable[[str, str], str]  # a question and what is proposed, "" for nothing; returns what is answered
COMMAND_LINE = "command line"
SHOWN = 3  # unused files of one reason told by name


@dataclass(frozen=True, slots=True)
class Given:
    """What the command line says; what is empty is asked, or taken as proposed."""

    files: tuple[Path, ...] = ()
    model: str = ""
    languages: tuple[str, ...] = ()
    method: str = ""
    out: Path | None = None


def begin(given: Given, ask: Ask | None, tell: Callable[[str], None]) -> Path:
    """Write a recipe and return its file. Without `ask` nothing is asked: what the files do not tell has to be given.

    Raises `UsageError` for what is missing or there already, and for files of which no method can be made.
    """
    files = given.files or _asked_files(ask)
    seen = look_at(files)
    languages = given.languages or _asked_languages(sources_in(seen), ask)
    found = sources_in(seen, languages)
    for one in found.used:
        tell(f"{one.path}: {one.told}")
    for line in _unused(found):
        tell(line)
    for name, files_of in sorted(found.benchmarks.items()):
        tell(f"benchmark {name} in {', '.join(files_of)}")
    method = _method(given.method, found, languages, ask, tell)
    near = str(found.models[0]) if len(found.models) == 1 else ""
    model = given.model or _answer(ask, "base model (a folder in hub form, or a hub id)", near, "--model")
    proposed = given.out or Path(f"{method}-{'-'.join(languages)}.yaml")
    out = given.out or (Path(ask("recipe to write", str(proposed))) if ask is not None else proposed)
    _write(out, draft(Wishes(_name(out), method, model, tuple(languages)), found, out.absolute().parent))
    return out


def _unused(found: Findings) -> Iterator[str]:
    """Lines on what has no place in the recipe, by reason."""
    by_reason: dict[str, list[Path]] = {}
    for path, why in found.unused:
        by_reason.setdefault(why, []).append(path)
    for why, paths in by_reason.items():
        names = ", ".join(map(str, paths[:SHOWN]))
        more = f" and {len(paths) - SHOWN:,} more" if len(paths) > SHOWN else ""
        yield f"not used: {names}{more}: {why}"


def _asked_files(ask: Ask | None) -> tuple[Path, ...]:
    answer = _answer(
        ask, "files or folders to learn from and to measure by, with commas between them", "", "files"
    )
    return tuple(Path(name.strip()).expanduser() for name in answer.split(",") if name.strip())


def _answer(ask: Ask | None, question: str, proposed: str, option: str) -> str:
    if ask is not None:
        return ask(question, proposed).strip()
    if not proposed:
        remedy = f"say {option}" if option.startswith("-") else f"name {option}: calque init FILE ..."
        raise UsageError(Problem(f"{question}: it is not given", COMMAND_LINE, remedy=remedy))
    return proposed


def _asked_languages(found: Findings, ask: Ask | None) -> tuple[str, ...]:
    """The target languages: those in which there is the most to learn from are proposed."""
    there = found.languages
    able = [code for code in there if found.methods([code])]
    proposed = ",".join(able or there)
    if ask is None and not there:
        message = "there is nothing to learn from in a language beside English among these files"
        raise UsageError(Problem(message, COMMAND_LINE, remedy="name more files, and say --language"))
    answer = _answer(ask, "target languages (x)", proposed, "--language")
    return tuple(dict.fromkeys(language_of(code.strip()).code for code in answer.split(",") if code.strip()))


def _method(
    asked: str, found: Findings, languages: tuple[str, ...], ask: Ask | None, tell: Callable[[str], None]
) -> str:
    """The method that is asked for, or the first that the files allow."""
    possible = found.methods(languages)
    if asked and asked not in METHODS:
        remedy = f"there are: {', '.join(METHODS)}"
        raise UsageError(Problem(f"--method {asked}: there is none", COMMAND_LINE, remedy=remedy))
    if not possible or (asked and asked not in possible):
        wanted = [asked] if asked else list(METHODS)
        names = " and ".join(language_of(code).name for code in languages)
        needs = "; ".join(f"{method} needs {METHODS[method]}" for method in wanted)
        raise UsageError(Problem(f"the files do not make a recipe for {names}", COMMAND_LINE, remedy=needs))
    if asked or len(possible) == 1:
        return asked or possible[0]
    for method in possible:
        tell(f"{method} can be made: there is {METHODS[method]}")
    if ask is None:
        return possible[0]
    answer = ask(f"method ({', '.join(possible)})", possible[0]).strip()
    return _method(answer, found, languages, None, tell)


def _name(out: Path) -> str:
    return out.name.removesuffix(".yaml").removesuffix(".yml")


def _write(out: Path, text: str) -> None:
    if out.suffix not in (".yaml", ".yml"):
        raise UsageError(Problem("a recipe is a .yaml file", str(out), remedy=f"say --out {out}.yaml"))
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with out.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        raise UsageError(
            Problem("is there already", str(out), remedy="say --out with another name")
        ) from None
    except OSError as error:
        raise UsageError(Problem(f"cannot be written: {error.strerror}", str(out))) from None
    fsync_folder(out.absolute().parent)
