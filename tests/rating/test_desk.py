"""Who is shown what, on which side; what is kept of it, and that nothing of it is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from calque.errors import RunError
from calque.rating.desk import Desk
from calque.rating.pairs import Pair, Wanted, draw
from calque.rating.store import Store
from calque.reports.folder import read_run
from calque.reports.ratings import RATINGS, standing
from calque.reports.run import Answer


def rows(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / RATINGS).read_text("utf-8").splitlines()]


def made(run_folder: Path, store: Store, seed: int = 0) -> Desk:
    return Desk(
        draw([read_run(run_folder)], Wanted(seed=seed)), [store], seed, clock=iter(range(0, 999, 5)).__next__
    )


def test_left_and_right_are_turned_back_into_systems(run_folder: Path) -> None:
    with closing(Store(run_folder)) as store:
        desk = made(run_folder, store)
        for _ in range(5):
            shown = desk.next("Ana", ["ar", "it"])
            assert shown is not None
            left_is_first = shown.left == shown.pair.texts[0]
            assert desk.judge("Ana", shown.pair.id, "left")
            (kept,) = [r for r in rows(run_folder) if (r["item"], r["language"], r["rater"]) ==
                       (shown.pair.item, shown.pair.language, "Ana")]  # fmt: skip
            assert kept["verdict"] == kept["left"] == ("first" if left_is_first else "second")
            assert kept["seconds"] == 5.0
        assert desk.next("Ana", ["ar", "it"]) is None
        assert desk.rated_by("Ana") == 5


def test_sides_are_drawn_for_each_rater_and_pair() -> None:
    nothing = Answer("x", "", "?", (), "", True, True, {})
    pairs = [Pair(0, "open", "it", f"o{i}", "a", "b", nothing, ("l", "r"), f"{i}") for i in range(400)]

    def lefts(rater: str, seed: int = 0) -> list[bool]:
        desk = Desk(pairs, [], seed)
        return [desk._first_is_left(pair, rater) for pair in pairs]

    assert 160 < sum(lefts("Ana")) < 240, "an even coin falls outside once in 15,000 times; the seed is fixed"
    assert lefts("Ana") == lefts("Ana")
    agree = sum(a == b for a, b in zip(lefts("Ana"), lefts("Ben"), strict=True))
    assert 160 < agree < 240
    assert lefts("Ana") != lefts("Ana", seed=1)


def test_raters_do_not_see_one_another_and_only_what_they_read(run_folder: Path) -> None:
    with closing(Store(run_folder)) as store:
        desk = made(run_folder, store)
        first = desk.next("Ana", ["ar"])
        assert first is not None
        assert (first.pair.language, first.done, first.total) == ("ar", 0, 3)
        desk.judge("Ana", first.pair.id, "tie")
        again, other = desk.next("Ana", ["ar"]), desk.next("Ben", ["ar"])
        assert again is not None
        assert other is not None
        assert (again.done, other.done) == (1, 0)
        assert other.pair == first.pair, "all are shown the pairs in one order"
        assert desk.next("Ana", []) is None


def test_undo_takes_back_the_last_one_only(run_folder: Path) -> None:
    with closing(Store(run_folder)) as store:
        desk = made(run_folder, store)
        assert not desk.undo("Ana")
        seen = []
        for side in ("tie", "both_bad"):
            shown = desk.next("Ana", ["it"])
            assert shown is not None
            desk.judge("Ana", shown.pair.id, side)
            seen.append(shown.pair)
        assert desk.undo("Ana")
        shown = desk.next("Ana", ["it"])
        assert shown is not None
        assert shown.pair == seen[1]
        assert sorted(str(r["verdict"]) for r in rows(run_folder)) == ["same", "tie"]


def test_a_second_verdict_on_a_pair_is_a_change_of_mind(run_folder: Path) -> None:
    with closing(Store(run_folder)) as store:
        desk = made(run_folder, store)
        shown = desk.next("Ana", ["it"])
        assert shown is not None
        assert desk.judge("Ana", shown.pair.id, "tie")
        assert desk.judge("Ana", shown.pair.id, "both_bad")
        assert [r["verdict"] for r in rows(run_folder) if r["rater"]] == ["both_bad"]
        assert not desk.judge("Ana", "0-0123456789abcdef", "tie")
        assert not desk.judge("Ana", shown.pair.id, "first")
        assert len(rows(run_folder)) == 2, "that one, and the pair that is the same"


def test_a_name_is_the_same_however_it_is_typed(run_folder: Path) -> None:
    with closing(Store(run_folder)) as store:
        desk = made(run_folder, store)
        assert desk.name_of("  Ana \t María\n") == "Ana María"
        shown = desk.next("Ana María", ["it"])
        assert shown is not None
        desk.judge("Ana María", shown.pair.id, "tie")
        assert desk.name_of("ANA maría") == "Ana María"
        assert desk.name_of(" \n") == ""
        assert len(desk.name_of("a" * 999)) == 60


def test_ratings_of_answers_that_changed_are_set_apart(run_folder: Path) -> None:
    with closing(Store(run_folder)) as store:
        desk = made(run_folder, store)
        for side in ("left", "tie"):
            shown = desk.next("Ana", ["it"])
            assert shown is not None
            desk.judge("Ana", shown.pair.id, side)
    found, gone = standing(read_run(run_folder))
    assert (len(found), gone) == (3, 0), "two ratings, and the pair that is the same"
    answers = run_folder / "steps" / "evaluate-cross-it-open-it" / "answers.jsonl"
    answers.write_text(
        answers.read_text("utf-8").replace("Un assistente.", "Un'assistente."), encoding="utf-8"
    )
    found, gone = standing(read_run(run_folder))
    assert (len(found), gone) == (2, 1)
    with closing(Store(run_folder)) as store:
        shown = made(run_folder, store).next("Ana", ["it"])
        assert shown is not None
        assert shown.pair.item == "o2", "it is asked anew"


KILLED = """
import os, signal, sys
from pathlib import Path
from calque.rating.desk import Desk
from calque.rating.pairs import Wanted, draw
from calque.rating.store import Store
from calque.reports.folder import read_run
folder = Path(sys.argv[1])
store = Store(folder)
desk = Desk(draw([read_run(folder)], Wanted()), [store], 0)
for _ in range(3):
    desk.judge("Ana", desk.next("Ana", ["ar", "it"]).pair.id, "tie")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_was_rated_survives_a_kill(run_folder: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, run_folder], env=dict(os.environ), check=False)
    assert done.returncode == -signal.SIGKILL
    (run_folder / RATINGS).unlink()
    with closing(Store(run_folder)) as store:
        shown = made(run_folder, store).next("Ana", ["ar", "it"])
        assert shown is not None
        assert (shown.done, shown.total) == (3, 5)
        assert sum(r["rater"] == "Ana" for r in rows(run_folder)) == 3


def test_a_store_that_is_none_is_told(run_folder: Path) -> None:
    (run_folder / "ratings.sqlite").write_text(
        "no database at all, but a text that is long enough to be one" * 9
    )
    with pytest.raises(RunError, match=r"ratings\.sqlite: cannot be used as the store of ratings"):
        Store(run_folder)


def test_a_row_of_another_form_is_told_with_its_line(run_folder: Path) -> None:
    row = {
        "benchmark": "open",
        "language": "it",
        "item": "o0",
        "first": "a",
        "second": "b",
        "answers": "",
        "rater": "A",
    }
    (run_folder / RATINGS).write_text(
        json.dumps({**row, "verdict": "tie"}) + "\n" + json.dumps({**row, "verdict": "A"})
    )
    with pytest.raises(RunError, match=r"ratings\.jsonl:2: .*verdict 'A' is none of first, second"):
        read_run(run_folder)
