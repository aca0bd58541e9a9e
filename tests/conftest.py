"""What every test may use: the reference data beside the checkout, when it is there."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference values and recordings (AUDIOLOG_SHARED, or `shared` beside the checkout)."""
    folder = Path(os.environ.get("AUDIOLOG_SHARED", ROOT.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"no reference data at {folder}; set AUDIOLOG_SHARED")
    return folder
