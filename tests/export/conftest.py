"""Finished runs on small files, carried out once and then only read: tuned in full, by adapters, and in stages."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.conftest import make_project

from calque.recipes.reading import read_recipe
from calque.recipes.runner import prepare
from calque.recipes.runner import run as carry_out

LORA = "tuning={method: lora, learning_rate: 0.05, epochs: 3, examples_per_step: 8, lora: {r: 4, alpha: 8, dropout: 0.0}}"


def carried_out(folder: Path, *words: str) -> Path:
    carry_out(prepare(read_recipe(str(folder / "recipe.yaml"), words)), folder / "run")
    return folder / "run"


@pytest.fixture(scope="session")
def full_run(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    """All weights tuned: en-alpaca, x-alpaca-it, x-crossalpaca-it."""
    return carried_out(make_project(tmp_path_factory.mktemp("full") / "project", tiny_model))


@pytest.fixture(scope="session")
def lora_run(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    """Adapters; `later` merges that of x-alpaca and gets one of its own. The rows have a licence."""
    folder = make_project(tmp_path_factory.mktemp("lora") / "project", tiny_model)
    later = "systems.later={mix: {en-instructions: all}, starts_from: {system: x-alpaca, adapter: merge}}"
    return carried_out(folder, LORA, later, "systems.en-alpaca=null", "sources.licence=CC-BY-4.0")
