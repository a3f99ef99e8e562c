"""What the package imports is what it declares, no more and no less."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def imported() -> set[str]:
    """Top-level names of all modules that `src` imports, wherever in a module it does."""
    names: set[str] = set()
    for path in (REPOSITORY / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module.split(".")[0])
    return names - sys.stdlib_module_names - {"calque"}


def test_imports_are_declared_and_what_is_declared_is_imported() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = {name: lines for name, lines in project["optional-dependencies"].items() if name != "dev"}
    lines = [*project["dependencies"], *(line for lines in extras.values() for line in lines)]
    declared = {plain(re.split(r"[<>=!~\[ ]", line)[0]) for line in lines}
    owner = packages_distributions()  # an extra need not be here: it is then taken to be called as its module
    elsewhere = {"faiss": ["faiss-cpu"]}  # unless it is
    assert {plain((owner.get(name) or elsewhere.get(name, [name]))[0]) for name in imported()} == declared
