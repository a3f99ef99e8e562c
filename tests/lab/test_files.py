from __future__ import annotations

import json
from pathlib import Path

import pytest

from calque.corpora.alpaca import read_alpaca
from calque.corpora.pairs import PairFiles, read_pairs
from calque.evaluation.evaluate import items_of
from calque.lab.files import make_world, world_of
from calque.lab.lexicon import languages, lexicon
from calque.lab.text import Shares, documents
from calque.randomness import stream
from calque.recipes.reading import read_recipe
from calque.recipes.resolve import resolve
from calque.records import Demonstration, Rejected, SentencePair


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_world(tmp_path_factory.mktemp("world"), seed=0)


def texts_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def test_the_files_are_read_by_the_readers_of_real_data_without_a_drop(folder: Path) -> None:
    for language in languages():
        rows = list(read_alpaca(folder / f"instructions.{language}.json", language))
        assert len(rows) == 1600
        assert all(isinstance(row, Demonstration) for row in rows)
        for benchmark, count in (("xquad", 150), ("mlqa", 150)):
            found = items_of(benchmark, [folder / f"{benchmark}.{language}.json"], language)
            assert (len(found.items), found.dropped, found.notes) == (count, (), ())
        mmlu = items_of("mmlu", [folder / f"mmlu.{language}"], language)
        assert (len(mmlu.items), mmlu.dropped) == (150, ())
        assert {item.group for item in mmlu.items} == {
            "city",
            "job",
            "food",
            "animal",
            "colour",
            "instrument",
        }
        bbh = items_of("bbh", [folder / f"bbh.{language}"], language)
        assert (len(bbh.items), bbh.dropped) == (120, ())
    pairs = list(read_pairs(PairFiles("it", path=folder / "translations.en-it.tsv")))
    assert len(pairs) == 2400
    assert all(isinstance(pair, SentencePair) for pair in pairs)
    moses = read_pairs(
        PairFiles("it", english=folder / "translations.en-it.en", target=folder / "translations.en-it.it")
    )
    assert [(p.english, p.target) for p in moses if not isinstance(p, Rejected)] == [
        (p.english, p.target) for p in pairs if not isinstance(p, Rejected)
    ]


def test_rows_are_parallel(folder: Path) -> None:
    english, italian = (json.loads(texts_of(folder / f"instructions.{c}.json")) for c in ("en", "it"))
    letters = [
        (e["output"], i["output"]) for e, i in zip(english, italian, strict=True) if e["output"] in "ABCD"
    ]
    assert len(letters) == 192
    assert all(e == i for e, i in letters)


def test_the_same_seed_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    again = make_world(tmp_path, seed=0)
    names = [path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file()]
    assert len(names) > 30
    for name in names:
        assert (folder / name).read_bytes() == (again / name).read_bytes(), name


def test_no_tested_person_is_met_before_the_evaluation(folder: Path) -> None:
    """But in English before tuning: neither in instructions nor in parallel text nor in Italian."""
    world = world_of(seed=0)
    names = [entity.subject.id for entity in world.known("tested")]
    assert len(names) == 60
    seen = [*folder.glob("instructions.*.json"), *folder.glob("translations.*")]
    assert len(seen) == 5
    for path in seen:
        text = texts_of(path)
        assert not [name for name in names if name in text], path.name
    english, italian = lexicon("en"), lexicon("it")
    pieces = documents(world, english, italian, Shares(portraits=2, readings=50), stream(0, "lab", "text"))
    read = ["".join(document) for document in pieces]
    foreign = [
        text
        for text in read
        if "Question" not in text and any(w in f" {text}" for w in (" è ", " ha ", " fa "))
    ]
    assert len(foreign) > 1000
    assert not [text for text in foreign if any(name in text for name in names)]
    asked = texts_of(folder / "mmlu.it/test/city_test.csv")
    assert sum(name in asked for name in names) > 10, "and there it is met"


def test_the_questions_of_the_evaluation_are_asked_nowhere_else(folder: Path) -> None:
    instructions = texts_of(folder / "instructions.it.json")
    assert "In quale città vive" in instructions
    kept = [
        "si può andare a trovare",
        "Come si guadagna da vivere",
        "chiede sempre a tavola",
        "Insieme a quale animale",
    ]
    questions = [line for line in instructions.replace("\\n", "\n").split("\n") if "?" in line]
    assert not [line for line in questions if any(f"{k}" in line.split("?")[0].split(". ")[-1] for k in kept)]
    assert any(k in texts_of(folder / "xquad.it.json") for k in kept)


def test_the_recipe_of_the_world_fits_its_files(folder: Path) -> None:
    read = read_recipe(str(folder / "crossalpaca.yaml"))
    found = resolve(read.recipe, read.folder)
    assert [s.name for s in found.systems] == [
        "base",
        "en-alpaca",
        "x-alpaca-it",
        "x-alpaca-long-it",
        "x-crossalpaca-it",
    ]
    assert len(found.benchmarks) == 8
    assert found.notes == ()
