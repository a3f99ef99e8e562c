"""What selections kept, held against the truth about passages."""

from __future__ import annotations

from pathlib import Path

import pytest

from calque.corpora.cross_lingual_files import write_cross_lingual
from calque.corpora.demonstration_files import write_demonstrations
from calque.demonstrations.cross_lingual import cross_lingual_demonstrations
from calque.errors import UsageError
from calque.lab.files import world_of
from calque.lab.kept import kept, table
from calque.lab.lexicon import lexicon
from calque.lab.passages import passages
from calque.records import CrossLingualPair, Provenance


def test_precision_and_recall_by_hand(tmp_path: Path) -> None:
    world = world_of(seed=0)
    made = list(passages(world, lexicon("it")))
    sound = [i for i, p in enumerate(made) if not p.fault][:8]
    cut = [i for i, p in enumerate(made) if p.fault == "truncated"][:4]

    def pairs(rows: list[int]) -> list[CrossLingualPair]:
        return [CrossLingualPair("Tell.", made[i].text, "it", Provenance("p.jsonl", i + 1)) for i in rows]

    write_cross_lingual(tmp_path / "steps/generate-it/candidates.jsonl", pairs(sound + cut))
    chosen = cross_lingual_demonstrations(pairs(sound[:6] + cut[:2]), "web")
    write_demonstrations(tmp_path / "steps/select-kept-1-it/demonstrations.jsonl", chosen)
    (one,) = kept(tmp_path, world)
    assert (one.selection, one.language) == ("kept-1", "it")
    assert (one.precision, one.recall, one.share("truncated"), one.share("mixed")) == (0.75, 0.75, 0.5, 0)
    head, line = table(kept(tmp_path, world))
    assert line.split() == ["kept-1", "(it)", "8", "75", "75", "50", "0", "0", "0", "0"]
    assert head.split()[4:] == ["truncated", "mixed", "boilerplate", "mismatched", "translated"]


def test_a_run_without_selections_is_told(tmp_path: Path) -> None:
    (tmp_path / "steps/generate-it").mkdir(parents=True)  # it may have stopped there
    with pytest.raises(UsageError, match="holds no selection of candidates"):
        list(kept(tmp_path, world_of(seed=0)))
