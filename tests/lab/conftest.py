from __future__ import annotations

from pathlib import Path

import pytest

from calque.lab.files import make_world


@pytest.fixture(scope="session")
def world_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All files of the default world, in English, Italian, Chinese, Spanish and German."""
    return make_world(tmp_path_factory.mktemp("world"), seed=0, targets=["it", "zh", "es", "de"])
