"""Files of data sets on the hub: fetched once from a hub on loopback, and named in a recipe like any other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.responses import Response
from tests.loopback import served

from calque.corpora.hub import fetch
from calque.errors import DataError, RecipeError
from calque.recipes.reading import read_recipe
from calque.recipes.relocate import relocated
from calque.recipes.runner import prepare

COMMIT = "0123456789abcdef0123456789abcdef01234567"
ADDRESS = "hf://datasets/somebody/xquad/files/xquad.it.json"


@pytest.fixture
def asked(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """A hub that has the project's Italian questions; how often it was asked for them, by method."""
    app, counts = FastAPI(), Counter[str]()
    content = (project / "xquad.it.json").read_bytes()
    headers = {"ETag": '"some-content"', "X-Repo-Commit": COMMIT, "Content-Length": str(len(content))}
    address = "/datasets/somebody/xquad/resolve/{revision}/files/xquad.it.json"

    @app.head(address)
    def head(revision: str) -> Response:
        counts[f"HEAD {revision}"] += 1
        return Response(headers=headers)

    @app.get(address)
    def get() -> Response:
        counts["GET"] += 1
        return Response(content, headers=headers)

    with served(app) as url:
        here = url.removesuffix("/v1")
        template = here + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", here)
        monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        yield counts


def test_a_file_is_fetched_once_and_under_its_own_name(asked: Counter[str], project: Path) -> None:
    found = fetch(ADDRESS)
    assert found.name == "xquad.it.json"
    assert found.read_bytes() == (project / "xquad.it.json").read_bytes()
    assert fetch(ADDRESS.replace("xquad/files", f"xquad@{COMMIT}/files")) == found
    assert asked["GET"] == 1


def test_a_recipe_may_name_it_by_language(asked: Counter[str], project: Path, tmp_path: Path) -> None:
    by_language = ADDRESS.replace(".it.", ".{language}.")
    read = read_recipe(
        str(project / "recipe.yaml"), [f"evaluate.xquad={by_language}", "evaluate.languages=[x]"]
    )
    found = prepare(read)
    assert asked["GET"] == 1
    files = [step.benchmark.files for step in found.steps if step.kind == "evaluate"]
    assert {file.name for some in files for file in some} == {"xquad.it.json"}
    assert relocated(read, tmp_path / "elsewhere")["evaluate"]["xquad"] == by_language


def test_what_cannot_be_had_is_told(asked: Counter[str], project: Path) -> None:
    with pytest.raises(DataError, match="the hub does not give this file"):
        fetch(ADDRESS.replace("xquad.it", "xquad.fi"))
    for wrong in ("hf://somebody/xquad/a.json", "hf://datasets/somebody/xquad", ADDRESS.replace("it", "*")):
        with pytest.raises(DataError, match=r"no address of a file(.|\n)*hf://datasets/OWNER/NAME/PATH"):
            fetch(wrong)
    with pytest.raises(RecipeError, match="hf://datasets/x: is no address of a file"):
        prepare(read_recipe(str(project / "recipe.yaml"), ["evaluate.xquad=hf://datasets/x"]))
    assert not asked["GET"]
