"""What selections of passages kept, by the truth, as tables: a share of each seed, spread over the passages that it comes from.

A share is a ratio R = Σn/Σd of counts over passages, and what one passage adds to it is R + N(n − Rd)/Σd, by linearising:
the mean over all N passages of the world is R, so seeds and passages are sources of chance as seeds and questions are.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from calque.errors import Problem, RunError
from calque.lab.kept import candidates_of, faults_of, selections_of
from calque.lab.prove.carry_out import variant_run
from calque.lab.prove.experiment import Experiment, called
from calque.lab.world import World

Added = npt.NDArray[np.float64]
Shares = dict[str, dict[str, list[Added]]]  # of a selection and share, by seed: what each passage adds


def read_selections(experiment: Experiment, language: str, runs: Mapping[int, Path], world: World) -> Shares:
    """What the selections of runs by seed, and of their variants, kept.

    Raises `RunError` where a run lacks a selection that its fellows have.
    """
    wanted = {share for family in experiment.families if (share := experiment.share(family))}
    found: Shares = {}
    if not wanted:
        return found
    faults = faults_of(world, language)
    for main in runs.values():
        for variant in ("", *experiment.variants):
            run = variant_run(main, variant)
            candidates = candidates_of(run, language)
            for name, places in selections_of(run, language).items():
                of_name = found.setdefault(called(variant, name), {})
                for share in wanted:
                    of_name.setdefault(share, []).append(added(share, places, candidates, faults))
    for name, shares in found.items():
        if any(len(rows) < len(runs) for rows in shares.values()):
            raise RunError(Problem(f"selection {name} was not made by every seed", remedy="run prove again"))
    return found


def added(share: str, kept: Collection[int], among: Collection[int], faults: Sequence[str]) -> Added:
    """What each passage adds to a share. `kept` and `among` (all candidates) are places of passages, `faults` is of all.

    `sound` is the share of the kept that has no fault (precision), `recall` that of the candidates without one that is
    kept, and a fault's that of the candidates with it.
    """
    chosen, there = (np.isin(np.arange(len(faults)), list(places)) for places in (kept, among))
    of_kind = np.array(faults) == ("" if share in ("sound", "recall") else share)
    count = (chosen & of_kind).astype(float)
    whole = (chosen if share == "sound" else there & of_kind).astype(float)
    ratio = count.sum() / max(1.0, whole.sum())
    return np.asarray(ratio + len(faults) * (count - ratio * whole) / max(1.0, whole.sum()))
