from __future__ import annotations

import pytest

from calque.errors import DataError, Problem, RecipeError, raise_all


def test_a_problem_names_place_and_remedy() -> None:
    assert str(Problem("is empty")) == "is empty"
    assert str(Problem("is empty", "a.json", 7)) == "a.json:7: is empty"
    assert (
        str(Problem("is empty", "a.json", None, "fetch it again")) == "a.json: is empty\n    fetch it again"
    )


def test_all_problems_are_raised_at_once_and_none_is_no_error() -> None:
    raise_all(RecipeError, [])
    with pytest.raises(RecipeError, match=r"^a: x\nb$") as caught:
        raise_all(RecipeError, [Problem("x", "a"), Problem("b")])
    assert len(caught.value.problems) == 2
    assert DataError("plain").problems == (Problem("plain"),)
