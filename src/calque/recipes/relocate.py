"""A recipe written into its run's folder: complete, with its paths as seen from there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml

from calque.corpora.hub import is_on_hub
from calque.corpora.writing import write_text
from calque.evaluation.shots import ASKED
from calque.recipes.changes import NO_FILES
from calque.recipes.reading import Read
from calque.recipes.schema import BENCHMARK_FIELDS

HEAD = "# The recipe of this run, with every setting. Carry it out again: calque run THIS_FILE out=ANOTHER_FOLDER\n"


def write_recipe(read: Read, path: Path) -> None:
    """Write `recipe.yaml`. Reading it back from there gives the same recipe on the same files."""
    value = relocated(read, path.parent)
    text = HEAD + yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=110)
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        write_text(path, text)


def relocated(read: Read, target: Path) -> dict[str, Any]:
    """The recipe as plain values, with the paths in it as seen from `target`."""
    value: dict[str, Any] = read.recipe.model_dump(mode="json")

    def moved(name: Any) -> Any:
        if name == ASKED or (isinstance(name, str) and is_on_hub(name)):
            return name
        if isinstance(name, list):
            return [moved(one) for one in name]
        if isinstance(name, dict):
            paths = {k: v for k, v in name.items() if isinstance(v, str | list) and k not in NO_FILES}
            return {**name, **{key: moved(one) for key, one in paths.items()}}
        return Path(os.path.relpath(read.folder / Path(name).expanduser(), target)).as_posix()

    model = value["model"]
    if model["path"] and (read.folder / Path(model["path"]).expanduser()).exists():
        model["path"] = moved(model["path"])
    if model["template"].endswith((".yaml", ".yml")):
        model["template"] = moved(model["template"])
    for part in value["demonstrate"].values():
        embedding = part.get("embedding")
        if embedding and (read.folder / Path(embedding["model"]).expanduser()).is_dir():
            embedding["model"] = moved(embedding["model"])
    for name in ("instructions", "translations", "parallel", "seed", "passages"):
        sources = value["sources"][name]
        for code in sources:
            sources[code] = moved(sources[code])
    for engine in (*value["engines"].values(), *value["systems"].values()):
        if "path" in engine and (read.folder / Path(engine["path"]).expanduser()).exists():
            engine["path"] = moved(engine["path"])
        if engine.get("template", "").endswith((".yaml", ".yml")):
            engine["template"] = moved(engine["template"])
    if value["judge"] is not None and value["judge"]["known"] is not None:
        value["judge"]["known"] = moved(value["judge"]["known"])
    for name in BENCHMARK_FIELDS:
        if value["evaluate"][name] is not None:
            value["evaluate"][name] = moved(value["evaluate"][name])
    examples = value["evaluate"]["examples"]
    value["evaluate"]["examples"] = {k: moved(given) for k, given in examples.items()}
    return value
