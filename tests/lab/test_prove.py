"""Experiments: their form, what is measured of hand-made runs, the rows and the page made of them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calque.corpora.writing import write_json, write_jsonl
from calque.errors import RecipeError, RunError, UsageError
from calque.lab.files import world_of
from calque.lab.lexicon import lexicon
from calque.lab.prove.carry_out import carry_out, languages_of, recipe_of
from calque.lab.prove.claims import findings_of, results_of
from calque.lab.prove.contamination import contamination
from calque.lab.prove.experiment import Experiment, experiment, experiments, parse
from calque.lab.prove.measure import Key, Results, read_results
from calque.lab.prove.outcome import Proved, efforts_of, write_outcome
from calque.lab.prove.page import Section, _forest
from calque.lab.prove.prove import prove
from calque.lab.sets import evaluation_sets
from calque.lab.truth import Truth

TEXT = """\
name: small
title: A small experiment
about: Two systems.
tuned: [nothing]
seeds: {reported: [0, 1], development: [9]}
recipe:
  model: {path: base, template: plain}
  sources: {instructions: "instructions.{language}.json"}
  demonstrate: {x-instructions: {view: instruction}}
  systems:
    one: {mix: {x-instructions: 20}}
    two: {mix: {x-instructions: 40}, scored_in: [x, en]}
  tuning: {method: full, epochs: 1, examples_per_step: 8}
  evaluate: {languages: [x], limit: 4, xquad: "xquad.{language}.json", open: "open.{language}.jsonl"}
families: {reading: [xquad], writing: [open/notes]}
shown: [one, two]
figures:
  - title: More rows
    axis: rows
    families: [reading]
    lines: [{name: ours, places: {"20": one, "40": two}}]
    paper: {reading: {few: 0.3, many: 0.6}}
    paper_place: table 1
claims:
  - says: More rows are <b>better</b>
    paper: so it says
    family: reading
    method: two
    as_share: true
    against: {as in the paper: one}
  - says: They are better at writing
    family: writing
    method: two
    against: {as in the paper: one}
"""
WORLD = world_of(seed=0)
SETS = evaluation_sets(WORLD)
TRUTHS = {"x": Truth(WORLD, SETS, ("it", "en")), "en": Truth(WORLD, SETS, ("en", "it"))}
READING, NOTES = list(SETS["xquad"])[:10], [i for i in SETS["open"] if i.startswith("notes")][:4]


def answers(
    folder: Path, system: str, benchmark: str, asked: str, given: dict[str, tuple[str, float]]
) -> None:
    """What an evaluation step leaves: answers by id, with what the benchmark's own metric gave them."""
    rows = [
        {
            "id": i,
            "group": i.split("-")[0] if benchmark == "open" else "t",
            "answer": text,
            "metrics": {"exact_match": score},
        }
        for i, (text, score) in given.items()
    ]
    write_jsonl(folder / "steps" / f"evaluate-{system}-{benchmark}-{asked}" / "answers.jsonl", rows)


def right(benchmark: str, item: str, language: str = "it") -> str:
    return SETS[benchmark][item].answer(lexicon(language))


@pytest.fixture
def runs(tmp_path: Path) -> dict[int, Path]:
    """Two seeds. Of ten questions system one gets 3 and 4 right, two 8 and 9; two answers one in English; and so on."""
    found = {}
    for seed in (0, 1):
        folder = found[seed] = tmp_path / f"seed-{seed}"
        for system, count in (("one", 3 + seed), ("two", 8 + seed)):
            given = {
                i: (right("xquad", i) if n < count else "?", float(n < count)) for n, i in enumerate(READING)
            }
            if system == "two":
                given[READING[-1]] = (
                    (right("xquad", READING[-1], "en"), 0.0) if seed == 0 else given[READING[-1]]
                )
            answers(folder, f"{system}-it", "xquad", "it", given)
            notes = {i: (right("open", i, "en" if system == "one" else "it"), 1.0) for i in NOTES}
            answers(folder, f"{system}-it", "open", "it", notes)
        answers(folder, "two-it", "xquad", "en", {i: (right("xquad", i, "en"), 1.0) for i in READING})
        tuned = {"name": "tune-two-it", "kind": "tune", "counts": {"steps": 5 + seed, "trained_tokens": 100}}
        write_json(folder / "manifest.json", {"steps": [tuned]})
    return found


@pytest.fixture
def results(runs: dict[int, Path]) -> Results:
    return read_results(parse("small", TEXT), "it", runs, TRUTHS)


def test_answers_become_tables_of_seeds_and_items(results: Results) -> None:
    one, two = Key("one", "x"), Key("two", "x")
    assert results.table(one, "reading").tolist() == [[1.0] * 3 + [0.0] * 7, [1.0] * 4 + [0.0] * 6]
    assert results.table(two, "reading").mean(axis=1).tolist() == [0.8, 0.9]
    assert results.table(two, "reading", measure="fact").mean(axis=1).tolist() == [0.9, 0.9]
    assert results.table(one, "reading", measure="language").mean(axis=1).tolist() == pytest.approx(
        [0.3, 0.4]
    )
    covered = [TRUTHS["x"].covered("xquad", i) for i in READING]
    assert results.table(two, "reading", "covered").shape == (2, sum(covered))
    assert results.table(two, "reading", "uncovered").shape == (2, 10 - sum(covered))


def test_a_system_may_be_asked_in_several_ways(runs: dict[int, Path]) -> None:
    for folder in runs.values():
        answers(folder, "two-it@chat", "xquad", "it", dict.fromkeys(READING, ("?", 0.0)))
    text = TEXT.replace(
        "two: {mix: {x-instructions: 40},", "two: {mix: {x-instructions: 40}, answers: [direct, chat],"
    )
    made = parse("small", text.replace("method: two", "method: two@chat", 1))
    assert made.asked == ["one", "two", "two@chat"]
    found = read_results(made, "it", runs, TRUTHS)
    assert found.table(Key("two@chat", "x"), "reading").mean() == 0
    first, *_ = findings_of([found])
    assert (first.method, first.effect) == ("two@chat", pytest.approx(-0.35))


VARIANTS = """\
variants:
  fewer:
    systems: {one: null, two: {mix: {x-instructions: 10}}}
    languages: [<x>, <y>]
    demonstrate: {}
"""


def test_a_variant_is_the_recipe_with_changes(runs: dict[int, Path]) -> None:
    made = parse("small", TEXT.replace("shown: [one, two]", VARIANTS + "shown: [one, two, fewer/two]"))
    assert made.asked == ["one", "two", "fewer/two"]
    given = recipe_of(made, "it", 3, development=True, variant="fewer")
    assert given["systems"] == {"two": {"mix": {"x-instructions": 10}, "scored_in": ["x", "en"]}}
    assert (given["languages"], given["demonstrate"], given["seed"]) == (["it", "es"], {}, 3)
    assert given["evaluate"]["xquad"] == "development/xquad.{language}.json"
    main = recipe_of(made, "it", 3, development=False)
    assert (main["systems"]["one"], main["languages"]) == ({"mix": {"x-instructions": 20}}, ["it"])
    assert (languages_of(made, "it"), languages_of(made, "es")) == (["it", "es"], ["es", "de"])
    for seed, folder in runs.items():
        other = folder.parent / "fewer" / folder.name
        answers(other, "two-it", "xquad", "it", {i: ("?", float(n < 6)) for n, i in enumerate(READING)})
        tuned = {
            "name": "tune-two-it",
            "kind": "tune",
            "counts": {"steps": 2 + 2 * seed, "trained_tokens": 9},
        }
        write_json(other / "manifest.json", {"steps": [tuned]})
    found = read_results(made, "it", runs, TRUTHS)
    assert found.table(Key("fewer/two", "x"), "reading").mean() == pytest.approx(0.6)
    assert efforts_of(list(runs.values()), "it", ["fewer"])["fewer/two"] == (3, 9)


def test_a_variant_waits_for_the_run_of_its_seed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, world_folder: Path
) -> None:
    made = parse("small", TEXT.replace("shown:", VARIANTS + "shown:"))
    begun: list[tuple[str, str]] = []

    def popen(words: list[str], **_: Any) -> subprocess.Popen[bytes]:
        out = next(word for word in words if word.startswith("out="))
        begun.append((Path(out).relative_to(f"out={tmp_path}").as_posix(), words[-1]))
        return real([sys.executable, "-c", "pass"])

    real = subprocess.Popen
    monkeypatch.setattr("calque.lab.prove.carry_out.subprocess.Popen", popen)
    found = carry_out(made, "it", [0, 1], world=tmp_path, out=tmp_path, jobs=4, tell=lambda _: None)
    assert found == {seed: tmp_path / f"seed-{seed}" for seed in (0, 1)}
    assert {name for name, _ in begun[:2]} == {"seed-0", "seed-1"}
    assert sorted(begun[2:]) == [(f"fewer/seed-{n}", f"reuse={tmp_path}/seed-{n}") for n in (0, 1)]


def test_baselines_may_be_measured_by_another_family(runs: dict[int, Path]) -> None:
    """The first four questions on a text against the four notes, item by item."""
    text = TEXT.replace("    family: reading\n", "    family: reading\n    against_family: writing\n", 1)
    made = parse("small", text.replace("reading: [xquad]", "reading: [xquad/u]"))
    for folder in runs.values():
        path = folder / "steps/evaluate-two-it-xquad-it/answers.jsonl"
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        write_jsonl(path, ({**row, "group": "u" if n < 4 else "t"} for n, row in enumerate(rows)))
    first, *_ = findings_of([read_results(made, "it", runs, TRUTHS)])
    assert (first.method_value, first.baseline_value, first.items) == (1.0, 0.0, 4)
    assert first.kept is None, "there is no share of nothing"


def test_selections_are_compared_by_what_they_kept(runs: dict[int, Path], tmp_path: Path) -> None:
    text = TEXT.replace("reading: [xquad]", "reading: [xquad], sound: [selection/sound]")
    text = text.replace(
        "demonstrate: {", "demonstrate: {best: {view: selected}, any: {view: selected, by: random}, "
    )
    claim = "  - {says: s, family: sound, method: best, against: {at random: any}}\n"
    made = parse("small", text.replace("shown: [one, two]", "shown: [one, two, best]") + claim)
    made.recipe["sources"].clear()
    assert made.selections == ["best", "any"]
    shares = {
        "best": {"sound": [np.array([1.0, 0.6]), np.array([0.9, 0.7])]},
        "any": {"sound": [np.array([0.5, 0.5]), np.array([0.6, 0.4])]},
    }
    read = read_results(parse("small", TEXT), "it", runs, TRUTHS)
    results = Results(made, "it", read.answers, shares)
    *_, found = findings_of([results])
    assert (found.method_value, found.baseline_value) == pytest.approx((0.8, 0.5))
    assert (found.seeds, found.items, found.says) == (2, 2, "s")
    rows = {(r.system, r.family, r.split, r.measure) for r in results_of([results]) if r.family == "sound"}
    assert rows == {(name, "sound", "all", "score") for name in ("best", "any")}
    write_json(
        tmp_path / "world/base/gates.json",
        {"seed": 0, "people": 300, "recall": 1.0, "copying": 0.9, "choosing": 0.5},
    )
    page = write_outcome([Proved(made, [results], {})], tmp_path, "x", {"it": "none"}, development=False)
    text = page.read_text(encoding="utf-8")
    assert "best 80.0, any 50.0" in text
    assert "Values that the instructions cover" not in text, "there are none"


@pytest.mark.parametrize("sources", ["[selection/soud]", "[selection/sound, xquad]"])
def test_a_family_of_selections_is_of_one_share(sources: str) -> None:
    text = TEXT.replace("reading: [xquad]", f"reading: {sources}")
    with pytest.raises(
        RecipeError, match=r"family 'reading' is of one share, of: selection/sound, selection/rec"
    ):
        parse("small", text)


def test_an_open_answer_counts_if_it_is_true_and_in_the_language_asked_for(results: Results) -> None:
    assert results.table(Key("two", "x"), "writing").tolist() == [[1.0] * 4] * 2
    assert results.table(Key("one", "x"), "writing").tolist() == [[0.0] * 4] * 2
    assert results.table(Key("one", "x"), "writing", measure="fact").tolist() == [[1.0] * 4] * 2
    assert results.languages_of(Key("one", "x"), "writing") == {"en": 1.0}


def test_a_claim_is_shown_where_its_interval_lies_above_nought(results: Results) -> None:
    reading, writing = findings_of([results])
    assert (reading.method_value, reading.baseline_value, reading.seeds, reading.items) == (0.85, 0.35, 2, 10)
    assert reading.effect == pytest.approx(0.5)
    assert (writing.effect, writing.low, writing.verdict, writing.p) == (1.0, 1.0, "shown", 0.0)
    assert reading.verdict == ("shown" if reading.low > 0 else "not shown")
    assert reading.p_corrected == pytest.approx(reading.p)  # the larger of two, so corrected for one
    assert reading.says == "More rows are <b>better</b>"
    assert reading.kept == pytest.approx(0.85 / 0.35)
    assert writing.kept is None


def test_rows_say_what_was_measured(results: Results) -> None:
    rows = {(r.system, r.asked, r.family, r.split, r.measure): r for r in results_of([results])}
    found = rows["two", "x", "reading", "all", "score"]
    assert (found.value, found.seeds, found.items, found.language) == (pytest.approx(0.85), 2, 10, "it")
    assert rows["two", "en", "reading", "all", "score"].value == 1.0
    assert ("one", "en", "reading", "all", "score") not in rows
    assert {r.language for r in results_of([results, results])} == {"it", "mean"}


def test_a_claim_without_anything_measured_is_no_line_less(runs: dict[int, Path]) -> None:
    """`one` was never asked in English."""
    made = parse("small", TEXT.replace("    family: writing\n", "    family: reading\n    asked: en\n", 1))
    with pytest.raises(RunError, match=r"claim 2 of small \(as in the paper, in it\) has nothing to go by"):
        list(findings_of([read_results(made, "it", runs, TRUTHS)]))


def test_seeds_that_were_not_asked_the_same_are_refused(runs: dict[int, Path]) -> None:
    answers(runs[1], "one-it", "xquad", "it", {READING[0]: ("x", 0.0)})
    with pytest.raises(RunError, match="one was not asked the same by every seed"):
        read_results(parse("small", TEXT), "it", runs, TRUTHS)


def test_the_page_stands_alone_and_every_figure_names_its_row(
    results: Results, runs: dict[int, Path], tmp_path: Path
) -> None:
    made = parse("small", TEXT)
    write_json(
        tmp_path / "world/base/gates.json",
        {"seed": 0, "people": 300, "recall": 1.0, "copying": 0.9, "choosing": 0.5},
    )
    proved = Proved(made, [results], {"it": efforts_of(list(runs.values()), "it")})
    page = write_outcome([proved], tmp_path, "calque lab prove", {"it": "none"}, development=False)
    text = page.read_text(encoding="utf-8")
    assert "More rows are &lt;b&gt;better&lt;/b&gt;" in text
    assert not re.search(r'(src|href)="(?!#)', text)
    rows = {
        name: [json.loads(x) for x in (tmp_path / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]
        for name in ("results", "claims")
    }
    cited = re.findall(r'title="(results|claims)\.jsonl, row (\d+)">([^<]+)', text)
    assert len(cited) > 20
    for name, row, shown in cited:
        value = rows[name][int(row) - 1]["value" if name == "results" else "effect"]
        assert shown.strip().replace("−", "-").lstrip("+") == f"{100 * value:.1f}", (name, row)
    assert "one 35.0; 242.9% of it kept [" in text
    assert "Development." not in text
    assert "Values that the instructions cover" in text
    assert 'title="efforts.jsonl, row 1">6<' in text, "5.5 steps, the mean of two seeds"


def test_the_axis_of_effects_holds_the_widest_interval(results: Results) -> None:
    finding, experiment_ = next(iter(findings_of([results]))), parse("small", TEXT)
    wide, narrow = replace(finding, low=0.1, effect=0.5, high=0.8), replace(finding, low=-0.1, high=0.2)
    section = Section(experiment_, "it", [(1, wide), (2, narrow)], [], [])
    assert section.reach == 0.8
    assert Section(experiment_, "it", [(2, narrow)], [], []).reach == 0.4
    assert Section(experiment_, "it", [], [], []).reach == 0.4
    drawn = _forest(wide, section.reach)
    assert 'x1="56.2%" x2="100.0%"' in drawn  # 50 + 50 * .1/.8, 50 + 50 * .8/.8


def test_nothing_that_is_asked_stood_in_what_was_learnt_from(world_folder: Path) -> None:
    for language in ("it", "zh"):
        found = contamination(world_folder, language, SETS)
        assert (found.people_met, found.questions_met) == (0, 0)
        assert found.people > 120
        assert found.questions > 600


def test_what_was_met_in_learning_is_found(world_folder: Path, tmp_path: Path) -> None:
    words = lexicon("it")
    task = SETS["open"]["recall-0000"]
    rows = [{"instruction": task.question(words), "input": "", "output": "x"}]
    write_json(tmp_path / "instructions.it.json", rows)
    (tmp_path / "translations.en-it.tsv").write_text("a\tb\n", encoding="utf-8")
    found = contamination(tmp_path, "it", SETS)
    assert (found.people_met, found.questions_met) == (1, 1)
    assert str(found).startswith("1 of the ")


def test_names_in_an_experiment_must_fit() -> None:
    wrong = TEXT.replace("method: two", "method: too", 1).replace("families: [reading]", "families: [readin]")
    with pytest.raises(
        RecipeError, match=r"no system 'too' \(did you mean 'two'\?\).*no family 'readin' \(did you mean"
    ):
        parse("small", wrong)
    with pytest.raises(RecipeError, match="not valid YAML"):
        parse("small", "a: [")
    with pytest.raises(UsageError, match="no experiment 'crossalpacca'"):
        experiment("crossalpacca")


@pytest.mark.parametrize("name", experiments())
def test_packaged_experiments_are_whole(name: str, world_folder: Path) -> None:
    """Every recipe reads and finds its files, in both splits."""
    from calque.recipes.reading import read_recipe
    from calque.recipes.resolve import resolve

    made = experiment(name)
    assert set(made.seeds.reported).isdisjoint(made.seeds.development)
    assert len(made.seeds.reported) >= 5
    for variant, development in product(("", *made.variants), (False, True)):
        path = world_folder / f"{name}-check.yaml"
        write_json(path, recipe_of(made, "it", 0, development=development, variant=variant))  # JSON is YAML
        read = read_recipe(str(path))
        found = resolve(read.recipe, read.folder)
        path.unlink()
        held = {
            file.parent.name == "development" for b in found.benchmarks for file in b.files if file.is_file()
        }
        assert held == {development}
        assert not [note for note in found.notes if "left out" in note]


def test_a_run_that_fails_is_told_with_its_last_words(world_folder: Path, tmp_path: Path) -> None:
    made = parse("small", TEXT.replace("path: base", "path: nowhere"))
    with pytest.raises(RunError, match=r"(?s)the run of seed 0 failed.*nowhere"):
        carry_out(made, "it", [0], world=world_folder, out=tmp_path / "out", jobs=1, tell=lambda _: None)


@pytest.mark.slow
def test_an_experiment_from_beginning_to_end(tmp_path: Path) -> None:
    made: Experiment = parse("small", TEXT.replace("limit: 4", "limit: 40"))  # two of them ask for notes
    told: list[str] = []
    options: dict[str, Any] = {"jobs": 2, "command": "test", "tell": told.append}
    page = prove([made], ["it"], tmp_path / "out", **options)
    first = page.read_bytes()
    assert (
        json.loads((tmp_path / "out/claims.jsonl").read_text(encoding="utf-8").splitlines()[0])["seeds"] == 2
    )
    assert [line for line in told if "is done" in line]
    assert prove([made], ["it"], tmp_path / "out", **options).read_bytes() == first
