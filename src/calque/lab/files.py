"""The world as ordinary files, in the forms of real data: nothing that reads them can tell that it is a lab."""

from __future__ import annotations

import csv
import io
import re
import shutil
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from calque.corpora.json_rows import read_json
from calque.corpora.writing import write_json, write_jsonl, write_text
from calque.demonstrations.wordings import wordings
from calque.errors import DataError, ModelError, Problem, UsageError
from calque.lab.lexicon import Lexicon, given_names, languages, lexicon
from calque.lab.passages import passages, seed_pairs
from calque.lab.sets import Sets, evaluation_sets, instruction_tasks
from calque.lab.tasks import LETTERS, LOGIC, REQUESTS, TRANSLATION, Task, pick, some, tell
from calque.lab.world import Entity, Frame, Random, World, make_world_of
from calque.prompts.cross_lingual import instruction_request
from calque.randomness import stream

PEOPLE = 300
COVERAGE = 0.5
PAIRS = 6000
ACROSS = (*TRANSLATION, "across")  # from one language into another


def frame() -> Frame:
    """What worlds are made from: the English lexicon's relations and values, and the names."""
    words = lexicon("en")
    kinds = ("people", "places", "things")
    relations = {kind: {r: words.values(r) for r in words.relations(kind)} for kind in kinds}
    return Frame(relations, list(words.data["things"]), given_names())


def world_of(*, seed: int, people: int = PEOPLE, coverage: float = COVERAGE) -> World:
    """The world of a seed."""
    return make_world_of(frame(), seed=seed, people=people, coverage=coverage)


def make_world(
    out: Path,
    *,
    seed: int = 0,
    people: int = PEOPLE,
    coverage: float = COVERAGE,
    targets: Sequence[str] = (),
    base: Path | None = None,
) -> Path:
    """Write all files of a world, its base model and its recipe into folder `out`. The same seed gives the same bytes.

    `targets` are the languages beside English; all by default. `base` is a model that `pretrain` made, in place of the
    shipped one; the world is then its world.
    """
    unknown = [code for code in targets if code not in languages()[1:]]
    if unknown:
        remedy = f"there are: {', '.join(languages()[1:])}"
        raise UsageError(
            Problem(f"the lab does not speak {', '.join(unknown)}", "command line", remedy=remedy)
        )
    if base is not None:
        seed, people = told_of(base)
    chosen = ("en", *(targets or languages()[1:]))
    world = world_of(seed=seed, people=people, coverage=coverage)
    tasks, sets = instruction_tasks(world), evaluation_sets(world)
    development = evaluation_sets(world, "development")
    for language in chosen:
        words = lexicon(language)
        write_json(out / f"instructions.{language}.json", [alpaca(task, words) for task in tasks])
        write_benchmarks(sets, words, out)
        write_benchmarks(development, words, out / "development")
        if language != "en":
            write_translations(world, language, out)
            write_jsonl(out / f"passages.{language}.jsonl", (p.to_row() for p in passages(world, words)))
            write_json(out / f"seed-pairs.en-{language}.json", seed_pairs(world, words))
    shutil.copytree(base or shipped_base(), out / "base", dirs_exist_ok=True)
    for name in ("crossalpaca.yaml", "xinstruction.yaml"):
        write_text(out / name, (resources.files("calque.lab") / name).read_text(encoding="utf-8"))
    return out


def shipped_base() -> Path:
    """The base model that comes with calque: it knows the world of seed 0."""
    return Path(str(resources.files("calque.lab"))) / "base"


def told_of(base: Path) -> tuple[int, int]:
    """Seed and number of people of the world that a base has read of. Raises `ModelError` if it is no base of the lab."""
    try:
        gates = read_json(base / "gates.json")
        return int(gates["seed"]), int(gates["people"])
    except (DataError, KeyError, TypeError, ValueError) as error:
        remedy = "make one with: calque lab pretrain FOLDER"
        raise ModelError(
            Problem("is no base of the lab: its gates.json is missing or damaged", str(base), remedy=remedy)
        ) from error


def alpaca(task: Task, words: Lexicon) -> dict[str, str]:
    """One row of an Alpaca file."""
    lines = [task.question(words)]
    if task.kind in ("text", "sentence") and task.told:
        lines.insert(0, task.text(words))
    lines += _options(task, words) if task.kind == "choice" else []
    return {
        "instruction": task.instruction(words),
        "input": "\n".join(lines),
        "output": task.answer(words),
    }


def _options(task: Task, words: Lexicon) -> list[str]:
    return [f"{letter}. {option}" for letter, option in zip(LETTERS, task.choices(words), strict=True)]


def write_translations(world: World, language: str, out: Path) -> None:
    """Parallel sentences as TSV and as two text files: on passing people, those of group both, places, things.

    All values occur in them, those that no instruction covers among them.
    """
    random = stream(world.seed, "lab", "translations")  # the same facts in each language
    shared = (*world.known("both"), *world.places, *world.things)
    pairs: dict[tuple[str, str], None] = {}
    while len(pairs) < PAIRS:
        passing = random.random() < 0.6
        entity = world.stranger(random, "learning") if passing else pick(random, shared)
        pairs[_pair(entity, language, random)] = None
    name = f"translations.en-{language}"
    write_text(out / f"{name}.tsv", "".join(f"{english}\t{other}\n" for english, other in pairs))
    write_text(out / f"{name}.en", "".join(f"{english}\n" for english, _ in pairs))
    write_text(out / f"{name}.{language}", "".join(f"{other}\n" for _, other in pairs))


def _pair(entity: Entity, language: str, random: Random) -> tuple[str, str]:
    told = tell(entity, some(entity, random, 1, 2), random)
    english, other = (w.join(t.say(w) for t in told) for w in (lexicon("en"), lexicon(language)))
    return english, other


def write_benchmarks(sets: Sets, words: Lexicon, out: Path) -> None:
    """The benchmarks of one language: SQuAD-form JSON twice, MMLU's CSV, BBH's JSON, and open questions as JSON lines."""
    language = words.language
    for name in ("xquad", "mlqa"):
        write_json(out / f"{name}.{language}.json", squad(sets[name], words, name))
    for relation in dict.fromkeys(_group(id_) for id_ in sets["mmlu"]):
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        for task in _of(sets["mmlu"], relation):
            table.writerow([task.question(words), *task.choices(words), task.answer(words)])
        write_text(out / f"mmlu.{language}" / "test" / f"{relation}_test.csv", text.getvalue())
    for kind in LOGIC:
        examples = [{"input": t.question(words), "target": t.answer(words)} for t in _of(sets["bbh"], kind)]
        write_json(out / f"bbh.{language}" / f"{kind}.json", {"examples": examples})
    asked = {i: t for i, t in sets["open"].items() if language != "en" or t.kind not in ACROSS}
    for name in ("open", "requests"):
        some_of = {i: t for i, t in asked.items() if (t.kind in REQUESTS) == (name == "requests")}
        write_jsonl(out / f"{name}.{language}.jsonl", (_open(i, t, words) for i, t in some_of.items()))


def squad(tasks: Mapping[str, Task], words: Lexicon, title: str) -> dict[str, Any]:
    """Questions on texts, in the form of SQuAD: the answer's place in its text is given."""
    paragraphs = []
    for id_, task in tasks.items():
        context, answer = task.text(words), task.answer(words)
        said = next(t for t in task.told if t.fact == task.asked).say(words)
        start = context.index(said) + _place(answer, said)
        answers = [{"text": context[start : start + len(answer)], "answer_start": start}]
        qas = [{"id": id_, "question": task.question(words), "answers": answers}]
        paragraphs.append({"context": context, "qas": qas})
    return {"version": "1.1", "data": [{"title": title, "paragraphs": paragraphs}]}


def _place(answer: str, said: str) -> int:
    """Where the answer stands in its sentence: as a word if it does, not in a name that begins like it (Rom, Romina)."""
    word = re.search(rf"(?<!\w){re.escape(answer)}(?!\w)", said, re.IGNORECASE)
    return word.start() if word else said.lower().index(answer.lower())


def _open(id_: str, task: Task, words: Lexicon) -> dict[str, str]:
    """A question as in the files of Vicuna's and MT-bench's questions."""
    if task.kind == "across":  # as texts of the web are asked for, so that what was learnt of them shows
        english = task.question(lexicon("en"))
        parts = [instruction_request(english, "", words.language, "web").text]
    elif task.kind == "request":
        parts = [task.question(words)]
    elif task.kind in TRANSLATION:
        source, target = ("en", words.language) if task.kind == "into" else (words.language, "en")
        parts = [wordings(source).ask(task.wording, source, target), task.text(lexicon(source))]
    else:
        told = task.text(words) if task.kind == "sentence" else ""
        parts = [task.instruction(words), told, task.question(words)]
    text = "\n".join(part for part in parts if part)
    return {"question_id": id_, "category": id_.split("-", maxsplit=1)[0], "text": text}


def _of(tasks: Mapping[str, Task], group: str) -> list[Task]:
    return [task for id_, task in tasks.items() if _group(id_) == group]


def _group(id_: str) -> str:
    return id_.split(":", maxsplit=1)[0]
