"""Experiments from beginning to end: a world, a run for each seed, graded answers, rows, one page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from calque.lab.files import make_world, told_of, world_of
from calque.lab.prove.carry_out import Tell, carry_out, languages_of
from calque.lab.prove.contamination import contamination
from calque.lab.prove.experiment import Experiment
from calque.lab.prove.measure import read_results
from calque.lab.prove.outcome import Proved, efforts_of, write_outcome
from calque.lab.prove.paces import paces_of
from calque.lab.sets import evaluation_sets
from calque.lab.truth import Truth


def prove(
    experiments: Sequence[Experiment],
    languages: Sequence[str],
    out: Path,
    *,
    jobs: int,
    seeds: int | None = None,
    base: Path | None = None,
    development: bool = False,
    command: str = "",
    tell: Tell = print,
) -> Path:
    """Carry the experiments out in each language; write rows and the page into `out`, and return the page.

    `seeds` is how many of an experiment's seeds are run, all by default; `base` is as in `files.make_world`. With
    `development`, development people are asked, with development seeds.
    """
    folder = out / "world"
    needed = [code for one in experiments for language in languages for code in languages_of(one, language)]
    make_world(folder, targets=list(dict.fromkeys((*languages, *needed))), base=base)
    seed, people = told_of(folder / "base")
    world = world_of(seed=seed, people=people)
    sets = evaluation_sets(world, "development" if development else "evaluation")
    proved = []
    for experiment in experiments:
        numbers = (experiment.seeds.development if development else experiment.seeds.reported)[:seeds]
        found, efforts, paces = [], {}, []
        for language in languages:
            tell(f"{experiment.name} in {language}: seeds {', '.join(map(str, numbers))}, {jobs} at a time")
            runs = carry_out(
                experiment,
                language,
                numbers,
                world=folder,
                out=out / f"{experiment.name}-{language}",
                jobs=jobs,
                development=development,
                tell=tell,
            )
            truths = {"x": Truth(world, sets, (language, "en")), "en": Truth(world, sets, ("en", language))}
            found.append(read_results(experiment, language, runs, truths))
            efforts[language] = efforts_of(list(runs.values()), language, experiment.variants)
            paces += paces_of(experiment, language, list(runs.values()))
        proved.append(Proved(experiment, found, efforts, paces))
    clean = {language: str(contamination(folder, language, sets)) for language in languages}
    return write_outcome(proved, out, command, clean, development=development)
