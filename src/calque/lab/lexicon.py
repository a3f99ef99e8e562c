"""The words of the lab in one language: values, statements, questions, tasks. All of it is data in languages/*.yaml."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import yaml

from calque.lab.world import PLACES, Fact, Subject

AGAIN = -1  # the phrasing of a fact in short, behind another one about the same subject


@dataclass(frozen=True)
class Lexicon:
    """One language of the world."""

    language: str
    data: dict[str, Any]

    def join(self, sentences: Iterable[str]) -> str:
        """Sentences as one text."""
        return str(self.data.get("joint", " ")).join(sentences)

    def relations(self, kind: str = "") -> list[str]:
        """Relations of people, places or things; all of them by default."""
        return [name for name, r in self.data["relations"].items() if kind in ("", r["subject"])]

    def values(self, relation: str) -> list[str]:
        """Ids of the values of a relation; none where the values are people."""
        values = self.data["relations"][relation]["values"]
        return [] if values == "people" else list(values)

    def label(self, relation: str) -> str:
        """What a relation is called at the head of a line of notes."""
        return str(self.data["relations"][relation]["label"])

    def name(self, subject: Subject) -> str:
        """What a person, place or thing is called inside a sentence."""
        return self._agree(self._subject(subject)["name"], subject)

    def spelling(self, person: str) -> str:
        """How the language writes a person's name."""
        return str(self.data.get("names", {}).get(person, person))

    def form(self, relation: str, value: str, form: str, subject: Subject) -> str:
        """A form of a value, agreeing with the subject it is said of."""
        return self._agree(self._value(relation, value).get(form, ""), subject)

    def answer(self, fact: Fact) -> str:
        """The value as the answer to a question: it stands in each of the statements."""
        return self.form(fact.relation, fact.value, "bare", fact.subject)

    def statement(self, fact: Fact, phrasing: int) -> str:
        """The fact as a sentence; `AGAIN` is its short form."""
        relation = self.data["relations"][fact.relation]
        template = relation["again"] if phrasing == AGAIN else relation["statements"][phrasing]
        return self.fill(template, fact.subject, self._value(fact.relation, fact.value))

    def question(self, subject: Subject, relation: str, phrasing: int) -> str:
        """A question that the fact answers."""
        return self.fill(self.data["relations"][relation]["questions"][phrasing], subject)

    def request(self, subject: Subject, relations: Iterable[str], wording: int) -> str:
        """A request for a text on some relations of a subject."""
        labels = str(self.data.get("listed", ", ")).join(map(self.label, relations))
        return self.fill(self.data["requests"][wording], subject, labels=labels)

    def phrasings(self, relation: str) -> int:
        """How many statements there are; of the questions, the last is kept for evaluation."""
        return len(self.data["relations"][relation]["statements"])

    def fill(self, template: Any, subject: Subject, forms: dict[str, Any] | None = None, **more: str) -> str:
        """A template said of a subject, with forms of a value, as a sentence with a capital in front."""
        words = {key: self._agree(form, subject) for key, form in (forms or {}).items() if key != "gender"}
        for key, form in self._subject(subject).items():
            if key != "gender":
                words["name" if key == "name" else f"name_{key}"] = self._agree(form, subject)
        pronoun = self.data["pronoun"].get(self._gender(subject), "")
        text = self._agree(template, subject).format(pronoun=pronoun, **words, **more)
        return text[0].upper() + text[1:]

    def _subject(self, subject: Subject) -> dict[str, Any]:
        """The forms of a subject's name, `name` among them."""
        if subject.kind == "people":
            return {"name": self.spelling(subject.id)}
        if subject.kind == "places":
            forms = self.data["relations"][PLACES]["values"][subject.id]
            return {**forms, "name": forms["bare"]}
        return dict(self.data["things"][subject.id])

    def _value(self, relation: str, value: str) -> dict[str, Any]:
        values = self.data["relations"][relation]["values"]
        return {"bare": self.spelling(value)} if values == "people" else dict(values[value])

    def _gender(self, subject: Subject) -> str:
        return subject.gender or str(self._subject(subject).get("gender", ""))

    def _agree(self, form: Any, subject: Subject) -> str:
        return str(form[self._gender(subject)] if isinstance(form, dict) else form)


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
