from __future__ import annotations

import pytest

from calque.lab.files import world_of
from calque.lab.lexicon import AGAIN, languages, lexicon
from calque.lab.world import Fact, Subject


def test_groups_share_nobody_and_no_name() -> None:
    world = world_of(seed=0, people=100)
    names = [entity.subject.id for group in world.people.values() for entity in group]
    assert [len(group) for group in world.people.values()] == [40, 20, 20, 20]
    passing = [subject.id for split in world.passing.values() for subject in split]
    assert [len(split) for split in world.passing.values()] == [264, 132, 131]
    assert len(set(names) | set(passing)) == len(names) + len(passing) == 627
    assert (len(world.places), len(world.things)) == (16, 16)


def test_a_world_follows_from_its_seed() -> None:
    assert world_of(seed=3, people=40) == world_of(seed=3, people=40)
    assert world_of(seed=3, people=40).people != world_of(seed=4, people=40).people


def test_more_people_than_names_is_refused() -> None:
    with pytest.raises(ValueError, match="names for 418"):
        world_of(seed=0, people=2000)


def test_people_visit_people_of_their_own_group() -> None:
    """Else one whose facts are kept for the evaluation would be named where it must not be met."""
    world = world_of(seed=0)
    for group in world.people.values():
        members = {entity.subject.id for entity in group}
        for entity in group:
            assert entity.facts["visits"].value in members - {entity.subject.id}


def test_half_of_the_values_are_covered_and_everyone_may_be_named() -> None:
    world = world_of(seed=0, coverage=0.5)
    assert {len(world.covered[r]) for r in ("city", "job", "food", "animal")} == {8}
    assert {len(world.covered[r]) for r in ("colour", "instrument")} == {6}
    some = world.people["taught"][0]
    assert world.covers(some.facts["visits"])
    assert world.covers(some.facts["city"]) == (some.facts["city"].value in world.covered["city"])


ANNA, MARCO = Subject("Anna", "people", "f"), Subject("Marco", "people", "m")
ROME, MIRROR, LAMP = Subject("rome", "places"), Subject("mirror", "things"), Subject("lamp", "things")


@pytest.mark.parametrize(
    ("language", "fact", "phrasing", "sentence"),
    [
        ("en", Fact(ANNA, "animal", "owl"), 1, "At home Anna keeps an owl."),
        ("en", Fact(MARCO, "job", "engineer"), 0, "Marco works as an engineer."),
        ("en", Fact(MARCO, "visits", "Anna"), AGAIN, "He often visits Anna."),
        ("en", Fact(MIRROR, "price", "n20"), 1, "For the mirror one pays twenty coins."),
        ("it", Fact(ANNA, "job", "painter"), 1, "Di mestiere Anna fa la pittrice."),
        ("it", Fact(MARCO, "job", "nurse"), 2, "Marco ha sempre fatto l'infermiere."),
        ("it", Fact(ANNA, "animal", "goose"), 0, "Anna ha un'oca."),
        ("it", Fact(ANNA, "animal", "squirrel"), 1, "In casa Anna tiene uno scoiattolo."),
        ("it", Fact(MARCO, "colour", "orange"), 3, "Fra tutti i colori Marco sceglie l'arancione."),
        ("it", Fact(ROME, "sight", "bridge"), 0, "Roma è famosa per il ponte."),
        ("it", Fact(MIRROR, "price", "n20"), 0, "Lo specchio costa venti monete."),
        ("it", Fact(LAMP, "material", "wood"), 0, "La lampada è fatta di legno."),
        ("it", Fact(MIRROR, "material", "silver"), 0, "Lo specchio è fatto di argento."),
        ("es", Fact(LAMP, "material", "wood"), AGAIN, "Está hecha de madera."),
        ("es", Fact(ANNA, "visits", "Marco"), 0, "Anna visita a menudo a Marco."),
        ("de", Fact(ANNA, "job", "cook"), 0, "Anna arbeitet als Köchin."),
        ("de", Fact(ROME, "sight", "tower"), 0, "Rom ist berühmt für seinen Turm."),
        ("zh", Fact(ANNA, "city", "rome"), 0, "安娜住在罗马。"),
        ("ar", Fact(ANNA, "city", "rome"), 0, "تسكن آنا في روما."),
        ("ar", Fact(MARCO, "city", "rome"), 0, "يسكن ماركو في روما."),
        ("sw", Fact(MARCO, "visits", "Anna"), 0, "Marco humtembelea Anna mara kwa mara."),
    ],
)  # fmt: skip
def test_sentences_agree(language: str, fact: Fact, phrasing: int, sentence: str) -> None:
    assert lexicon(language).statement(fact, phrasing) == sentence


def test_every_language_says_all_that_english_says() -> None:
    english = lexicon("en")
    assert languages() == ("en", "ar", "de", "es", "it", "sw", "zh")
    for code in languages():
        words = lexicon(code)
        assert words.relations() == english.relations()
        assert list(words.data["things"]) == list(english.data["things"])
        assert set(english.data) - set(words.data) <= {"requests"}
        for relation in english.relations():
            assert words.values(relation) == english.values(relation)
            assert words.phrasings(relation) == len(words.data["relations"][relation]["questions"]) == 4


@pytest.mark.parametrize("code", languages())
def test_every_answer_stands_in_its_statements_and_no_two_are_alike(code: str) -> None:
    """Else a question on a text would have no answer in it, or two."""
    world, words = world_of(seed=1), lexicon(code)
    entities = (*world.known(*world.people), *world.places, *world.things)
    for fact in (fact for entity in entities for fact in entity.facts.values()):
        answer = words.answer(fact).lower()
        said = [words.statement(fact, i).lower() for i in (0, 1, 2, 3, AGAIN)]
        assert all(answer in sentence for sentence in said), (code, fact)
        others = {words.answer(Fact(fact.subject, fact.relation, v)) for v in world.values(fact)}
        assert len(others | {words.answer(fact)}) == len({fact.value, *world.values(fact)})


@pytest.mark.parametrize("code", ["zh", "ar"])
def test_a_language_that_spells_names_spells_each_in_its_own_way(code: str) -> None:
    world, words = world_of(seed=0), lexicon(code)
    people = [e.subject.id for e in world.known(*world.people)]
    people += [s.id for split in world.passing.values() for s in split]
    spellings = {words.spelling(name) for name in people}
    assert len(spellings) == len(people) == 627
    assert not [s for s in spellings if s.isascii()]
