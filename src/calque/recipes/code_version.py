"""What code a kind of step depends on: a digest of the modules that can change its outcome, as their imports tell.

From the step's own module on, every import of a module of ours is followed, late ones too. Three are not: imports for
types alone; `recipes`, whose part in the outcome is in the step's settings and inputs, except for the workshop and the other
engines, which hand it tokenizer and engine; and `errors`, which end a step and do not shape what it writes.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from importlib import resources
from pathlib import Path

_WORKSHOP = "recipes/steps/workshop.py"
_OTHERS = "recipes/steps/other_engines.py"
_CHUNKS = "recipes/steps/chunks.py"
_KEEPING = "engines/keeping.py"
_BESIDE = {
    **dict.fromkeys(("encode", "evaluate"), (_WORKSHOP,)),
    **dict.fromkeys(("generate", "answer"), (_WORKSHOP, _KEEPING, _OTHERS)),
    "rate": (_WORKSHOP, _CHUNKS, _OTHERS),
    "measure": (_WORKSHOP, _OTHERS),
    "perplexity": (_WORKSHOP, _CHUNKS),
    "evaluate_served": (_OTHERS, "recipes/steps/evaluate.py"),
    "judge": (_WORKSHOP, _OTHERS),
}
_NOT_FOLLOWED = ("recipes", "errors")
_DATA = {  # folders and files that a module reads at run time
    "contamination/known.py": "contamination/known_sets.json",
    "curation/lines.py": "curation/boilerplate.yaml",
    "demonstrations/wordings.py": "prompts/translation",
    "evaluation/wording.py": "prompts/benchmarks",
    "prompts/cross_lingual.py": "prompts/cross_lingual.yaml",
    "prompts/judging.py": "prompts/judge",
    "prompts/render.py": "prompts/templates",
    "prompts/turns.py": "prompts/chat_turns",
}


@cache
def code_version(kind: str) -> str:
    """12 hex digits over the sources that a step of `kind` runs."""
    return digest_of(*sources_of(kind))


def sources_of(kind: str) -> tuple[str, ...]:
    """Modules and data folders that the outcome of a step of `kind` depends on, by their names in the package."""
    return _reached(f"recipes/steps/{kind}.py", *_BESIDE.get(kind, ()))


@cache
def engine_version() -> str:
    """12 hex digits over the sources that answer as a system of the run, from its files on."""
    return digest_of(*_reached(_WORKSHOP))


def _reached(*names: str) -> tuple[str, ...]:
    waiting = list(names)
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += _imports(name)
    return tuple(sorted(found | {_DATA[name] for name in found & _DATA.keys()}))


@cache
def _imports(name: str) -> tuple[str, ...]:
    tree = ast.parse((_root() / name).read_bytes())
    modules = {module for node in _executed(tree) for module in _named(node)}
    return tuple(m for m in sorted(modules) if m.split("/")[0].removesuffix(".py") not in _NOT_FOLLOWED)


def _executed(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes below, but for those that only a type checker sees."""
    for child in ast.iter_child_nodes(node):
        yield child
        if (
            isinstance(child, ast.If)
            and isinstance(child.test, ast.Name)
            and child.test.id == "TYPE_CHECKING"
        ):
            continue
        yield from _executed(child)


def _named(node: ast.AST) -> Iterator[str]:
    """The files of the package that an import statement names."""
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom) and node.module:
        names = [f"{node.module}.{alias.name}" for alias in node.names]
        names = [name if _file(name) else node.module for name in names]
    else:
        return
    for name in names:
        file = _file(name)
        if file:
            yield file


def _file(module: str) -> str:
    """The file of a module of ours; empty for one that is none."""
    first, *rest = module.split(".")
    for file in ("/".join(rest) + ".py", "/".join([*rest, "__init__.py"])):
        if first == "calque" and (_root() / file).is_file():
            return file
    return ""


@cache
def _root() -> Path:
    return Path(str(resources.files("calque")))


@cache
def digest_of(*names: str) -> str:
    """12 hex digits over modules and folders of the package, by their names in it."""
    total = hashlib.sha256()
    for name in names:
        path = _root() / name
        for file in [path] if path.is_file() else sorted(path.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                total.update(f"{file.relative_to(_root())}\0".encode() + file.read_bytes())
    return total.hexdigest()[:12]
