"""How often the advice of `audiolog train --extend` is right: the second table of docs/own_sounds.md.

    python experiments/own_sounds_advice.py DATA WORK WEIGHTS [--clips 10] [--draws 3] [--sounds TABLE --learned N]

Of each draw of clips (own_sounds.py), one in ten goes into another label's folder, and for each label one clip is put in again,
later and with noise 40 dB below it, and another as Opus at 24 kbit/s. Printed is, for limits around those in use, how many of the
misplaced clips and of the copies are named, and how many others are.
"""

import argparse
import subprocess
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from own_sounds import HERE, put_clips, with_bank
from own_sounds_material import read_sounds

from audiolog_cli.mixing.composing import write_flac
from audiolog_cli.sound.audio import whole
from audiolog_cli.teaching.figures import Figure
from audiolog_cli.teaching.learning import TeachOptions, teach
from audiolog_cli.teaching.material import read_material

MISPLACED, NOISY, CODED = "misplaced ", "noisy ", "coded "  # beginnings of the names of such files
SHARE = 0.1


def misplace(folder: Path, rng: np.random.Generator) -> None:
    """Move clips into other labels' folders."""
    labels = sorted(path.name for path in folder.iterdir())
    moves = []
    for label in labels:
        files = sorted((folder / label).iterdir())
        for index in rng.permutation(len(files))[: max(1, round(SHARE * len(files)))]:
            to = str(rng.choice([name for name in labels if name != label]))
            moves.append((files[index], folder / to / f"{MISPLACED}{label} {files[index].name}"))
    for file, new in moves:
        file.rename(new)


def copy(folder: Path, rng: np.random.Generator) -> None:
    """Put two of each label's clips in once more, changed."""
    for label in sorted(folder.iterdir()):
        files = [file for file in sorted(label.iterdir()) if not file.name.startswith(MISPLACED)]
        first, second = (files[index] for index in rng.permutation(len(files))[:2])
        wave = whole(first)
        later = np.concatenate([np.zeros(int(rng.integers(3200, 9600)), np.float32), wave * np.float32(0.4)])
        noise = rng.standard_normal(len(later)).astype(np.float32) * np.float32(0.004 * np.sqrt(np.mean(wave**2)))
        write_flac(later + noise, label / f"{NOISY}{first.stem}.flac")
        coded = label / f"{CODED}{second.stem}.opus"
        subprocess.run(["ffmpeg", "-v", "error", "-i", str(second), "-c:a", "libopus", "-b:a", "24k", str(coded)], check=True)


def is_copy(first: str, second: str) -> str:
    """Which kind of copy one of two names is of the other; "" for none."""
    for copied, other in ((first, second), (second, first)):
        for kind in (NOISY, CODED):
            if copied.startswith(kind) and Path(copied).stem == kind + Path(other).stem:
                return kind
    return ""


def odd(figures: list[Figure]) -> None:
    """Misplaced clips named and others accused, by limits."""
    each = [
        (name.startswith(MISPLACED), other - own)
        for figure in figures
        for name, own, (_, other) in zip(figure.clips, figure.own, figure.rival, strict=True)
    ]
    misplaced, lead = (np.array(column) for column in zip(*each, strict=True))
    print(f"{misplaced.sum()} misplaced clips, {(~misplaced).sum()} others")
    for least in (1.0, 2.0, 3.0, 4.0, 5.0):
        print(f"lead {least:.0f}: {(lead > least)[misplaced].mean():.0%} named, {(lead > least)[~misplaced].mean():.1%} accused")


def alike(figures: list[Figure]) -> None:
    """Copies named, and pairs of clips that are named although nothing was copied."""
    copies = {kind: sum(name.startswith(kind) for figure in figures for name in figure.clips) for kind in (NOISY, CODED)}
    named = [(is_copy(first, second), first, second) for figure in figures for first, second in figure.alike]
    for kind, n in copies.items():
        print(f"{kind}copies: {sum(one == kind for one, _, _ in named)} of {n} named")
    others = sorted({(figure.label, *pair) for figure in figures for pair in figure.alike if not is_copy(*pair)})
    print(f"others named, of {sum(len(list(combinations(figure.clips, 2))) for figure in figures)} pairs: {others}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name in ("data", "work", "weights"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--sounds", type=Path, default=HERE / "own_sounds.tsv")
    parser.add_argument("--learned", type=int, default=12)
    parser.add_argument("--clips", type=int, default=10)
    parser.add_argument("--draws", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    sounds = read_sounds(options.data, options.sounds, options.learned)
    weights = with_bank(options.weights, options.data, options.work)
    figures: list[Figure] = []
    for seed in range(options.draws):
        folder, rng = options.work / "drawn" / "advice", np.random.default_rng(seed)
        put_clips(sounds, options.clips, seed, folder)
        misplace(folder, rng)
        copy(folder, rng)
        material = read_material(folder, lambda name: name.endswith((".opus", ".wav", ".flac")))
        figures += teach(weights, material, TeachOptions(only=True, seed=seed), print).figures
    odd(figures)
    alike(figures)


if __name__ == "__main__":
    main()
