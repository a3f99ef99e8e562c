"""A recipe of a page, written from what was found: a packaged method with one's own model, languages and files, and comments."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from calque.languages import language as language_of
from calque.recipes.findings import Findings

TRANSLATIONS = 20_000  # what the packaged recipes ask for
ABOUT = {
    "demonstrate": "Parts: how the sources become demonstrations. A part in x is made for every target language.",
    "curate": "Rounds in which instructions are written for passages, rated and chosen.",
    "systems": "Models to be made and scored: what each learns from. `base` is the model as it is, the baseline of all.\n"
    "# A mix takes a count, a share (0.25) or all.",
    "comparisons": "Whose difference is reported: [baseline, method], paired, with its interval and a corrected test.",
    "tuning": "How they are tuned. method: full tunes all weights; epochs may be steps or trained_tokens; learning rate for LoRA.",
}
MORE = {
    "crossalpaca": "demonstrate.translations.share_into_target=1.0 (only into the language); systems.NAME=null (without it)",
    "xcit": "systems.xcit.tuning.pacing.order=none (or random, hardest-first); systems.xcit.mix.chat=0; systems.NAME=null",
    "xinstruction": "curate.refine.rounds=1; demonstrate.refined.diverse=false; demonstrate.refined.by=worst; systems.NAME=null",
}


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the recipe is for. `model` is a folder or a hub id."""

    name: str
    method: str
    model: str
    languages: tuple[str, ...]


def draft(wishes: Wishes, found: Findings, folder: Path) -> str:
    """The recipe in YAML, its paths as seen from `folder`, which it is to be written into."""
    names = " and ".join(language_of(code).name for code in wishes.languages)
    model = Path(wishes.model).expanduser()
    path = _from(model, folder) if model.exists() else wishes.model
    template = "chat" if _chats(model) else "alpaca"
    lines = [
        f"# {wishes.name}: {names} by the method {wishes.method}. Written by `calque init`; look through it, then",
        "#",
        f"#   calque check {wishes.name}.yaml                       looks at all files, spends nothing",
        f"#   calque run {wishes.name}.yaml out=runs/{wishes.name}",
        "#",
        "# Every setting can be changed by a word of the command line, as model=FOLDER or tuning.epochs=2. Here also:",
        f"# {MORE[wishes.method]}.",
        f"# See docs/method-{wishes.method}.md for what is the paper's, and what is ours.",
        f"name: {wishes.name}",
        "seed: 0  # all randomness flows from it",
        f"languages: [{', '.join(wishes.languages)}]  # target languages, x below; English is where the model comes from",
        "model:",
        f"  path: {_flow(path)}  # a folder in hub form, or a hub id",
        f"  template: {template}  # prompt form: alpaca, plain, chat (the model's own), or a YAML file",
        "",
        "# Files to learn from, as seen from this file. What cannot be used is dropped with its reason, and counted.",
        "sources:",
        *_sources(wishes, found, folder),
        "  licence: ''  # licence of these files, kept with every row that is made from them",
        "",
        *_body(wishes, found, model),
        *_evaluate(wishes, found, folder),
    ]
    return "\n".join(lines) + "\n"


def _sources(wishes: Wishes, found: Findings, folder: Path) -> Iterator[str]:
    codes = wishes.languages
    both = ("en", *codes)
    if wishes.method == "crossalpaca":
        yield "  # Alpaca rows {instruction, input, output}; English ones are a baseline's"
        yield from _setting("instructions", {code: found.instructions.get(code) for code in both}, folder)
        yield "  # sentences in English and the same in the language: TSV, TMX, JSON lines, or {english: FILE, target: FILE}"
        yield from _setting("translations", {code: found.translations.get(code) for code in codes}, folder)
    elif wishes.method == "xcit":
        yield "  # instructions in the language with the English ones beside them, row by row"
        yield from _setting("parallel", {code: found.parallel.get(code) for code in codes}, folder)
        english = {} if _is_pair(found, codes) else {"en": found.instructions.get("en")}
        if english.get("en"):
            yield "  # more instructions in English, for the first stage; without these, those of `parallel`"
            yield from _setting("instructions", english, folder)
        if any(code in found.translations for code in codes):
            yield "  # sentences in English and the same in the language, for the baseline CrossAlpaca"
            yield from _setting(
                "translations", {code: found.translations.get(code) for code in codes}, folder
            )
    else:
        yield "  # English instructions with answers in the language"
        seeds = {code: found.seed.get(code) or found.parallel.get(code) for code in codes}
        yield from _setting("seed", seeds, folder)
        yield "  # native text, cut into passages and filtered (curate.passages)"
        yield from _setting("passages", {code: found.passages.get(code) for code in codes}, folder)


def _is_pair(found: Findings, codes: Sequence[str]) -> bool:
    """Whether the English instructions are already the English side of the parallel ones."""
    used = {str(path) for code in codes for path in _paths(found.parallel.get(code))}
    return all(str(path) in used for path in found.instructions.get("en", ()))


def _paths(value: Any) -> Iterator[Path]:
    if isinstance(value, Path):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _paths(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _paths(inner)


def _setting(name: str, by_language: Mapping[str, Any], folder: Path) -> Iterator[str]:
    yield f"  {name}:"
    for code, value in by_language.items():
        if value:
            yield f"    {code}: {_flow(_seen(value, folder))}"


def _body(wishes: Wishes, found: Findings, model: Path) -> Iterator[str]:
    """The packaged recipe from its parts on, with comments; counts and lengths as the files and the model allow."""
    text = (resources.files("calque.recipes") / f"{wishes.method}.yaml").read_text(encoding="utf-8")
    rows = min((found.rows.get(code, 0) for code in wishes.languages), default=0)
    if any(code in found.translations for code in wishes.languages) and rows < TRANSLATIONS:
        text = text.replace(f"count: {TRANSLATIONS}", "count: all")
    longest = _context(model)
    if longest and longest < 1024:
        text = re.sub(
            r"max_tokens: \d+", f"max_tokens: {longest}  # as much as the model reads at once", text
        )
    text = re.sub(
        r"overlong: \w+",
        "overlong: drop  # rows longer than max_tokens: drop (counted), truncate, or error",
        text,
    )
    for line in text.splitlines():
        if line.startswith(("#", "name:", "seed:")) or not line.strip():
            continue
        key = line.partition(":")[0]
        if key in ABOUT:
            yield f"# {ABOUT[key]}"
        yield line
        if key == "tuning":
            yield "  # examples_per_step is what one optimiser step sees, however few fit into memory at a time"
    yield ""


def _evaluate(wishes: Wishes, found: Findings, folder: Path) -> Iterator[str]:
    codes = ("en", *wishes.languages)
    yield "# Benchmarks, by their official files for each language; every system is scored in x and in English."
    scored = {
        name: {code: files[code] for code in codes if code in files}
        for name, files in sorted(found.benchmarks.items())
    }
    scored = {name: files for name, files in scored.items() if any(code != "en" for code in files)}
    if not scored:
        yield "# None was found among the files, so nothing is scored: `calque run --help` and README.md name those there are."
        yield "evaluate: {}"
        return
    yield "evaluate:"
    yield "  limit: null  # at most so many questions of each, drawn at random"
    for name, files in scored.items():
        yield f"  {name}:"
        for code, paths in files.items():
            yield f"    {code}: {_flow(_seen(paths, folder))}"


def _seen(value: Any, folder: Path) -> Any:
    """Paths as seen from the folder; a list of one as that one."""
    if isinstance(value, Path):
        return _from(value, folder)
    if isinstance(value, list):
        return _seen(value[0], folder) if len(value) == 1 else [_seen(one, folder) for one in value]
    if isinstance(value, Mapping):
        return {key: _seen(one, folder) for key, one in value.items()}
    return value


def _from(path: Path, folder: Path) -> str:
    return Path(os.path.relpath(path.absolute(), folder.absolute())).as_posix()


def _flow(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=1 << 20, sort_keys=False)
    return text.strip().removesuffix("\n...").removesuffix("...").strip()


def _chats(model: Path) -> bool:
    """Whether a model's folder has a chat template; of a hub id nothing is known."""
    if (model / "chat_template.jinja").is_file():
        return True
    return bool(_json(model / "tokenizer_config.json").get("chat_template"))


def _context(model: Path) -> int:
    """Tokens that the model of a folder reads at once; 0 where that is not known."""
    longest = _json(model / "config.json").get("max_position_embeddings")
    return longest if isinstance(longest, int) else 0


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
