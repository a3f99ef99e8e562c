from __future__ import annotations

import math

from calque.reports import numbers
from calque.reports.compare import Difference


def test_figures_as_they_are_written() -> None:
    assert numbers.percent(0.6404) == "64.0"
    assert numbers.percent(-0.05) == "−5.0"
    assert numbers.percent(math.nan) == "–"
    assert numbers.interval(0.612, 0.668) == "[61.2, 66.8]"
    assert numbers.interval(math.nan, 1) == ""
    assert (numbers.points(0.14), numbers.points(-0.1), numbers.points(-0.0001)) == ("+14.0", "−10.0", "0.0")
    assert numbers.points_interval(Difference(0.1, -0.05, 0.2, 30)) == "[−5.0, +20.0]"
    assert numbers.count(52002) == "52,002"
    assert (numbers.span(1, 1), numbers.span(1, 2000)) == ("1", "1–2,000")
    assert numbers.span(0.98, 1, form="percent") == "98.0–100.0"
    assert (numbers.decimal(2), numbers.decimal(math.nan)) == ("2.00", "–")
