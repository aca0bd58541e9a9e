"""Write the tags of a garden's spring, one table per day, for the queries in docs/recipes.md.

    python examples/season.py build/season

They are generated with a fixed seed, in the format of `audiolog tag --name-time audiomoth --tz Europe/Berlin`: a recorder
that wakes up for a minute every 20 minutes, from 4 to 24 May 2026. There is no recording and no model behind them.
"""

import random
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

FIRST = datetime(2026, 5, 4, tzinfo=timezone(timedelta(hours=2)))
DAYS = 21
RECORDINGS_A_DAY = 72
SECONDS = 60
RAINY = {3, 4, 11}  # days from the first
HEADER = "filename\tonset\toffset\tkind\tlabel\tscore\ttime\n"


def chances(day: int, hour: float) -> dict[str, float]:
    """For each label, the probability that it is heard in a minute at this time of day."""
    light = 4.5 - day / 30  # the birds begin a little earlier each day
    is_day = light < hour < 21.5
    chorus = max(0.0, 1 - abs(hour - light - 1) / 1.5)
    rain = 0.8 if day in RAINY and 8 < hour < 19 else 0.0
    return {
        "bird": (0.25 + 0.7 * chorus) * is_day * (1 - rain),
        "rooster": 0.5 * chorus,
        "church_bell": float(hour in (12.0, 18.0)),
        "dog_bark": 0.08 * is_day,
        "cat_meow": 0.03,
        "car": 0.3 * (7 < hour < 19),
        "insects": 0.4 * (not is_day) * (1 - rain),
        "rain": rain,
    }


def minute(rng: random.Random, start: datetime, day: int) -> Iterator[str]:
    """The cells of one recording: each second's scene, then what is heard in it."""
    hour = start.hour + start.minute / 60
    heard = {}
    for label, chance in sorted(chances(day, hour).items()):
        drawn, onset, length = rng.random(), rng.randrange(SECONDS), rng.randrange(2, 30)
        if drawn < chance:
            heard[label] = range(onset, min(onset + length, SECONDS))
    scene = "rain" if "rain" in heard else "park" if 5 <= hour < 22 else "night"
    name = f"garden/{start:%Y%m%d_%H%M%S}.WAV"
    for second in range(SECONDS):
        time = (start + timedelta(seconds=second)).isoformat()
        for kind, label in [("scene", scene), *(("event", label) for label, span in heard.items() if second in span)]:
            yield f"{name}\t{second}.000\t{second + 1}.000\t{kind}\t{label}\t{rng.uniform(0.3, 0.95):.3f}\t{time}\n"


def write(folder: Path) -> None:
    """A table for each day."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(2026)
    for day in range(DAYS):
        midnight = FIRST + timedelta(days=day)
        with (folder / f"{midnight:%Y-%m-%d}.tsv").open("w", encoding="utf-8") as table:
            table.write(HEADER)
            for number in range(RECORDINGS_A_DAY):
                table.writelines(minute(rng, midnight + timedelta(minutes=20 * number), day))


if __name__ == "__main__":
    write(Path(sys.argv[1]))
