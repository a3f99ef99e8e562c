from __future__ import annotations

import math
from pathlib import Path

import pytest

from calque.reports.consistency import consistency
from calque.reports.folder import read_run
from calque.reports.page import render


def test_agreement_beyond_chance_by_hand(run_folder: Path) -> None:
    """cross-it: 30 of 40 right in English, 36 in Italian, the 30 among them.

    Same verdict: 34/40 = 0.85. By chance 0.75 × 0.9 + 0.25 × 0.1 = 0.7; so kappa = 0.15 / 0.3 = 0.5.
    """
    run = read_run(run_folder)
    found = {(row.system.name, row.languages): row for row in consistency(run)}
    row = found["cross-it", ("en", "it")]
    assert (row.n, row.both, row.only_first, row.only_second) == (40, 0.75, 0.0, 0.15)
    assert row.same == pytest.approx(0.85)
    assert row.kappa == pytest.approx(0.5)
    assert 0.0 < row.low < 0.5 < row.high <= 1.0
    assert math.isnan(found["base", ("en", "it")].kappa)  # nothing right in Italian
    assert not [names for names in found if names[0] == "cross-ar"]  # asked in Arabic alone
    page = render([run])
    assert "The same questions in two languages" in page
    assert "0.50<small>[" in page
