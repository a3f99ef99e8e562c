"""What code a kind of step depends on: a digest of the modules and data files that can change its outcome."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import resources
from pathlib import Path

_SHARED = ("records.py", "languages.py", "randomness.py")
_OF_KIND = {
    "demonstrate": ("corpora", "demonstrations", "prompts/translation"),
    "mix": ("demonstrations", "corpora/demonstration_files.py"),
    "encode": ("prompts/render.py", "prompts/encoding.py", "prompts/templates", "tuning/encode.py"),
    "tune": ("tuning", "engines/loading.py", "engines/device.py"),
    "evaluate": ("evaluation", "engines", "prompts", "tuning/adapt.py"),
}


@cache
def code_version(kind: str) -> str:
    """12 hex digits over the sources that a step of `kind` runs."""
    return digest_of(*_SHARED, f"recipes/steps/{kind}.py", *_OF_KIND[kind])


@cache
def digest_of(*names: str) -> str:
    """12 hex digits over modules and folders of the package, by their names in it."""
    root = Path(str(resources.files("calque")))
    total = hashlib.sha256()
    for name in names:
        path = root / name
        for file in [path] if path.is_file() else sorted(path.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                total.update(f"{file.relative_to(root)}\0".encode() + file.read_bytes())
    return total.hexdigest()[:12]
