from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from calque.reports.answers import draw_samples
from calque.reports.folder import read_run


def test_ten_questions_as_many_right_as_wrong_from_both_languages(make_run: Callable[..., Path]) -> None:
    samples = draw_samples(read_run(make_run()))
    assert len(samples) == 10
    assert {sample.language for sample in samples} == {"it", "ar"}
    right = [{who.name: a.correct for who, a in sample.answers}[sample.focus.name] for sample in samples]
    assert right.count(True) == 5
    verdicts = {(sample.language, verdict) for sample, verdict in zip(samples, right, strict=True)}
    assert len(verdicts) == 4, "of both languages there are right and wrong ones"
    assert {sample.focus.name for sample in samples} == {"cross-it", "cross-ar"}
    italian = next(sample for sample in samples if sample.language == "it")
    assert [who.name for who, _ in italian.answers] == ["base", "alpaca-it", "cross-it"]
    assert draw_samples(read_run(make_run("again"))) == samples


def test_where_none_is_right_wrong_ones_fill_up(make_run: Callable[..., Path]) -> None:
    samples = draw_samples(read_run(make_run(cross_it_it=0, cross_ar_ar=1)))
    assert len(samples) == 10
    assert sum(a.correct for s in samples for who, a in s.answers if who == s.focus) == 1


def test_open_questions_are_drawn_too(open_run: Path) -> None:
    samples = draw_samples(read_run(open_run))
    assert len(samples) == 10
    drawn = [sample for sample in samples if sample.benchmark == "open"]
    assert len(drawn) == 3, "by turns with Italian and Arabic"
    assert {sample.golds for sample in drawn} == {()}


def test_of_many_systems_those_of_the_comparison_stand_first(many_run: Path) -> None:
    sample = draw_samples(read_run(many_run))[0]
    assert [who.name for who, _ in sample.answers] == ["base", "method-01", "method-02"]
    assert [who.name for who, _ in sample.others] == [f"method-{k:02}" for k in range(3, 25)]
