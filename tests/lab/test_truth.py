"""What is true of the lab: every right answer is known as right in every language, and wrong ones as wrong."""

from __future__ import annotations

import pytest

from calque.lab.files import world_of
from calque.lab.lexicon import languages, lexicon
from calque.lab.passages import Passage, passages, request
from calque.lab.sets import evaluation_sets
from calque.lab.tasks import Task, Told
from calque.lab.truth import Truth, Verdict, fits
from calque.lab.world import Fact, Subject

WORLD = world_of(seed=0)
SETS = evaluation_sets(WORLD)
ANNA = Subject("Anna", "people", "f")
LIVES, KEEPS = Fact(ANNA, "city", "rome"), Fact(ANNA, "animal", "cat")


def truth_of(**tasks: Task) -> Truth:
    return Truth(WORLD, {"b": tasks}, ("it", "en"))


@pytest.mark.parametrize("code", languages())
def test_every_right_answer_is_right_and_in_its_language(code: str) -> None:
    truth = Truth(WORLD, SETS, tuple(dict.fromkeys((code, "en"))))
    for benchmark, tasks in SETS.items():
        for item, task in tasks.items():
            if task.kind in ("into", "from"):
                answer = task.text(lexicon(code if task.kind == "into" else "en"))
                expected = code if task.kind == "into" else "en"
            else:
                answer, expected = task.answer(lexicon(code)), code
            found = truth.verdict(benchmark, item, answer)
            assert found.right, (item, answer)
            assert found.language in (expected, "any"), (item, answer)


def test_short_answers() -> None:
    truth = truth_of(
        lives=Task("memory", (), LIVES, 0),
        visits=Task(
            "memory",
            (),
            Fact(WORLD.people["tested"][0].subject, "visits", WORLD.people["tested"][1].subject.id),
            0,
        ),
    )
    verdicts = {
        "Roma": Verdict(True, "it"),
        "roma.": Verdict(True, "it"),
        "Rome": Verdict(True, "en"),
        "Parigi": Verdict(False, "it"),
        "Paris": Verdict(False, "en"),
        "Madrid": Verdict(False, "any"),  # the word of both languages
        "Anna abita a Roma.": Verdict(True, "it"),
        "Anna lives in Paris.": Verdict(False, "en"),
        "blu": Verdict(False, "?"),
        "": Verdict(False, "?"),
    }
    for answer, expected in verdicts.items():
        assert truth.verdict("b", "lives", answer) == expected, answer
    assert truth.verdict("b", "visits", WORLD.people["tested"][1].subject.id) == Verdict(True, "any")


def test_of_a_requested_text_the_share_is_right_that_tells_what_was_asked_for() -> None:
    told = (Told(LIVES, 0), Told(KEEPS, 1))
    for kind in ("request", "across"):
        truth = truth_of(b=Task(kind, told, LIVES, 0))
        verdicts = {
            "Anna abita a Roma. In casa Anna tiene un gatto.": Verdict(1.0, "it"),
            "Ha un cane. Anna abita a Parigi.": Verdict(1.0, "it"),  # nobody knows her: any value is as good
            "Ritratto di Anna\nAnna abita a Roma. Ha un cane.": Verdict(1.0, "it"),
            "Ritratto di Marta\nAnna abita a Roma. Ha un cane.": Verdict(0.5, "it"),
            "Anna abita a Roma.": Verdict(0.5, "it"),
            "Anna abita a Roma. Abita a Parigi.": Verdict(0.5, "it"),
            "Anna abita a Roma. Ha un cane. Suona l'arpa. Ha un gatto.": Verdict(0.5, "it"),
            "Anna abita a Roma. She has a cat.": Verdict(0.5, "it"),
            "Anna lives in Rome. She has a cat.": Verdict(1.0, "en"),
            "Suona l'arpa.": Verdict(0.0, "it"),
            "Roma": Verdict(0.0, "?"),
            "": Verdict(0.0, "?"),
        }
        for answer, expected in verdicts.items():
            assert truth.verdict("b", "b", answer) == expected, answer


def test_a_text_is_well_formed_whomever_it_speaks_of() -> None:
    truth = truth_of()
    texts = {
        "Anna abita a Roma. Ha un cane.": 1.0,
        "Ritratto di Anna\nAnna abita a Roma. Ha un cane.": 1.0,
        "Ritratto di Marta\nAnna abita a Roma. Ha un cane.": 0.5,
        "Anna abita a Roma. She has a dog. Anna": 1 / 3,
        "Anna abita a Roma. Marta suona l'arpa.": 0.5,
        "Usiamo i cookie per migliorare questo sito.": 0.0,
        "": 0.0,
    }
    assert {text: truth.well_formed(text) for text in texts} == pytest.approx(texts)


def test_what_is_written_must_be_true_sentence_by_sentence_and_whole() -> None:
    told = (Told(LIVES, 0), Told(KEEPS, 1))
    truth = truth_of(notes=Task("notes", told, LIVES, 0))
    verdicts = {
        "Anna abita a Roma. In casa Anna tiene un gatto.": Verdict(True, "it"),
        "Ha un gatto. La casa di Anna è a Roma.": Verdict(True, "it"),
        "Anna lives in Rome. She has a cat.": Verdict(True, "en"),
        "Anna abita a Roma.": Verdict(False, "it"),
        "Anna abita a Roma. Ha un cane.": Verdict(False, "it"),
        "Anna abita a Roma. Ha un gatto. Suona l'arpa.": Verdict(False, "it"),
        "Anna abita a Roma. She has a cat.": Verdict(False, "?"),
        "Anna abita Roma.": Verdict(False, "?"),
    }
    for answer, expected in verdicts.items():
        assert truth.verdict("b", "notes", answer) == expected, answer


def test_a_portrait_says_two_true_things() -> None:
    someone = WORLD.people["tested"][0]
    words = lexicon("it")
    truth = truth_of(portrait=Task("portrait", (), someone.facts["city"], 0))
    first, second = (words.statement(someone.facts[r], 0) for r in ("city", "job"))
    false = words.statement(someone.but("city", "dublin").facts["city"], 0)
    assert someone.facts["city"].value != "dublin"
    assert truth.verdict("b", "portrait", f"{first} {second}") == Verdict(True, "it")
    assert truth.verdict("b", "portrait", first) == Verdict(False, "it")
    assert truth.verdict("b", "portrait", f"{first} {first}") == Verdict(False, "it")
    assert truth.verdict("b", "portrait", f"{second} {false}") == Verdict(False, "it")


def test_letters_translations_and_logic() -> None:
    truth = truth_of(
        choice=Task("choice", (), LIVES, 0, ("paris", "rome", "milan", "turin")),
        into=Task("into", (Told(LIVES, 0),), LIVES, 0),
        count=Task(
            "count", (), Fact(ANNA, "animal", "cat"), 0, about=(WORLD.people["both"][0].but("animal", "cat"),)
        ),
    )
    assert [truth.verdict("b", "choice", a) for a in ("B", " b.", "A", "Roma")] == [
        Verdict(True, "any"),
        Verdict(True, "any"),
        Verdict(False, "any"),
        Verdict(False, "?"),
    ]
    assert truth.verdict("b", "into", "Anna abita a Roma.") == Verdict(True, "it")
    assert truth.verdict("b", "into", "Anna lives in Rome.") == Verdict(False, "en")
    assert truth.verdict("b", "count", "uno") == Verdict(True, "it")
    assert truth.verdict("b", "count", "two") == Verdict(False, "en")


def test_what_is_wrong_with_passages_is_known_and_how_often() -> None:
    for code in ("it", "zh"):
        made = list(passages(WORLD, lexicon(code), 200))
        faults = [p.fault for p in made]
        assert {f: faults.count(f) for f in set(faults)} == {
            "": 100, "truncated": 20, "mixed": 20, "boilerplate": 20, "mismatched": 20, "translated": 20,
        }  # fmt: skip
        words = lexicon(code)
        for passage in made:
            whole = words.join(t.say(words) for t in passage.told)
            stands = whole in passage.text
            assert stands == (passage.fault in ("", "boilerplate", "mismatched")), (
                passage.fault,
                passage.text,
            )
            assert (words.name(passage.subject) in passage.text.split("\n")[0]) == (
                passage.fault not in ("boilerplate", "mismatched")
            )


def test_a_request_fits_its_passage_alone() -> None:
    told = (Told(LIVES, 0), Told(KEEPS, 1))
    passage = Passage("p", "", "", ANNA, told)
    assert request(ANNA, told, 0) == "Write a short text about Anna: city, pet."
    assert all(fits(passage, request(ANNA, told, wording)) for wording in range(3))
    assert not fits(passage, request(ANNA, told[::-1], 0))
    assert not fits(passage, request(Subject("Ada", "people", "f"), told, 0))


def test_a_question_on_a_text_is_answered_in_one_sentence_of_any_wording() -> None:
    truth = truth_of(sentence=Task("sentence", (Told(LIVES, 0), Told(KEEPS, 1)), KEEPS, 3, wording=0))
    verdicts = {
        "Anna ha un gatto.": Verdict(True, "it"),
        "Ha un gatto.": Verdict(True, "it"),
        "L'animale di Anna è un gatto.": Verdict(True, "it"),
        "She has a cat.": Verdict(True, "en"),
        "Ha un cane.": Verdict(False, "it"),
        "Anna abita a Roma.": Verdict(False, "it"),
        "Anna ha un gatto. Abita a Roma.": Verdict(False, "it"),
        "gatto": Verdict(False, "?"),
    }
    for answer, expected in verdicts.items():
        assert truth.verdict("b", "sentence", answer) == expected, answer
