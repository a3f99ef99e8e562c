"""When more rounds of refinement bring nothing more (X-Instruction stops at three; this rule is ours)."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from calque.curation.evaluator import Quality


def cannot_tell(found: Quality) -> str:
    """Why there is no further round after this evaluator, in words; empty where it still tells level 2 from 3."""
    top = found.auc["2-3"]
    if top.low > 0.5:
        return ""
    what = "cannot tell level 2 from 3 any more" if top.high >= 0.5 else "rates level 2 above 3, not below it"
    return f"the evaluator {what}: AUC {top.value:.2f} [{top.low:.2f}, {top.high:.2f}]"


def overlap(before: Collection[str], now: Collection[str]) -> float:
    """The share of what is selected now that was selected before, by ids."""
    return len(set(before) & set(now)) / len(set(now)) if now else 1.0


def settled(share: float, enough: float) -> str:
    """Why there is no further round after this selection, in words; empty where it still changes."""
    if share < enough:
        return ""
    return f"the selection has settled: {share:.0%} of it was selected in the round before"
