"""Shared fixtures: the reference data beside the checkout, if it is there; a small network; recordings made by the test."""

import os
import signal
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

# A shell that starts the suite in the background has it ignore Ctrl-C; the programs under test must not inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parents[1]

# No deadline: how long one example takes depends on how busy the machine is. The examples are the same in every run, so that the
# suite fails for a change and not by chance; `make properties` looks for new ones.
settings.register_profile("audiolog", deadline=None, derandomize=True)
settings.register_profile("new", deadline=None)
settings.load_profile(os.environ.get("AUDIOLOG_TEST_EXAMPLES", "audiolog"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference values and recordings (AUDIOLOG_SHARED, or `shared` beside the checkout)."""
    folder = Path(os.environ.get("AUDIOLOG_SHARED", ROOT.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"no reference data at {folder}; set AUDIOLOG_SHARED")
    return folder


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of a seeded, untrained network whose scores lie around 0.5: scenes home, street; events car, dog, siren."""
    import torch

    from audiolog_cli.model import checkpoint, htsat

    torch.manual_seed(0)
    network = htsat.HTSAT(htsat.preset("tiny", n_scenes=2, n_events=3))
    path = tmp_path_factory.mktemp("weights") / "untrained.safetensors"
    checkpoint.save(path, network, checkpoint.Card.of(network, ("home", "street"), ("car", "dog", "siren")))
    return path


def write_wav(path: Path, seconds: float, rate: int = 32_000, channels: int = 1, seed: int = 0) -> Path:
    """A 16-bit WAV of noise whose level changes every second."""
    n_samples = round(seconds * rate)
    levels = np.repeat(np.random.default_rng(seed).uniform(50, 8000, round(seconds) + 1), rate)[:n_samples, np.newaxis]
    samples = (np.random.default_rng(seed).standard_normal((n_samples, channels)) * levels).clip(-32767, 32767)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
    return path


@contextmanager
def not_root() -> Iterator[None]:
    """Root may read everything, so the process changes its user for a while."""
    user = os.geteuid()
    os.seteuid(user or 65534)
    try:
        yield
    finally:
        os.seteuid(user)
