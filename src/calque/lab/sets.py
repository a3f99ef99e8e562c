"""Which tasks there are: for the instructions, and for each benchmark of each split. Without words, so in all languages alike.

The files of the world and the truth about them are both made from here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from calque.lab.tasks import LOGIC, REQUESTS, TRANSLATION, Task, Tasks
from calque.lab.world import Group, World
from calque.randomness import stream

Held = Literal["development", "evaluation"]
Sets = dict[str, dict[str, Task]]

INSTRUCTIONS = 3000
QUESTIONS = 150  # of each extractive benchmark
CHOICES_PER_RELATION = 25
LOGIC_PER_TASK = 40
OPEN_PER_TASK = 60
TRAINING_PHRASINGS = (0, 1, 2)
KEPT_PHRASING = 3  # of the questions: evaluation alone asks so
GROUP_OF: dict[Held, Group] = {"development": "development", "evaluation": "tested"}


def instruction_tasks(world: World, count: int = INSTRUCTIONS) -> list[Task]:
    """`count` tasks of all kinds on covered facts of people known and taught, places, things, passing people."""
    random = stream(world.seed, "lab", "instructions")
    make = Tasks(world, random, TRAINING_PHRASINGS, "learning", covered=True)
    people, others = world.known("both", "taught"), (*world.places, *world.things)
    kinds: list[tuple[float, Callable[[], Task]]] = [
        (0.28, make.text),
        (0.08, lambda: make.text(2)),
        (0.16, lambda: make.memory(people)),
        (0.04, lambda: make.memory(others)),
        (0.08, lambda: make.choice(people)),
        (0.04, lambda: make.sentence(people)),
        (0.10, make.sentence),
        (0.04, make.notes),
        (0.04, lambda: make.portrait(people)),
        (0.04, make.same),
        (0.04, make.count),
        (0.03, make.two_steps),
        (0.03, make.visited),
    ]
    tasks = [make_one() for share, make_one in kinds for _ in range(round(share * count))]
    return [tasks[i] for i in random.permutation(len(tasks)).tolist()]


def evaluation_sets(world: World, held: Held = "evaluation") -> Sets:
    """The tasks of every benchmark, by the ids that its items get when its files are read."""
    known = world.known(GROUP_OF[held])

    def make(*names: str) -> Tasks:
        return Tasks(world, stream(world.seed, "lab", held, *names), [KEPT_PHRASING], held)

    sets: Sets = {}
    for name, people in (("xquad", 1), ("mlqa", 2)):
        tasks = make(name)
        sets[name] = {f"{name}-{i:04}": tasks.text(people) for i in range(QUESTIONS)}
    sets["mmlu"] = {}
    for relation in known[0].facts:
        tasks = make("mmlu", relation)
        for row in range(1, CHOICES_PER_RELATION + 1):
            sets["mmlu"][f"{relation}:{row}"] = tasks.choice(known, relation)
    sets["bbh"] = {}
    for kind in LOGIC:
        tasks = make("bbh", kind)
        sets["bbh"] |= {f"{kind}:{row}": tasks.logic(kind) for row in range(1, LOGIC_PER_TASK + 1)}
    openly = make("open")
    sets["open"] = {f"recall-{i:04}": openly.memory(known) for i in range(OPEN_PER_TASK)}
    sets["open"] |= {f"sentence-{i:04}": openly.sentence() for i in range(2 * OPEN_PER_TASK)}
    sets["open"] |= {f"portrait-{i:04}": openly.portrait(known) for i in range(OPEN_PER_TASK)}
    sets["open"] |= {f"notes-{i:04}": openly.notes() for i in range(OPEN_PER_TASK)}
    for kind in TRANSLATION:
        sets["open"] |= {f"{kind}-{i:04}": openly.translation(kind) for i in range(OPEN_PER_TASK)}
    asking = make("requests")
    requested = [asking.request(held) for _ in range(OPEN_PER_TASK)]
    for place, kind in enumerate(REQUESTS):
        sets["open"] |= {f"{kind}-{i:04}": both[place] for i, both in enumerate(requested)}
    return sets
