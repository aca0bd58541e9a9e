"""The size of an hour of audio on disk: as FLAC (32 kHz, mono, 16 bit), and as parts of `tag --out` in each format.

    python benchmarks/storage.py [RECORDING] [MINUTES]

The recording (the example) is repeated to MINUTES (ten); sizes are scaled to an hour. Needs FFmpeg.
"""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
FORMATS = ("tsv", "jsonl", "parquet")


def main() -> None:
    recording = sys.argv[1] if len(sys.argv) > 1 else str(ROOT / "examples" / "farm_morning.flac")
    minutes = float(sys.argv[2]) if len(sys.argv) > 2 else 10.0
    with TemporaryDirectory() as name:
        folder = Path(name)
        sound = folder / "repeated.flac"
        repeat = ["ffmpeg", "-loglevel", "error", "-stream_loop", "-1", "-i", recording, "-t", str(60 * minutes)]
        subprocess.run([*repeat, "-ac", "1", "-ar", "32000", "-sample_fmt", "s16", str(sound)], check=True)
        shown(sound.stat().st_size, "FLAC", minutes)
        for format in FORMATS:
            out = folder / format
            tag = [sys.executable, "-m", "audiolog_cli", "tag", "--quiet", str(sound), "--format", format, "--out", str(out)]
            subprocess.run(tag, check=True)
            (part,) = out.glob(f"repeated-*.{format}")
            shown(part.stat().st_size, format, minutes)


def shown(n_bytes: int, what: str, minutes: float) -> None:
    print(f"{what:8} {n_bytes / 1e6 * 60 / minutes:8.3f} MB an hour")


if __name__ == "__main__":
    main()
