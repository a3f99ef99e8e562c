"""What is drawn to be rated, and how it is told that nothing is."""

from __future__ import annotations

from pathlib import Path

import pytest

from calque.errors import UsageError
from calque.rating.pairs import Wanted, draw
from calque.rating.text import paragraphs
from calque.reports.folder import read_run


def test_languages_take_turns_and_the_draw_is_of_the_seed(run_folder: Path) -> None:
    run = read_run(run_folder)
    drawn = draw([run], Wanted(seed=3))
    assert [pair.language for pair in drawn] == ["it", "ar", "it", "ar", "it", "ar"]
    assert {pair.item for pair in drawn if pair.language == "it"} == {"o0", "o1", "o2"}, "o3 nobody answered"
    assert {(pair.first, pair.second) for pair in drawn if pair.language == "it"} == {
        ("alpaca-it", "cross-it")
    }
    assert drawn == draw([run], Wanted(seed=3))
    few = draw([run], Wanted(seed=3, items=1))
    assert few == drawn[:2], "more questions only add to what was drawn"
    assert len({draw([run], Wanted(seed=s, items=1))[0].item for s in range(9)}) > 1


def test_answers_that_are_the_same_need_no_rater(run_folder: Path) -> None:
    same = [pair for pair in draw([read_run(run_folder)], Wanted()) if pair.same]
    assert [(pair.language, pair.item) for pair in same] == [("it", "o1")]


def test_systems_may_be_named_and_pairs_of_several_runs_stay_apart(run_folder: Path) -> None:
    run = read_run(run_folder)
    named = draw([run], Wanted(comparisons=(("cross-it", "alpaca-it"),), languages=("it",)))
    assert {(pair.first, pair.second) for pair in named} == {("cross-it", "alpaca-it")}
    both = draw([run, run], Wanted())
    assert [pair.run for pair in both].count(0) == [pair.run for pair in both].count(1) == 6
    assert len({pair.id for pair in both}) == 12


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (
            Wanted(comparisons=(("alpaca", "cros"),)),
            r"no system 'cros'; there are: alpaca, cross, alpaca-ar, ",
        ),
        (Wanted(benchmarks=("xquad",)), "benchmark 'xquad' was not asked; there is: open"),
        (Wanted(languages=("de",)), "language 'de' was not asked; there is: ar, it"),
        (Wanted(comparisons=(("alpaca-it", "cross-ar"),)), "no two systems that wrote answers"),
    ],
)
def test_what_is_not_there_is_told(run_folder: Path, wanted: Wanted, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        draw([read_run(run_folder)], wanted)


def test_each_line_has_its_direction() -> None:
    arabic = "Python هي لغة\n\nreturn x + 1\n37"
    assert [way for way, _ in paragraphs(arabic, "ar")] == ["rtl", "rtl", "ltr", "rtl"]
    assert paragraphs("Drinking water is good!", "ar") == [("ltr", "Drinking water is good!")]
    assert paragraphs("La parola كتاب vuol dire libro\nمرحبا", "it") == [
        ("ltr", "La parola كتاب vuol dire libro"),
        ("rtl", "مرحبا"),
    ]
    assert paragraphs("1, 2", "qqq") == [("ltr", "1, 2")]
