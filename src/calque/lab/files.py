"""The world as ordinary files, in the forms of real data: nothing that reads them can tell that it is a lab."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from calque.corpora.writing import write_json, write_text
from calque.lab.lexicon import Lexicon, given_names, languages, lexicon
from calque.lab.tasks import LETTERS, Task, Tasks, instruction_tasks, pick, some, tell
from calque.lab.world import Entity, Frame, World, make_world_of
from calque.randomness import stream

PEOPLE = 240
INSTRUCTIONS = 1600
PAIRS = 2400
QUESTIONS = 150  # of each extractive benchmark
CHOICES_PER_RELATION = 25
LOGIC_PER_TASK = 40
TRAINING_PHRASINGS = (0, 1, 2)
KEPT_PHRASING = 3  # of the questions: evaluation alone asks so


def frame() -> Frame:
    """What worlds are made from: the English lexicon's relations and values, and the names."""
    words = lexicon("en")
    kinds = ("people", "places", "things")
    relations = {kind: {r: words.values(r) for r in words.relations(kind)} for kind in kinds}
    return Frame(relations, list(words.data["things"]), given_names())


def world_of(*, seed: int, people: int = PEOPLE) -> World:
    """The world of a seed."""
    return make_world_of(frame(), seed=seed, people=people)


def make_world(out: Path, *, seed: int = 0, people: int = PEOPLE) -> Path:
    """Write all files of a world, its base model and its recipe into folder `out`. The same seed gives the same bytes."""
    world = world_of(seed=seed, people=people)
    write_instructions(world, out)
    write_translations(world, out)
    for language in languages():
        words = lexicon(language)
        for name, people_in_text in (("xquad", 1), ("mlqa", 2)):
            tasks = Tasks(world, stream(seed, "lab", name), [KEPT_PHRASING])
            rows = [tasks.text(people_in_text) for _ in range(QUESTIONS)]
            write_json(out / f"{name}.{language}.json", squad(rows, words, name))
        _write_mmlu(world, words, out / f"mmlu.{language}" / "test")
        _write_bbh(world, words, out / f"bbh.{language}")
    shipped = Path(str(resources.files("calque.lab"))) / "base"
    shutil.copytree(shipped, out / "base", dirs_exist_ok=True)
    recipe = (resources.files("calque.lab") / "crossalpaca.yaml").read_text(encoding="utf-8")
    write_text(out / "crossalpaca.yaml", recipe)
    return out


def write_instructions(world: World, out: Path) -> None:
    """Alpaca files, one for each language, row for row the same."""
    random = stream(world.seed, "lab", "instructions")
    tasks = instruction_tasks(world, random, INSTRUCTIONS, TRAINING_PHRASINGS)
    for language in languages():
        write_json(out / f"instructions.{language}.json", [alpaca(task, lexicon(language)) for task in tasks])


def alpaca(task: Task, words: Lexicon) -> dict[str, str]:
    """One row of an Alpaca file."""
    asks, question = words.data["instructions"], task.question(words)
    if task.kind == "text":
        instruction, material = asks["text"], f"{task.text(words)}\n{question}"
    elif task.kind == "memory":
        instruction, material = asks["memory"][task.wording], question
    elif task.kind == "sentence":
        instruction, material = asks["sentence"], question
    elif task.kind == "choice":
        options = [f"{letter}. {o}" for letter, o in zip(LETTERS, task.choices(words), strict=True)]
        instruction, material = asks["choice"], "\n".join([question, *options])
    else:
        instruction, material = words.data["logic"][task.kind]["instruction"], question
    return {"instruction": instruction, "input": material, "output": task.answer(words)}


def write_translations(world: World, out: Path) -> None:
    """Parallel sentences as TSV and as two text files: on passing people, those of group both, places, things."""
    random = stream(world.seed, "lab", "translations")
    shared = (*world.known("both"), *world.places, *world.things)
    for language in languages()[1:]:
        pairs: dict[tuple[str, str], None] = {}
        while len(pairs) < PAIRS:
            entity = world.stranger(random) if random.random() < 0.6 else pick(random, shared)
            pairs[_pair(entity, language, random)] = None
        name = f"translations.en-{language}"
        write_text(out / f"{name}.tsv", "".join(f"{english}\t{other}\n" for english, other in pairs))
        write_text(out / f"{name}.en", "".join(f"{english}\n" for english, _ in pairs))
        write_text(out / f"{name}.{language}", "".join(f"{other}\n" for _, other in pairs))


def _pair(entity: Entity, language: str, random: np.random.Generator) -> tuple[str, str]:
    told = tell(entity, some(entity, random, 1, 2), random)
    english, other = (" ".join(t.say(words) for t in told) for words in (lexicon("en"), lexicon(language)))
    return english, other


def squad(tasks: list[Task], words: Lexicon, title: str) -> dict[str, Any]:
    """Questions on texts, in the form of SQuAD: the answer's first place in its text is given."""
    paragraphs = []
    for i, task in enumerate(tasks):
        context, answer = task.text(words), task.answer(words)
        told = next(t for t in task.told if t.fact == task.asked)
        start = context.index(answer, context.index(told.say(words)))
        answers = [{"text": answer, "answer_start": start}]
        qas = [{"id": f"{title}-{i:04}", "question": task.question(words), "answers": answers}]
        paragraphs.append({"context": context, "qas": qas})
    return {"version": "1.1", "data": [{"title": title, "paragraphs": paragraphs}]}


def _write_mmlu(world: World, words: Lexicon, folder: Path) -> None:
    """Knowledge of the tested people, one CSV for each relation: question, four options, letter."""
    tested = world.known("tested")
    for relation in words.relations("people"):
        tasks = Tasks(world, stream(world.seed, "lab", "mmlu", relation), [KEPT_PHRASING])
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        for task in (tasks.choice(tested, relation) for _ in range(CHOICES_PER_RELATION)):
            table.writerow([task.question(words), *task.choices(words), task.answer(words)])
        write_text(folder / f"{relation}_test.csv", text.getvalue())


def _write_bbh(world: World, words: Lexicon, folder: Path) -> None:
    """Comparing, counting and two steps, on passing people."""
    for name, tasks in logic_tasks(world):
        examples = [{"input": task.question(words), "target": task.answer(words)} for task in tasks]
        write_json(folder / f"{name}.json", {"examples": examples})


def logic_tasks(world: World) -> Iterator[tuple[str, list[Task]]]:
    """The logic tasks of the evaluation."""
    for name in ("same", "count", "two_steps"):
        tasks = Tasks(world, stream(world.seed, "lab", "bbh", name), [KEPT_PHRASING])
        make: Callable[[], Task] = getattr(tasks, name)
        yield name, [make() for _ in range(LOGIC_PER_TASK)]
