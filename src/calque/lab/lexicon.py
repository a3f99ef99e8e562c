"""The words of the lab in one language: values, statements, questions, tasks. All of it is data in languages/*.yaml."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import yaml

from calque.lab.world import PLACES, Fact, Subject


@dataclass(frozen=True)
class Lexicon:
    """One language of the world."""

    language: str
    data: dict[str, Any]

    def relations(self, kind: str = "") -> list[str]:
        """Relations of people, places or things; all of them by default."""
        return [name for name, r in self.data["relations"].items() if kind in ("", r["subject"])]

    def values(self, relation: str) -> list[str]:
        """Ids of the values of a relation."""
        return list(self.data["relations"][relation]["values"])

    def name(self, subject: Subject) -> str:
        """What a person, place or thing is called inside a sentence."""
        if subject.kind == "people":
            return subject.id
        if subject.kind == "places":
            return str(self.data["relations"][PLACES]["values"][subject.id]["bare"])
        return str(self.data["things"][subject.id])

    def form(self, relation: str, value: str, form: str, subject: Subject) -> str:
        """A form of a value, agreeing with the person it is said of."""
        found = self.data["relations"][relation]["values"][value].get(form, "")
        return str(found[subject.gender] if isinstance(found, dict) else found)

    def answer(self, fact: Fact) -> str:
        """The value as the answer to a question: it stands in each of the statements."""
        return self.form(fact.relation, fact.value, "bare", fact.subject)

    def statement(self, fact: Fact, phrasing: int) -> str:
        """The fact as a sentence."""
        return self._fill(self.data["relations"][fact.relation]["statements"][phrasing], fact)

    def again(self, fact: Fact) -> str:
        """The fact as a sentence behind another one about the same subject."""
        return self._fill(self.data["relations"][fact.relation]["again"], fact)

    def question(self, subject: Subject, relation: str, phrasing: int) -> str:
        """A question that the fact answers."""
        template = self.data["relations"][relation]["questions"][phrasing]
        return _sentence(template.format(name=self.name(subject)))

    def phrasings(self, relation: str) -> int:
        """How many statements there are; of the questions, the last is kept for evaluation."""
        return len(self.data["relations"][relation]["statements"])

    def _fill(self, template: str, fact: Fact) -> str:
        forms = {
            form: self.form(fact.relation, fact.value, form, fact.subject)
            for form in ("bare", "def", "indef")
        }
        pronoun = self.data["pronoun"].get(fact.subject.gender, "")
        return _sentence(template.format(name=self.name(fact.subject), pronoun=pronoun, **forms))


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


@cache
def lexicon(language: str) -> Lexicon:
    """The lexicon of a language."""
    return Lexicon(language, _read(f"languages/{language}.yaml"))


@cache
def languages() -> tuple[str, ...]:
    """The languages of the lab, English first."""
    folder = resources.files("calque.lab") / "languages"
    codes = sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir())
    return ("en", *(code for code in codes if code != "en"))


@cache
def given_names() -> dict[str, list[str]]:
    """Given names by gender (f, m)."""
    return dict(_read("names.yaml"))


def _read(name: str) -> dict[str, Any]:
    text = (resources.files("calque.lab") / name).read_text(encoding="utf-8")
    return dict(yaml.safe_load(text))
