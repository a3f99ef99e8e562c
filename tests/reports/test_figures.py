from __future__ import annotations

import json
from pathlib import Path

from calque.reports.figures import loss_panels
from calque.reports.folder import read_run


def test_no_two_curves_of_a_panel_look_alike(many_run: Path) -> None:
    panels = loss_panels(read_run(many_run))
    assert [len(panel.curves) for panel in panels] == [6, 6, 6, 6]
    assert [{curve.style for curve in panel.curves} for panel in panels] == [{0, 1, 2, 3, 4, 5}] * 4
    assert [panel.steps for panel in panels] == [panels[0].steps] * 4
    assert panels[0].steps[-1].value == 30, "39 steps"


def test_a_system_that_is_asked_in_ways_of_its_own_has_one_curve(many_run: Path) -> None:
    manifest = json.loads((many_run / "manifest.json").read_text())
    first, *others = manifest["systems"][1:4]
    first |= {"name": f"{first['name']}@pivot", "role": "pivoting"}
    other = {**others[0], "name": f"{others[0]['name']}@chat", "role": "chatting"}
    manifest["systems"] = [manifest["systems"][0], first, others[0], other]
    (many_run / "manifest.json").write_text(json.dumps(manifest))
    (panel,) = loss_panels(read_run(many_run))
    assert [(curve.system.name, curve.style) for curve in panel.curves] == [
        ("method-01", 1),
        ("method-02", 2),
    ]
