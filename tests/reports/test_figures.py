from __future__ import annotations

from pathlib import Path

from calque.reports.figures import loss_panels
from calque.reports.folder import read_run


def test_no_two_curves_of_a_panel_look_alike(many_run: Path) -> None:
    panels = loss_panels(read_run(many_run))
    assert [len(panel.curves) for panel in panels] == [6, 6, 6, 6]
    assert [{curve.style for curve in panel.curves} for panel in panels] == [{0, 1, 2, 3, 4, 5}] * 4
    assert [panel.steps for panel in panels] == [panels[0].steps] * 4
    assert panels[0].steps[-1].value == 30, "39 steps"
