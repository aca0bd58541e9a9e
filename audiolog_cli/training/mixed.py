"""Training windows mixed on the fly: a `Bank` in, the endless series of batches that `loop.py` asks for out.

Worker processes mix and compute spectrograms ahead of the network, at most AHEAD batches each, so that the network does not wait
as long as the free cores keep up. Window `i` of a series is always `mix_window(bank, style, seed, i)`: any number of workers, and
a resumed run, give the same. No window comes twice and none is stored; a pool (`mixing/pool.py`) stores them, with a teacher's
opinion.

An event that a scene may hold unlabelled (`Facts.plausible`) and that was not mixed in is ignored by the loss.
"""

import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from audiolog_cli.mixing.pool import Facts, event_steps, scene_code
from audiolog_cli.mixing.windows import Bank, MixStyle, mix_window
from audiolog_cli.model.features import spectrogram
from audiolog_cli.training.batches import Batch, Variation, labels_of, one_hot, vary
from audiolog_cli.training.losses import Targets

AHEAD = 2  # batches of each worker that wait for the network
ENDLESS = 2**62


@dataclass
class Mixed(Dataset[Batch]):
    """Batch number `i` of a series. A worker that is not forked loads the bank itself: its audio is memory-mapped, not copied."""

    load: Callable[[], Bank]
    style: MixStyle
    facts: Facts
    batch_size: int
    seed: int
    variation: Variation
    bank: Bank | None = None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"bank": None}

    def __getitem__(self, number: int) -> Batch:
        self.bank = self.bank or self.load()
        first, facts, labels = number * self.batch_size, self.facts, labels_of(self.facts)
        sounds = [mix_window(self.bank, self.style, self.seed, first + i) for i in range(self.batch_size)]
        features = spectrogram(facts.front_end)(torch.from_numpy(np.stack([sound.wave for sound in sounds])))
        steps = np.stack([event_steps(sound.events, facts.events, facts.seconds) for sound in sounds])
        scene = np.array([scene_code(sound, facts.scenes) for sound in sounds])
        known = (steps > 0) | ~labels.plausible[scene][:, None, :]
        scenes = one_hot(torch.from_numpy(scene), len(facts.scenes))
        targets = Targets(torch.from_numpy(steps).float(), torch.from_numpy(known).float(), scenes)
        rng = np.random.default_rng((self.seed, 1 << 32, number))
        return vary(Batch(features, targets), self.variation, rng, facts.front_end)


def mixed_batches(source: Mixed, jobs: int, stride: int = 1) -> Callable[[int], Batch]:
    """The batches of `source` by number, made by `jobs` processes (0: by this one, when they are asked for).

    `stride`: how far apart the numbers are that will be asked for, the number of processes that train together.
    """
    coming: Iterator[Batch] = iter(())
    expected = -1

    def batch(number: int) -> Batch:
        nonlocal coming, expected
        if number != expected:
            coming = iter(
                DataLoader(
                    source,
                    batch_size=None,
                    sampler=range(number, ENDLESS, stride),
                    num_workers=jobs,
                    prefetch_factor=AHEAD if jobs else None,
                    worker_init_fn=_leave_interrupts_to_the_loop,
                    generator=torch.Generator(),  # separate: the loop's random numbers belong to dropout
                )
            )
        expected = number + stride
        return next(coming)

    return batch


def _leave_interrupts_to_the_loop(worker: int) -> None:
    """Ctrl-C reaches every process of a terminal; the loop ends its step and saves, and needs the workers for that."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
