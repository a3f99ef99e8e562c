"""Verdicts count in both orders alone; languages, lengths, failures and budgets are told apart; all worked out by hand."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from calque.engines import Completion, Failure, Sampling, Scores
from calque.engines.price import Price, Purse
from calque.engines.store import RequestStore
from calque.engines.stored import StoredEngine
from calque.evaluation.judge import Contest, Judged, Mode, judge
from calque.evaluation.judge_quality import Known, known_contests, quality
from calque.evaluation.verdicts import HowGood, Which, read_verdict
from calque.evaluation.win_rates import controlled, rates
from calque.prompts.judging import judge_languages, judge_wording
from calque.records import Conversation

GOOD = "Roma è la capitale d'Italia da molto tempo, e lo resta."
POOR = "Forse Milano, ma non lo so dire con certezza oggi."
ENGLISH = "Rome has been the capital of Italy for a very long time."


class Script:
    """A judge whose answer to a prompt is `say(a, b)`; of single ratings b is empty."""

    identity = "script"

    def __init__(self, say: Callable[[str, str], str | Failure], tokens: int = 10) -> None:
        self.say = say
        self.tokens = tokens
        self.asked: list[tuple[str, Sampling | None]] = []

    def rendered(self, conversation: Conversation) -> str:
        return conversation[-1].text

    def answers(
        self,
        conversations: Sequence[Conversation],
        *,
        max_new_tokens: int,
        sampling: Sampling | None = None,
    ) -> Iterator[tuple[int, Completion | Failure]]:
        assert max_new_tokens == 512
        for i, conversation in enumerate(conversations):
            self.asked.append((conversation[-1].text, sampling))
            found = re.findall(
                r"\[(?:Risposta|Answer)[^\]]*\]\n(.*?)\n\[(?:Fine|End)", conversation[-1].text, re.DOTALL
            )
            said = self.say(found[0], found[1] if len(found) > 1 else "")
            yield i, said if isinstance(said, Failure) else Completion(said, self.tokens, True, 100)

    def scores(
        self, conversations: Sequence[Conversation], choices: Sequence[Sequence[str]]
    ) -> Iterator[tuple[int, Scores | Failure]]:
        raise AssertionError((conversations, choices))

    def requests_for(self, choices: Sequence[str]) -> int:
        raise AssertionError(choices)


def verdict(said: str) -> str:
    return json.dumps({"reason": "so", "verdict": said})


def fair(a: str, b: str) -> str:
    return verdict("tie" if (a == GOOD) == (b == GOOD) else "A" if a == GOOD else "B")


def run(
    script: Script,
    path: Path,
    contests: Sequence[Contest],
    mode: Mode = "pairwise",
    purse: Purse | None = None,
) -> list[Judged]:
    with RequestStore(path / "requests.sqlite") as store:
        return judge(contests, StoredEngine(script, store, purse), judge_wording, mode=mode)


def contest(first: str, second: str, item: str = "1") -> Contest:
    return Contest(item, "Qual è la capitale d'Italia?", first, second, "it")


def test_a_verdict_counts_in_both_orders_and_one_that_turns_with_the_order_is_a_tie(tmp_path: Path) -> None:
    found = run(
        Script(fair), tmp_path / "a", [contest(POOR, GOOD), contest(GOOD, POOR), contest(POOR, POOR + " Sì.")]
    )
    assert [(j.winner, j.why, j.said) for j in found] == [
        ("second", "judged", ("second", "second")),
        ("first", "judged", ("first", "first")),
        ("tie", "judged", ("tie", "tie")),
    ]
    (always_a,) = run(Script(lambda _a, _b: verdict("A")), tmp_path / "b", [contest(POOR, GOOD)])
    assert (always_a.winner, always_a.why, always_a.said) == ("tie", "flipped", ("first", "second"))
    assert (always_a.tokens, always_a.prompt_tokens) == (20, 200)


def test_what_needs_no_judge_is_not_put_to_one(tmp_path: Path) -> None:
    script = Script(fair)
    pairs = [
        (GOOD, ENGLISH),
        (ENGLISH, POOR),
        (ENGLISH, ENGLISH + " Yes."),
        ("", POOR),
        (GOOD, " "),
        (GOOD, GOOD + " "),
    ]
    found = run(script, tmp_path, [contest(a, b) for a, b in pairs])
    assert [(j.winner, j.why) for j in found] == [
        ("first", "language"), ("second", "language"), ("tie", "language"),
        ("second", "empty"), ("first", "empty"), ("tie", "same"),
    ]  # fmt: skip
    assert script.asked == []
    told = rates(found, 0)
    assert told.wrong_language == (2, 2)
    assert told.counts == {"language": 3, "empty": 2, "same": 1}
    assert told.win_rate is not None
    assert told.win_rate.value == 0.5
    assert told.flips is None


def test_failures_are_asked_again_and_are_no_verdicts(tmp_path: Path) -> None:
    """The judge babbles at first: drawn answers are tried, and what stays without a verdict is asked in the next run."""
    script = Script(lambda a, b: fair(a, b) if len(script.asked) > 3 else "Answer B is better.")
    (found,) = run(script, tmp_path, [contest(POOR, GOOD)])
    assert (found.winner, len(script.asked)) == ("second", 5)
    assert [s.seed if s else None for _, s in script.asked] == [None, None, 1, 1, 2]
    silent = Script(lambda _a, _b: Failure("timeout"))
    babbling = Script(lambda _a, _b: '{"verdict": "C"}')
    for other, reason in ((silent, "timeout"), (babbling, "no_verdict")):
        found, again = run(other, tmp_path / reason, [contest(POOR, GOOD), contest(GOOD, POOR)])
        assert (found.winner, found.why, found.failure) == ("", "unjudged", reason)
        told = rates([found, again], 0)
        assert (told.n, told.decided, told.win_rate, told.failures) == (2, 0, None, {reason: 2})
    (found,) = run(Script(fair), tmp_path / "no_verdict", [contest(POOR, GOOD)])
    assert found.winner == "second"
    nothing = Script(lambda _a, _b: Failure("timeout"))
    (found,) = run(nothing, tmp_path / "no_verdict", [contest(POOR, GOOD)])
    assert (found.winner, nothing.asked) == ("second", [])


def test_answers_without_a_verdict_cost_what_they_cost(tmp_path: Path) -> None:
    babbling = Script(lambda _a, _b: "I cannot say.")
    (found,) = run(babbling, tmp_path / "requests", [contest(POOR, GOOD)])
    # Two orders, three tries each, of 10 tokens written and 100 read.
    assert (found.tokens, found.prompt_tokens) == (60, 600)
    assert found.failure == "no_verdict"


def test_a_budget_ends_it_before_it_is_passed(tmp_path: Path) -> None:
    """A request reads 100 tokens and writes 10: at 1 and 10 a million, 200 millionths, two of them for a contest.

    Of 0.05, the first portion is 5 requests (by their length and the room for an answer, 0.009 at most), then as the mean has it.
    """
    many = [contest(POOR + f" {i}", GOOD + f" {i}", str(i)) for i in range(400)]
    price = Price(1.0, 10.0)
    judge_of = Script(lambda _a, _b: verdict("A"))
    found = run(judge_of, tmp_path, many, purse=Purse("judge", price, 0.05))
    told = rates(found, 0, price)
    asked = len(judge_of.asked)
    assert 230 <= asked <= 250
    assert told.decided == asked // 2
    assert [j.failure for j in found].count("over_budget") == 400 - asked // 2
    assert asked * 200e-6 <= 0.05
    assert told.cost == pytest.approx(asked * 200e-6)
    whole = run(Script(lambda _a, _b: verdict("A")), tmp_path, many, purse=Purse("judge", price, 0.3))
    assert all(j.winner == "tie" for j in whole)
    assert rates(whole, 0, price).cost == pytest.approx(0.16)


def test_single_ratings(tmp_path: Path) -> None:
    script = Script(lambda a, _b: json.dumps({"reason": "", "rating": 9 if a == GOOD else 4}))
    found = run(
        script, tmp_path, [contest(POOR, GOOD), contest(GOOD, POOR), contest(POOR, POOR + " Sì.")], "single"
    )
    assert [(j.winner, j.ratings) for j in found] == [("second", (4, 9)), ("first", (9, 4)), ("tie", (4, 4))]
    assert len(script.asked) == 3  # three answers, each rated once
    assert rates(found, 0).ratings == (pytest.approx(17 / 3), pytest.approx(17 / 3))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('{"reason": "x", "verdict": "A"}', "A"),
        ('```json\n{"verdict": " b "}\n```', "B"),
        ('<think>{"verdict": "A"}? no {</think> {"reason": "a } brace", "verdict": "Tie"}', "tie"),
        ('{"verdict": "B"} {"rating": 3}', "B"),
        ('{"verdict": "C"}', None),
        ("B", None),
        ('{"verdict": "A"', None),
        ('["A"]', None),
        ("", None),
    ],
)
def test_verdicts_are_read_from_json_alone(text: str, wanted: str | None) -> None:
    if wanted is None:
        with pytest.raises(ValueError, match="no verdict"):
            read_verdict(text, Which)
    else:
        assert read_verdict(text, Which).verdict == wanted


@pytest.mark.parametrize("rating", ["0", "11", "5.5", '"7"', "true"])
def test_ratings_are_whole_numbers_from_1_to_10(rating: str) -> None:
    assert read_verdict('{"rating": 10}', HowGood).rating == 10
    with pytest.raises(ValueError, match="no verdict"):
        read_verdict(f'{{"rating": {rating}}}', HowGood)


def judged(winner: str, item: str, first: int, second: int, said: tuple[str, ...] = ()) -> Judged:
    why = "flipped" if len(set(said)) > 1 else "judged"
    return Judged(Contest(item, "?", "a" * first, "b" * second, "it"), winner, why, said)  # type: ignore[arg-type]


def test_rates_flips_and_lengths() -> None:
    found = [
        judged("second", "1", 10, 30, ("second", "second")),
        judged("second", "2", 10, 30, ("second", "second")),
        judged("first", "3", 30, 10, ("first", "first")),
        judged("tie", "4", 10, 10, ("first", "second")),
        judged("tie", "5", 10, 10, ("second", "tie")),
    ]
    told = rates(found, 0)
    assert told.win_rate is not None
    assert told.win_rate.value == pytest.approx(0.6)
    assert (told.flips, told.first_shown) == (pytest.approx(0.4), pytest.approx(0.2))
    assert told.lengths == (pytest.approx(14.0), pytest.approx(18.0))
    assert told.controlled is None  # too few


def test_a_system_that_wins_by_length_alone_is_even_at_equal_length() -> None:
    """The longer answer wins 80%, and the second system's is longer three times of four: 65% as it is, 50% at equal length."""
    longer = [20.0] * 75 + [-20.0] * 25
    shares = [1.0] * 60 + [0.0] * 15 + [1.0] * 5 + [0.0] * 20
    found = controlled(shares, longer, 0)
    assert found is not None
    assert found.low <= found.value <= found.high
    assert found.value == pytest.approx(0.5, abs=0.001)
    even = controlled([1.0, 1.0, 1.0, 0.0] * 25, [20.0] * 50 + [-20.0] * 50, 0)
    assert even is not None
    assert even.value == pytest.approx(0.75, abs=0.02)
    assert controlled([1.0] * 20, [0.0] * 20, 0) is None
    sweep = controlled([1.0] * 20, [1.0, -1.0] * 10, 0)
    assert sweep is not None
    assert 0.97 < sweep.value <= 1.0
    assert all(math.isfinite(v) for v in (sweep.low, sweep.high))


def test_a_judge_is_measured_on_known_answers_and_one_that_cannot_tell_is_not_usable(tmp_path: Path) -> None:
    known = [
        Known(
            str(i), f"Domanda {i}?", f"La risposta giusta è il numero {i} e null'altro.", "it", f"Number {i}."
        )
        for i in range(6)
    ]
    made = list(known_contests(known, 0))
    kinds, contests = [kind for kind, _ in made], [c for _, c in made]
    assert {k: kinds.count(k) for k in kinds} == {"shuffled": 6, "other_language": 6, "cut": 6}
    assert all(c.second in {k.answer for k in known} and c.first != c.second for c in contests)

    def knows(a: str, b: str) -> str:
        """Sees cut and foreign answers, and takes any whole Italian answer for right."""
        right = [text.startswith("La") and text.endswith(".") for text in (a, b)]
        return verdict("tie" if right[0] == right[1] else "A" if right[0] else "B")

    with RequestStore(tmp_path / "requests.sqlite") as store:
        engine = StoredEngine(Script(knows), store)
        found = judge(contests, engine, judge_wording, ask_all=True)
    told = quality(kinds, found, 0, 0.8)
    assert {kind: row["right"] for kind, row in told["kinds"].items()} == {
        "shuffled": 0.0,
        "other_language": 1.0,
        "cut": 1.0,
    }
    assert told["usable"] is False
    perfect = [Judged(c, "second", "judged") for c in contests]
    assert quality(kinds, perfect, 0, 0.8)["usable"] is True


def test_every_wording_has_its_places_and_asks_for_the_same_json() -> None:
    assert {"de", "en", "es", "fr", "it", "zh"} <= set(judge_languages())
    for code in judge_languages():
        wording = judge_wording(code)
        for template, names in (
            (wording.pairwise, ("question", "a", "b")),
            (wording.single, ("question", "a")),
        ):
            assert all(template.count("{" + name + "}") == 1 for name in names)
        assert '{"reason": "...", "verdict": "..."}' in wording.pairwise
        assert '{"reason": "...", "rating": 0}' in wording.single
        (message,) = wording.which("Q {a}", "one {b}", "two {question}", "it")
        assert "Q {a}" in message.text
        assert "one {b}" in message.text
        assert message.text.index("one {b}") < message.text.index("two {question}")
    assert judge_wording("sw").language == "en"
    assert "Swahili" in judge_wording("sw").how_good("?", "!", "sw")[0].text
