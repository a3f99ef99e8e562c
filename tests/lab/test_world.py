from __future__ import annotations

import pytest

from calque.lab.files import world_of
from calque.lab.lexicon import languages, lexicon
from calque.lab.world import Fact, Subject


def test_groups_share_nobody_and_no_name() -> None:
    world = world_of(seed=0, people=80)
    names = [e.subject.id for group in ("both", "taught", "tested") for e in world.people[group]]  # type: ignore[index]
    assert [len(world.people[g]) for g in ("both", "taught", "tested")] == [40, 20, 20]  # type: ignore[index]
    assert len(set(names)) == 80
    assert not set(names) & {subject.id for subject in world.passing}
    assert (len(world.places), len(world.things)) == (16, 16)


def test_a_world_follows_from_its_seed() -> None:
    assert world_of(seed=3, people=40) == world_of(seed=3, people=40)
    assert world_of(seed=3, people=40).people != world_of(seed=4, people=40).people


def test_more_people_than_names_is_refused() -> None:
    with pytest.raises(ValueError, match="names for 245"):
        world_of(seed=0, people=2000)


ANNA, MARCO = Subject("Anna Rossi", "people", "f"), Subject("Marco Neri", "people", "m")


@pytest.mark.parametrize(
    ("language", "fact", "phrasing", "sentence"),
    [
        ("en", Fact(ANNA, "animal", "owl"), 1, "At home Anna Rossi keeps an owl."),
        ("en", Fact(MARCO, "job", "engineer"), 0, "Marco Neri works as an engineer."),
        ("it", Fact(ANNA, "job", "painter"), 1, "Di mestiere Anna Rossi fa la pittrice."),
        ("it", Fact(MARCO, "job", "painter"), 1, "Di mestiere Marco Neri fa il pittore."),
        ("it", Fact(MARCO, "job", "nurse"), 2, "Marco Neri ha sempre fatto l'infermiere."),
        ("it", Fact(ANNA, "animal", "goose"), 0, "Anna Rossi ha un'oca."),
        ("it", Fact(ANNA, "animal", "squirrel"), 1, "In casa Anna Rossi tiene uno scoiattolo."),
        ("it", Fact(ANNA, "instrument", "harp"), 2, "La sera Anna Rossi si esercita con l'arpa."),
        ("it", Fact(MARCO, "colour", "orange"), 3, "Fra tutti i colori Marco Neri sceglie l'arancione."),
        ("it", Fact(Subject("rome", "places"), "sight", "bridge"), 0, "Roma è famosa per il ponte."),
        ("it", Fact(Subject("mirror", "things"), "price", "n20"), 0, "Lo specchio costa venti monete."),
        ("en", Fact(Subject("mirror", "things"), "price", "n20"), 1, "For the mirror one pays twenty coins."),
    ],
)
def test_sentences_agree(language: str, fact: Fact, phrasing: int, sentence: str) -> None:
    assert lexicon(language).statement(fact, phrasing) == sentence


def test_every_language_says_all_that_english_says() -> None:
    english = lexicon("en")
    for code in languages():
        words = lexicon(code)
        assert words.relations() == english.relations()
        assert list(words.data["things"]) == list(english.data["things"])
        for relation in english.relations():
            assert words.values(relation) == english.values(relation)
            assert words.phrasings(relation) == len(words.data["relations"][relation]["questions"]) == 4


def test_the_answer_stands_in_every_statement() -> None:
    """Else a question on a text would have no answer in it."""
    world = world_of(seed=1, people=60)
    entities = (*world.known("both", "taught", "tested"), *world.places, *world.things)
    for code in languages():
        words = lexicon(code)
        for fact in (fact for entity in entities for fact in entity.facts.values()):
            said = [words.statement(fact, i) for i in range(4)] + [words.again(fact)]
            assert all(words.answer(fact) in sentence for sentence in said), (code, fact)
