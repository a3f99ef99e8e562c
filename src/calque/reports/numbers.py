"""How figures are written: scores in percent with one decimal, intervals as [low, high], unknowns as a dash."""

from __future__ import annotations

import math

from calque.reports.compare import Difference

UNKNOWN = "–"
MINUS = "\u2212"


def percent(share: float) -> str:
    """Write a share of 1 as `64.0`."""
    return UNKNOWN if math.isnan(share) else f"{100 * share:.1f}".replace("-", MINUS)


def interval(low: float, high: float) -> str:
    """Write an interval of shares as `[61.2, 66.8]`; nothing where it is unknown."""
    return "" if math.isnan(low) or math.isnan(high) else f"[{percent(low)}, {percent(high)}]"


def points(share: float) -> str:
    """Write a difference of shares in points, with its sign."""
    text = f"{100 * share:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text.replace("-", MINUS)


def points_interval(difference: Difference) -> str:
    """Write the interval of a difference in points."""
    return f"[{points(difference.low)}, {points(difference.high)}]"


def count(n: float) -> str:
    """Write a whole number with thousands apart: `52,002`."""
    return f"{n:,.0f}"


def span(low: float, high: float, form: str = "count") -> str:
    """Write one figure, or two where they differ."""
    write = percent if form == "percent" else count
    texts = [UNKNOWN if math.isnan(x) else write(x) for x in (low, high)]
    return texts[0] if texts[0] == texts[1] else f"{texts[0]}–{texts[1]}"


def decimal(x: float, places: int = 2) -> str:
    """Write a plain figure."""
    return UNKNOWN if math.isnan(x) else f"{x:,.{places}f}".replace("-", MINUS)
