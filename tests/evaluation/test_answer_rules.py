"""Answers to words and measures, worked by hand; the letters of options; intervals."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calque.errors import DataError
from calque.evaluation.letters import parse
from calque.evaluation.metrics import f1, findable, match
from calque.evaluation.normalise import NormaliserName, normaliser, official
from calque.evaluation.statistics import mean_interval, paired_difference, stratified_interval


@pytest.mark.parametrize(
    ("rules", "language", "text", "words"),
    [
        ("squad", "en", "The U.S., an  ally", ["us", "ally"]),
        ("squad", "es", "El «año» 1998", ["el", "«año»", "1998"]),  # English rules, ASCII punctuation only
        ("mlqa", "en", "the “Theatre”", ["theatre"]),
        ("mlqa", "es", "Los «años» de la Guerra", ["años", "de", "guerra"]),
        ("mlqa", "de", "Das Haus des Königs", ["haus", "königs"]),
        ("mlqa", "ar", "الكتاب مثال، القديم", ["كتاب", "مث", "قديم"]),
        ("mlqa", "zh", "1998年，GDP增长。", ["1998", "年", "gdp", "增", "长"]),
        ("mlqa", "zh", "１９９８年", ["１９９８", "年"]),  # full-width digits stay in the official rules
        ("mlqa", "vi", "thành phố của Việt Nam", ["thành", "phố", "việt", "nam"]),
        ("mlqa", "hi", "नई दिल्ली।", ["नई", "दिल्ली"]),
        ("calque", "zh", "１９９８年", ["1998", "年"]),
        ("calque", "ar", "الكتاب مثال", ["كتاب", "مثال"]),
        ("calque", "ar", "١٩٩٨ أَحمد", ["1998", "احمد"]),
        ("calque", "it", "l'acqua dell’anno", ["acqua", "anno"]),
        ("calque", "fr", "L'eau de la ville", ["eau", "de", "ville"]),
        ("calque", "de", "Die STRASSE, Straße", ["strasse", "strasse"]),
        ("calque", "es", "1.000 y 3,5", ["1000", "y", "3.5"]),
        ("calque", "tr", "IŞIK İzmir", ["ışık", "izmir"]),
        ("calque", "en", "IN the U.S. Jean-Paul", ["in", "us", "jean", "paul"]),
        ("calque", "th", "ไทย 5", ["ไ", "ท", "ย", "5"]),
        ("calque", "en", "The", ["the"]),  # nothing but articles: they stay
        ("mlqa", "en", "The", []),
        ("calque", "en", "a \U000116d0", ["\U000116d0"]),  # newer than the interpreter
    ],
)
def test_words_by_hand(rules: NormaliserName, language: str, text: str, words: list[str]) -> None:
    assert list(normaliser(rules, language).words(text)) == words


def test_only_mlqas_own_languages_have_its_rules() -> None:
    assert (official("zh"), official("it")) == ("mlqa", "calque")
    with pytest.raises(DataError, match="no official rules for Italian"):
        normaliser("mlqa", "it")


def test_measures_by_hand_and_the_best_gold_counts() -> None:
    rules = normaliser("mlqa", "en")
    found = match("in the old town hall", ["castle", "town hall"], rules)
    # in old town hall / town hall: precision 2/4, recall 2/2.
    assert (found.exact_match, found.f1, found.containment) == (0.0, pytest.approx(2 / 3), 1.0)
    assert match("Town Hall!", ["castle", "the town hall"], rules).exact_match == 1.0
    assert match("townhall", ["town hall"], rules).containment == 0.0
    assert f1(("a", "a", "b"), ("a", "c")) == pytest.approx(0.4)  # one shared: 1/3 and 1/2
    assert (match("the", ["the"], rules).exact_match, match("the", ["the"], rules).f1) == (1.0, 0.0)
    assert findable("It is Rome.", ["rome"], rules)
    assert not findable("It is Rome.", ["Milan"], rules)


WORDS = st.lists(st.sampled_from("abcde"), max_size=6).map(tuple)


@settings(deadline=None)
@given(WORDS, WORDS)
def test_f1_is_symmetric_and_a_share(first: tuple[str, ...], second: tuple[str, ...]) -> None:
    assert f1(first, second) == pytest.approx(f1(second, first))
    assert 0 <= f1(first, second) <= 1
    assert f1(first, first) == (1.0 if first else 0.0)


@settings(deadline=None)
@given(st.sampled_from(["en", "zh", "ar", "it", "tr", "th"]), st.text(min_size=1).filter(str.strip))
def test_the_gold_itself_is_right_under_our_rules(language: str, gold: str) -> None:
    found = match(gold, [gold], normaliser("calque", language))
    assert (found.exact_match, found.containment) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("answer", "language", "letter"),
    [
        ("(B)", "en", "B"),
        ("b.", "en", "B"),
        ("Ｃ", "zh", "C"),
        ("答案是C。", "zh", "C"),
        ("الإجابة هي D", "ar", "D"),
        ("Rome", "en", "B"),
        ("B. Rome", "en", "B"),
        ("A good question: D", "en", "D"),  # an article is no answer
        ("BAD", "en", ""),
        ("E", "en", ""),
        ("", "en", ""),
    ],
)
def test_letters_by_hand(answer: str, language: str, letter: str) -> None:
    assert parse(answer, ["Paris", "Rome", "Bonn", "Oslo"], language) == letter


@settings(deadline=None, max_examples=40)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.integers(0, 99))
def test_an_interval_holds_its_mean_and_repeats(scores: list[float], seed: int) -> None:
    found = mean_interval(scores, seed)
    assert found.low <= found.value <= found.high
    assert found.value == pytest.approx(sum(scores) / len(scores))
    assert found == mean_interval(scores, seed)


def test_the_interval_of_a_share_is_as_wide_as_the_binomial_says() -> None:
    found = mean_interval([1.0] * 200 + [0.0] * 200, 1)  # sd of the mean: sqrt(0.25 / 400) = 0.025
    assert found.value == 0.5
    assert found.low == pytest.approx(0.5 - 1.96 * 0.025, abs=0.006)
    assert found.high == pytest.approx(0.5 + 1.96 * 0.025, abs=0.006)
    assert mean_interval([1.0] * 200 + [0.0] * 200, 2) != found


def test_strata_weigh_the_same_and_constant_strata_have_no_width() -> None:
    found = stratified_interval([[1.0], [0.0, 0.0, 0.0]], 1)
    assert (found.value, found.low, found.high) == (0.5, 0.5, 0.5)
    with pytest.raises(ValueError, match="no scores"):
        mean_interval([], 1)


def test_a_difference_is_taken_over_shared_items() -> None:
    found = paired_difference({"a": 1.0, "b": 1.0, "x": 0.0}, {"a": 0.0, "b": 1.0}, 1)
    assert (found.value, found.n, found.unpaired) == (0.5, 2, 1)
    assert found.low <= 0.5 <= found.high
    assert 0 < found.p <= 1
