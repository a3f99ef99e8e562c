"""The base that is shipped: small, loadable, strong in English; and how one is made."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from calque.engines.loading import find_model, load_model, load_tokenizer
from calque.errors import ModelError
from calque.lab.files import make_world, shipped_base, told_of, world_of
from calque.lab.gates import GATES, choosing, copying, recall
from calque.lab.lexicon import languages, lexicon
from calque.lab.pretrain import Size, encoded, pretrain, sized
from calque.lab.text import Document, Piece, Shares
from calque.prompts.encoding import make_encoder

BASE = shipped_base()
TINY = Shares(
    portraits=1, readings=60, logic=20, recalls=20, choices=20, notes=20, retellings=20,
    foreign_portraits=1, foreign_passing=20, foreign_readings=20, foreign_recalls=10, bilingual=20,
)  # fmt: skip


def test_it_is_small_and_in_hub_form() -> None:
    assert sum(path.stat().st_size for path in BASE.iterdir()) < 8_000_000
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {path.name for path in BASE.iterdir()}


def test_it_passes_its_gates() -> None:
    import torch

    files = find_model(str(BASE))
    model, tokenizer = load_model(files, dtype=torch.float32), load_tokenizer(files)
    assert 1_000_000 < model.num_parameters() < 3_000_000
    seed, people = told_of(BASE)
    world = world_of(seed=seed, people=people)
    assert recall(model, tokenizer, world) >= GATES["recall"]
    assert copying(model, tokenizer, world, count=100) >= GATES["copying"] - 0.08
    assert 0 <= choosing(model, tokenizer, world, count=20) <= 1
    written = json.loads((BASE / "gates.json").read_text(encoding="utf-8"))
    assert all(written[name] >= least for name, least in GATES.items())
    assert written["languages"] == list(languages()[1:])


def test_its_vocabulary_covers_the_prompts() -> None:
    tokenizer = load_tokenizer(find_model(str(BASE)))
    assert make_encoder(tokenizer, "plain").stop_id == tokenizer.eos_token_id
    for text in lexicon("it").data["instructions"]["memory"]:
        assert len(tokenizer(text)["input_ids"]) <= 2 * len(text.split()) + 2


def test_documents_become_rows_that_end_with_the_stop_token() -> None:
    class Letters:
        eos_token_id = 0

        def __call__(self, texts: list[str]) -> dict[str, list[list[int]]]:
            return {"input_ids": [[ord(letter) - 96 for letter in text] for text in texts]}

    documents: list[Document] = [(Piece("ab", learnt=False), Piece("c")), (Piece("d"),)]
    rows = encoded(documents, Letters())
    assert rows.tokens.tolist() == [1, 2, 3, 0, 4, 0]
    assert rows.trained.tolist() == [False, False, True, True, True, True]
    assert rows.offsets.tolist() == [0, 4, 6]


def test_sizes_fit() -> None:
    assert sized(layers=4, width=160, epochs=5) == Size()
    for width in (64, 96, 160, 512, 1000):
        size = sized(layers=2, width=width, epochs=1)
        assert width % (2 * size.heads) == 0


def test_a_base_of_another_size_is_made_by_numbers_and_has_a_world_of_its_own(tmp_path: Path) -> None:
    """It learns nothing in so few steps, so it is written and refused."""
    size = Size(vocabulary=600, width=32, layers=1, heads=2, inner=64, epochs=1)
    told: list[str] = []
    with pytest.raises(ModelError, match=r"does not pass its gates: recall 0\.\d+ \(at least 0.95\)"):
        pretrain(
            tmp_path / "base", seed=7, people=40, targets=["it"], size=size, shares=TINY, tell=told.append
        )
    assert told[0].startswith("350 documents")
    assert told_of(tmp_path / "base") == (7, 40)
    world = make_world(tmp_path / "world", targets=["it"], base=tmp_path / "base")
    assert told_of(world / "base") == (7, 40)
    names = {e.subject.id for e in world_of(seed=7, people=40).known("tested")}
    asked = (world / "mmlu.it/test/city_test.csv").read_text(encoding="utf-8")
    assert any(name in asked for name in names)
    with pytest.raises(ModelError, match=r"is no base of the lab.*\n.*calque lab pretrain"):
        make_world(tmp_path / "other", base=tmp_path)
