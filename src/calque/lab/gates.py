"""What a base must be able to do before any experiment starts from it: know the facts in English, and read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from calque.lab.lexicon import lexicon
from calque.lab.sets import KEPT_PHRASING
from calque.lab.tasks import LETTERS, Task, Tasks
from calque.lab.world import World
from calque.randomness import stream

GATES = {
    "recall": 0.95,
    "copying": 0.85,
}  # the least share of right answers, in English; that of choosing is only told


def measure(model: Any, tokenizer: Any, world: World) -> dict[str, float]:
    """Every gate's share of right answers, in English, greedily."""
    found = {"recall": recall, "copying": copying, "choosing": choosing}
    return {name: round(gate(model, tokenizer, world), 4) for name, gate in found.items()}


def recall(model: Any, tokenizer: Any, world: World) -> float:
    """Share of the held-out people's facts that the base completes."""
    words = lexicon("en")
    prompts, answers = [], []
    for entity in world.known("development", "tested"):
        for fact in entity.facts.values():
            text = words.statement(fact, 0)
            answer = words.answer(fact)
            prompts.append(text[: text.rindex(answer)].rstrip())
            answers.append(answer)
    return _share_right(model, tokenizer, prompts, answers)


def copying(model: Any, tokenizer: Any, world: World, count: int = 300) -> float:
    """Share of `count` questions on texts about passing people that it answers."""
    tasks = _tasks(world, "copying", lambda make: make.text(), count)
    words = lexicon("en")
    prompts = [f"{task.text(words)}\n{task.question(words)}\n" for task in tasks]
    return _share_right(model, tokenizer, prompts, [task.answer(words) for task in tasks])


def choosing(model: Any, tokenizer: Any, world: World, count: int = 300) -> float:
    """Share of `count` questions with four options on held-out people of which it gives the right letter."""
    known, words = world.known("development", "tested"), lexicon("en")
    tasks = _tasks(world, "choosing", lambda make: make.choice(known), count)
    prompts = []
    for task in tasks:
        options = [f"{letter}. {o}" for letter, o in zip(LETTERS, task.choices(words), strict=True)]
        prompts.append("\n".join([task.question(words), *options, ""]))
    return _share_right(model, tokenizer, prompts, [task.answer(words) for task in tasks])


def _tasks(world: World, name: str, make: Callable[[Tasks], Task], count: int) -> list[Task]:
    tasks = Tasks(world, stream(world.seed, "lab", "gate", name), [KEPT_PHRASING])
    return [make(tasks) for _ in range(count)]


def _share_right(model: Any, tokenizer: Any, prompts: list[str], answers: list[str]) -> float:
    """Share of prompts whose continuation begins with the answer."""
    import torch

    right = 0
    tokenizer.padding_side = "left"
    for start in range(0, len(prompts), 64):
        batch = tokenizer(prompts[start : start + 64], return_tensors="pt", padding=True)
        with torch.inference_mode():
            written = model.generate(
                input_ids=batch["input_ids"].to(model.device),
                attention_mask=batch["attention_mask"].to(model.device),
                max_new_tokens=8,
                do_sample=False,
            )
        texts = tokenizer.batch_decode(written[:, batch["input_ids"].shape[1] :], skip_special_tokens=True)
        expected = answers[start : start + 64]
        right += sum(text.strip().startswith(answer) for text, answer in zip(texts, expected, strict=True))
    return right / len(prompts)
