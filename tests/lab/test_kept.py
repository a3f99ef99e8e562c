"""What selections kept, held against the truth about passages."""

from __future__ import annotations

from pathlib import Path

import pytest

from calque.corpora.cross_lingual_files import write_cross_lingual
from calque.corpora.demonstration_files import write_demonstrations
from calque.demonstrations.cross_lingual import cross_lingual_demonstrations
from calque.errors import UsageError
from calque.lab.files import world_of
from calque.lab.kept import Requests, kept, requests, table, told
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


def test_requests_are_held_against_what_their_passages_tell(tmp_path: Path) -> None:
    world, english = world_of(seed=0), lexicon("en")
    made = list(passages(world, lexicon("it")))
    place = next(i for i, p in enumerate(made) if len(p.told) == 2)
    passage = made[place]
    relations = [t.fact.relation for t in passage.told]
    other = next(r for r in english.relations("people") if r not in relations)
    written = (
        english.request(passage.subject, relations, 0),  # named, 2 of 2
        english.request(passage.subject, [relations[0], other], 1),  # named, 1 of 3
        "Write of somebody.",  # neither
    )
    source = Provenance("p.jsonl", place + 1)
    pairs = [CrossLingualPair(text, passage.text, "it", source) for text in written]
    write_cross_lingual(tmp_path / "steps/generate-it/candidates.jsonl", pairs)
    (one,) = requests(tmp_path, world)
    assert one == Requests("it", 3, pytest.approx(2 / 3), pytest.approx(4 / 9))
    assert list(told(iter([one]))) == [
        "requests (it): 3; 67% name the passage's person; 44% of the relations in request or passage are in both"
    ]


def test_a_run_without_selections_is_told(tmp_path: Path) -> None:
    (tmp_path / "steps/generate-it").mkdir(parents=True)  # it may have stopped there
    with pytest.raises(UsageError, match="holds no selection of candidates"):
        list(kept(tmp_path, world_of(seed=0)))
