"""What is wrong with a stretch of a recording, or doubtful: one `Damage` each, passed to a `Report`."""

import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from audiolog_cli.wording import remarked

MOST_TOLD = 10  # places of the same kind in a recording
MERGE_WITHIN = 1.0  # seconds between two stretches of the same damage that are reported as one
# Causes that are not damage: the file is as it was recorded, but its sound deserves a remark.
NOTES = ("more_sound", "not_heard", "digital_silence", "hum", "cancelling", "ultrasound", "other_tracks", "begins_late")


@dataclass(frozen=True, slots=True)
class Damage:
    """A stretch of a recording that is not what was recorded."""

    onset: float  # seconds from the first sample
    offset: float
    reason: str
    cause: str = "lost"  # the reason in one word, for programs; docs/records.md lists them

    @property
    def is_note(self) -> bool:
        """Whether this is not damage: the file is as it was recorded, but its sound deserves a remark."""
        return self.cause in NOTES

    def __str__(self) -> str:
        """As it appears in a warning, after the file's name.

        >>> str(Damage(1.5, 1.593, "broken frame, taken as silence"))
        '1.500-1.593 s: broken frame, taken as silence'
        """
        return remarked(self.onset, self.offset, self.reason)


class DamageWarning(UserWarning):
    """Damage in a recording for which the caller gave no `report`."""


@dataclass(slots=True)
class Told:
    """What a person is told of damage: the first places of each kind, for a recording may have thousands."""

    n_places: Counter[tuple[str, str]] = field(default_factory=Counter)  # by recording and reason

    def line(self, path: str, damage: Damage) -> str:
        """The line about it; empty if there were MOST_TOLD of this kind before."""
        self.n_places[path, damage.reason] += 1
        n = self.n_places[path, damage.reason]
        return f"{path}: {damage}{'; further places are not listed' * (n == MOST_TOLD)}" * (n <= MOST_TOLD)


Report = Callable[[Damage], None]


def warn_of_damage(damage: Damage) -> None:
    """The default report: a Python warning, so that no damage is hidden."""
    if not damage.is_note:
        warnings.warn(str(damage), DamageWarning, stacklevel=2)


@dataclass(slots=True)
class MergedReport:
    """Passes damage on to `report`, merging stretches that nearly touch; holds one stretch at a time. Call `close` at the end."""

    report: Report
    held: Damage | None = None

    def __call__(self, damage: Damage) -> None:
        held = self.held
        if held and held.reason == damage.reason and damage.onset <= held.offset + MERGE_WITHIN:
            self.held = replace(held, offset=max(held.offset, damage.offset))
            return
        self.close()
        self.held = damage

    def close(self) -> None:
        """Pass on what is held."""
        if self.held:
            self.report(self.held)
        self.held = None
