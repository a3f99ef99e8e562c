"""Shares of what selections kept, spread over passages: by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calque.corpora.cross_lingual_files import write_cross_lingual
from calque.corpora.demonstration_files import write_demonstrations
from calque.demonstrations.cross_lingual import cross_lingual_demonstrations
from calque.errors import RunError
from calque.lab.files import world_of
from calque.lab.lexicon import lexicon
from calque.lab.passages import passages
from calque.lab.prove.selections import added
from calque.records import CrossLingualPair, Provenance

FAULTS = ["", "truncated", "", "mixed", "", ""]


def test_the_mean_over_passages_is_the_share() -> None:
    kept, among = [0, 1, 2, 3], [0, 1, 2, 3, 4]  # passage 5 is no candidate
    assert added("sound", kept, among, FAULTS).mean() == pytest.approx(2 / 4)
    assert added("recall", kept, among, FAULTS).mean() == pytest.approx(2 / 3)
    assert added("truncated", kept, among, FAULTS).mean() == pytest.approx(1)
    assert added("mixed", [0, 1], among, FAULTS).mean() == 0
    # R + N(n − Rd)/Σd with R = 2/4, N = 6, Σd = 4: a sound one that is kept adds .5 + 6 · .5/4.
    assert added("sound", kept, among, FAULTS).tolist() == [1.25, -0.25, 1.25, -0.25, 0.5, 0.5]


def test_nothing_kept_is_no_share_of_anything() -> None:
    assert added("sound", [], [0, 1], FAULTS).tolist() == [0] * 6
    assert added("boilerplate", [0], [0, 1], FAULTS).tolist() == [0] * 6


@given(st.lists(st.sampled_from(["", "mixed"]), min_size=4, max_size=30), st.data())
def test_of_selections_of_one_size_the_difference_is_that_of_their_shares(
    faults: list[str], data: st.DataObject
) -> None:
    everything = list(range(len(faults)))
    size = data.draw(st.integers(1, len(faults)))
    one, other = (data.draw(st.permutations(everything))[:size] for _ in range(2))
    shares = [np.mean([not faults[i] for i in some]) for some in (one, other)]
    found = added("sound", one, everything, faults) - added("sound", other, everything, faults)
    assert found.mean() == pytest.approx(shares[0] - shares[1])


def leave(run: Path, name: str, rows: list[int], texts: list[str]) -> None:
    """What a run leaves of a selection; of `""`, of the candidates."""
    pairs = [CrossLingualPair("Tell.", texts[i], "it", Provenance("p.jsonl", i + 1)) for i in rows]
    if name:
        made = cross_lingual_demonstrations(pairs, "web")
        write_demonstrations(run / f"steps/select-{name}-it/demonstrations.jsonl", made)
    else:
        write_cross_lingual(run / "steps/generate-it/candidates.jsonl", pairs)


def test_selections_of_runs_and_their_variants_are_read(tmp_path: Path) -> None:
    from calque.lab.prove.experiment import parse
    from calque.lab.prove.selections import read_selections

    text = """\
name: small
title: t
about: a
tuned: []
seeds: {reported: [0], development: [9]}
recipe:
  curate: {refine: {rounds: 1}}
  demonstrate: {any: {view: selected, by: random}}
  systems: {base: {}}
variants: {less: {curate: {refine: {seed: 30}}, demonstrate: {}}}
families: {sound: [selection/sound]}
shown: [kept-1, less/kept-1]
claims: [{says: s, family: sound, method: kept-1, against: {any: any}}]
"""
    made, world = parse("small", text), world_of(seed=0)
    all_of = list(passages(world, lexicon("it")))
    sound = [i for i, p in enumerate(all_of) if not p.fault][:4]
    cut = [i for i, p in enumerate(all_of) if p.fault][:4]
    texts = [p.text for p in all_of]
    run = tmp_path / "seed-0"
    for folder, kept in ((run, sound[:3] + cut[:1]), (tmp_path / "less" / "seed-0", sound[:1] + cut[:1])):
        leave(folder, "", sound + cut, texts)
        leave(folder, "kept-1", kept, texts)
    leave(run, "any", sound[:2] + cut[:2], texts)
    found = read_selections(made, "it", {0: run}, world)
    means = {name: by_share["sound"][0].mean() for name, by_share in found.items()}
    assert means == pytest.approx({"any": 0.5, "kept-1": 0.75, "less/kept-1": 0.5})
    other = tmp_path / "seed-1"
    for folder in (other, tmp_path / "less" / "seed-1"):
        leave(folder, "", sound + cut, texts)
        leave(folder, "kept-1", sound[:1], texts)
    with pytest.raises(RunError, match="selection any was not made by every seed"):
        read_selections(made, "it", {0: run, 1: other}, world)
    assert made.selections == ["any", "kept-1", "less/kept-1"]
    assert made.asked == ["base", "round-0", "round-1", "less/base", "less/round-0", "less/round-1"]
