"""What all tests share: where the real files lie."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real data files; a test that needs it is skipped where there is none."""
    folder = Path(os.environ.get("CALQUE_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"the real data files are not here ({folder}); set CALQUE_DATA to their folder")
    return folder
