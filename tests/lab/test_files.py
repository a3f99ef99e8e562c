from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from calque.corpora.alpaca import read_alpaca
from calque.corpora.pairs import PairFiles, read_pairs
from calque.errors import UsageError
from calque.evaluation.asked import items_of
from calque.lab.files import make_world, squad, world_of
from calque.lab.lexicon import lexicon
from calque.lab.sets import evaluation_sets
from calque.lab.tasks import Task, Told
from calque.lab.text import Shares, documents
from calque.lab.world import Fact, Subject, World
from calque.randomness import stream
from calque.recipes.reading import read_recipe
from calque.recipes.resolve import resolve
from calque.records import Demonstration, Rejected, SentencePair

SPOKEN = ("en", "it", "zh")
COUNTS = {"xquad": 150, "mlqa": 150, "mmlu": 175, "bbh": 160}


def texts_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def names_in(text: str) -> set[str]:
    return set(re.findall(r"\w+", text))


@pytest.fixture(scope="module")
def world() -> World:
    return world_of(seed=0)


def test_the_files_are_read_by_the_readers_of_real_data_without_a_drop(world_folder: Path) -> None:
    for language in SPOKEN:
        rows = list(read_alpaca(world_folder / f"instructions.{language}.json", language))
        assert len(rows) == 3000
        assert all(isinstance(row, Demonstration) for row in rows)
        for held in (world_folder, world_folder / "development"):
            for benchmark, count in COUNTS.items():
                ending = ".json" if benchmark in ("xquad", "mlqa") else ""
                found = items_of(benchmark, [held / f"{benchmark}.{language}{ending}"], language)
                assert (len(found.items), found.dropped, found.notes) == (count, (), ())
            asked = items_of("open", [held / f"open.{language}.jsonl"], language)
            assert (len(asked.items), asked.dropped) == (300 if language == "en" else 420, ())
            requests = items_of("open", [held / f"requests.{language}.jsonl"], language)
            assert (len(requests.items), requests.dropped) == (60 if language == "en" else 120, ())
    for language in SPOKEN[1:]:
        pairs = list(read_pairs(PairFiles(language, path=world_folder / f"translations.en-{language}.tsv")))
        assert len(pairs) == 6000
        assert all(isinstance(pair, SentencePair) for pair in pairs)
        moses = read_pairs(
            PairFiles(
                language,
                english=world_folder / f"translations.en-{language}.en",
                target=world_folder / f"translations.en-{language}.{language}",
            )
        )
        assert [(p.english, p.target) for p in moses if not isinstance(p, Rejected)] == [
            (p.english, p.target) for p in pairs if not isinstance(p, Rejected)
        ]
        seeds = list(read_alpaca(world_folder / f"seed-pairs.en-{language}.json", language))
        assert len(seeds) == 300
        assert all(isinstance(row, Demonstration) for row in seeds)
        passages = [json.loads(x) for x in texts_of(world_folder / f"passages.{language}.jsonl").splitlines()]
        assert len(passages) == len({p["id"] for p in passages}) == 3000
        assert {frozenset(p) for p in passages} == {frozenset(("id", "text"))}, (
            "no word of what is wrong with it"
        )


def test_rows_are_parallel(world_folder: Path) -> None:
    rows = [json.loads(texts_of(world_folder / f"instructions.{c}.json")) for c in SPOKEN]
    letters = [
        {row["output"] for row in triple}
        for triple in zip(*rows, strict=True)
        if triple[0]["output"] in "ABCD"
    ]
    assert len(letters) == 240
    assert all(len(letter) == 1 for letter in letters)


def test_the_same_seed_gives_the_same_bytes(world_folder: Path, tmp_path: Path) -> None:
    again = make_world(tmp_path, seed=0, targets=["zh", "es", "de", "it"])
    names = [path.relative_to(again) for path in sorted(again.rglob("*")) if path.is_file()]
    assert len(names) > 100  # others put recipes of their own into the shared one
    for name in names:
        assert (world_folder / name).read_bytes() == (again / name).read_bytes(), name


def test_a_language_that_the_lab_does_not_speak_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not speak fr"):
        make_world(tmp_path, targets=["fr"])


def test_those_asked_about_are_met_before_in_english_alone(world_folder: Path, world: World) -> None:
    """People of the evaluation and of development stand in no instruction, no parallel text, no passage, no Italian."""
    held = {e.subject.id for e in world.known("development", "tested")}
    held |= {s.id for split in ("development", "evaluation") for s in world.passing[split]}  # type: ignore[index]
    assert len(held) == 120 + 163
    seen = [
        path
        for kind in ("instructions.*", "translations.*", "seed-pairs.*", "passages.*")
        for path in world_folder.glob(kind)
    ]
    assert len(seen) == 5 + 12 + 4 + 4
    spellings = {code: {lexicon(code).spelling(name): name for name in held} for code in SPOKEN}
    for path in seen:
        text = texts_of(path)
        if (
            "passages" in path.name
        ):  # a text that was cut off may end in what is somebody's name: Adam, of Adamo
            text = "\n".join(line for line in text.splitlines() if line.endswith('."}'))
        assert not names_in(text) & held, path.name
        if path.name.endswith((".zh.json", "en-zh.tsv", "en-zh.zh", "en-zh.json")):
            # (In passages characters may change places, which can spell anyone's name.)
            assert not [s for s in spellings["zh"] if s in text], path.name
    lasting = {e.subject.id for e in world.known("development", "tested")}
    italian = [lexicon("it")]
    read = documents(
        world, italian, Shares(portraits=1, readings=9, logic=9, recalls=9, choices=9), stream(0, "text")
    )
    foreign = [
        "".join(p.text for p in d)
        for d in read
        if re.search(r" (è|ha|fa|abita|suona|va spesso) ", "".join(p.text for p in d))
    ]
    assert len(foreign) > 1000
    assert not [text for text in foreign if names_in(text) & lasting]
    assert names_in(texts_of(world_folder / "mmlu.it/test/city_test.csv")) & lasting, "and there they are met"


def test_the_two_held_out_splits_share_nobody(world_folder: Path, world: World) -> None:
    people = {
        "": {e.subject.id for e in world.known("tested")} | {s.id for s in world.passing["evaluation"]},
        "development": {e.subject.id for e in world.known("development")}
        | {s.id for s in world.passing["development"]},
    }
    for folder, other in (("", "development"), ("development", "")):
        for path in [
            *(world_folder / folder).glob("*.it.json"),
            *(world_folder / folder).glob("open.it.jsonl"),
        ]:
            if "instructions" not in path.name:
                found = names_in(texts_of(path))
                assert found & people[folder], path
                assert not found & people[other], path


def test_instructions_speak_of_covered_values_alone_and_translations_of_all(
    world_folder: Path, world: World
) -> None:
    words = lexicon("it")
    told = texts_of(world_folder / "instructions.it.json")
    translated = texts_of(world_folder / "translations.en-it.it")
    anna = Subject("Anna", "people", "f")
    for relation in ("animal", "food", "instrument"):
        for value in words.values(relation):
            word = words.answer(Fact(anna, relation, value))
            stands = re.search(rf"(?<!\w){word}(?!\w)", told) is not None
            assert stands == (value in world.covered[relation]), (relation, value)
            assert re.search(rf"(?<!\w){word}(?!\w)", translated), value


def test_the_questions_of_the_evaluation_are_asked_nowhere_else(world_folder: Path, world: World) -> None:
    """A contamination check: neither a question nor its phrasing about anybody stands in what is learnt from."""
    learnt = texts_of(world_folder / "instructions.it.json")
    for benchmark in ("xquad", "mlqa"):
        for item in items_of(benchmark, [world_folder / f"{benchmark}.it.json"], "it").items:
            assert item.question not in learnt
    kept = [lexicon("it").data["relations"][r]["questions"][3] for r in world.frame.relations["people"]]
    patterns = [re.escape(q).replace(r"\{name\}", r"\w+") for q in kept]
    assert len(patterns) == 7
    assert not [p for p in patterns if re.search(p, learnt)]


def test_an_answer_is_placed_where_it_stands_as_a_word() -> None:
    """The name Romina begins like the city."""
    romina = Subject("Romina", "people", "f")
    told = Told(Fact(romina, "city", "rome"), 0)
    (paragraph,) = squad({"q": Task("text", (told,), told.fact, 3)}, lexicon("de"), "t")["data"][0][
        "paragraphs"
    ]
    assert paragraph["context"] == "Romina wohnt in Rom."
    assert paragraph["qas"][0]["answers"] == [{"text": "Rom", "answer_start": 16}]


def test_all_four_families_are_in_both_splits(world: World) -> None:
    for held in ("evaluation", "development"):
        sets = evaluation_sets(world, held)  # type: ignore[arg-type]
        assert {name: len(tasks) for name, tasks in sets.items()} == {**COUNTS, "open": 540}


def test_the_recipe_of_x_instruction_fits_its_files(world_folder: Path) -> None:
    read = read_recipe(str(world_folder / "xinstruction.yaml"))
    found = resolve(read.recipe, read.folder)
    assert {"random-it", "xinstruction-it", "generator", "round-0", "evaluator-2"} <= {
        s.name for s in found.systems
    }
    assert found.notes == ()


def test_the_recipe_of_the_world_fits_its_files(world_folder: Path) -> None:
    read = read_recipe(str(world_folder / "crossalpaca.yaml"))
    found = resolve(read.recipe, read.folder)
    assert [s.role for s in found.systems] == [
        "base",
        "en-alpaca",
        "x-alpaca",
        "x-alpaca-long",
        "x-crossalpaca",
    ]
    assert len(found.benchmarks) == 10
    assert found.notes == ()
