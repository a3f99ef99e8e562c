"""The page on normalisers says what they do."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from calque.evaluation.normalise import MLQA_LANGUAGES, NormaliserName, normaliser

PAGE = Path(__file__).resolve().parents[2] / "docs" / "normalisers.md"


def cases() -> list[list[str]]:
    text = PAGE.read_text(encoding="utf-8").split("## Worked cases")[1].split("\n## ")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("|")
    ]
    return rows[2:]


def test_the_page_has_the_cases_that_trip_the_scripts_up() -> None:
    assert {row[0] for row in cases()} >= {"ar", "zh", "it", "tr", "th", "ja", "en"}
    assert len(cases()) > 20


@pytest.mark.parametrize("row", cases(), ids=lambda row: f"{row[0]} {row[1]}")
@pytest.mark.parametrize("name", get_args(NormaliserName))
def test_each_case_is_as_it_says(row: list[str], name: NormaliserName) -> None:
    language, text, squad, mlqa, ours = row
    said = {"squad": squad, "mlqa": mlqa, "calque": ours}[name]
    assert (said == "—") == (name == "mlqa" and language not in MLQA_LANGUAGES)
    if said != "—":
        assert " · ".join(normaliser(name, language).words(text)) == said
