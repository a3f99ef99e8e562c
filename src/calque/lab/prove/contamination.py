"""Whether anything that is asked stood in what was learnt from: people asked about, and questions as they are asked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from calque.corpora.json_rows import read_json
from calque.lab.lexicon import lexicon
from calque.lab.sets import Sets


@dataclass(frozen=True, slots=True)
class Contamination:
    """Of `people` that are asked about and of `questions`, how many stand in instructions or parallel text."""

    people: int
    people_met: int
    questions: int
    questions_met: int

    def __str__(self) -> str:
        return (
            f"{self.people_met} of the {self.people} people asked about and {self.questions_met} of the "
            f"{self.questions} questions stand in instructions or parallel text"
        )


def contamination(folder: Path, language: str, sets: Sets) -> Contamination:
    """Look through the files of a world in one language."""
    words = lexicon(language)
    rows = read_json(folder / f"instructions.{language}.json")
    learnt = "\n".join(str(row[field]) for row in rows for field in ("instruction", "input", "output"))
    learnt += (folder / f"translations.en-{language}.tsv").read_text(encoding="utf-8")
    tasks = [task for name in sets for task in sets[name].values()]
    people = {
        words.name(subject)
        for task in tasks
        for subject in (task.subject, *(told.fact.subject for told in task.told))
        if subject.kind == "people"
    }
    asked = {
        task.question(words) for task in tasks if task.kind not in ("into", "from", "portrait", "across")
    }
    spaced = bool(words.data.get("joint", " "))
    stand = set(re.findall(r"\w+", learnt)) if spaced else set()
    met = people & stand if spaced else {name for name in people if name in learnt}
    return Contamination(len(people), len(met), len(asked), sum(question in learnt for question in asked))
