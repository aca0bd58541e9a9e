"""Ten-second windows that one core mixes per second: without effects, with those of training, and with every effect always.

    python benchmarks/mix.py CACHE CLIPS...

CACHE is where decoded clips are kept (as `audiolog mix --cache`), CLIPS are folders with clips.tsv. Processor time, so that a
busy machine counts less; the best of five rounds.
"""

import sys
import time
from pathlib import Path

import torch

from audiolog_cli.mixing.production import Source, load_bank
from audiolog_cli.mixing.windows import PLAIN, MixStyle, mix_window

EVERY = MixStyle(speed_share=1, room_share=1, tone_share=1, narrow_share=1, codec_share=1, overlay_share=1)
STYLES = {"plain": PLAIN, "training effects": MixStyle(), "every effect": EVERY}
ROUNDS, WINDOWS = 5, 150


def main(cache: str, *clips: str) -> None:
    torch.set_num_threads(1)
    bank = load_bank(Source(folders=tuple(map(Path, clips)), split="train", cache=Path(cache)), {}, lambda message: None)
    for name, style in STYLES.items():
        rates = []
        for _ in range(ROUNDS):
            began = time.process_time()
            for index in range(WINDOWS):
                mix_window(bank, style, 0, index)
            rates.append(WINDOWS / (time.process_time() - began))
        print(f"{name}\t{max(rates):.0f} windows/s")


if __name__ == "__main__":
    main(*sys.argv[1:])
