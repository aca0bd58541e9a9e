"""Memory of `tag --engine ray` where decoders feed workers with half a GPU each: it must not grow with the recordings.

    python benchmarks/backpressure.py [MINUTES ...]

Two recordings of each length in MINUTES (10 60 180), tagged with the default weights by two workers and two decoders on a cluster
that is told to have a GPU and works on CPUs. Looked at twice a second: bytes in Ray's object store, and the memory (PSS) of all
processes of Ray and of the command, which share the store.
"""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from typing import Any

SETTINGS = {"RAY_AUTH_MODE": "disabled", "RAY_memory_monitor_refresh_ms": "0", "RAY_OBJECT_STORE_ALLOW_SLOW_STORAGE": "1"}
STORE = 256 << 20  # bytes
RECORDING = Path(__file__).resolve().parents[1] / "examples" / "farm_morning.flac"


def main() -> None:
    os.environ.update(SETTINGS)
    import ray

    lengths = [float(minutes) for minutes in sys.argv[1:]] or [10.0, 60.0, 180.0]
    quiet: dict[str, Any] = {"include_dashboard": False, "log_to_driver": False, "logging_level": "ERROR"}
    ray.init("local", num_cpus=2, num_gpus=1, object_store_memory=STORE, **quiet)
    print("minutes  seconds  object store  all processes")
    for minutes in lengths:
        with TemporaryDirectory() as name:
            seconds, stored, resident = tagged(ray, ray.get_runtime_context().gcs_address, Path(name), minutes)
        print(f"{minutes:7g}  {seconds:7.0f}  {stored / 1e6:9.1f} MB  {resident / 1e6:10.0f} MB", flush=True)


def tagged(ray: Any, address: str, folder: Path, minutes: float) -> tuple[float, float, int]:
    """Seconds, and the greatest number of bytes in the store and in processes."""
    repeat = ["ffmpeg", "-loglevel", "error", "-stream_loop", "-1", "-i", str(RECORDING), "-t", str(60 * minutes)]
    for name in ("a", "b"):
        subprocess.run([*repeat, str(folder / f"{name}.flac")], check=True)
    tag = [sys.executable, "-m", "audiolog_cli", "tag", "a.flac", "b.flac", "--quiet", "--out", "out", "--engine", "ray"]
    begin = monotonic()
    process = subprocess.Popen([*tag, "--address", address, "--gpus-per-worker", "0.5", "--device", "cpu"], cwd=folder)
    stored, resident = 0.0, 0
    while process.poll() is None:
        stored = max(stored, STORE - ray.available_resources().get("object_store_memory", 0.0))
        resident = max(resident, sum(map(pss, family(os.getpid()))))
        sleep(0.5)
    if process.returncode:
        sys.exit(f"tag ended with {process.returncode}")
    return monotonic() - begin, stored, resident


def family(process: int) -> list[int]:
    """The processes that a process has begun, theirs, and so on."""
    try:
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except OSError:  # it is over
        return []
    return [each for child in map(int, children) for each in (child, *family(child))]


def pss(process: int) -> int:
    """Bytes of memory, of what is shared its part."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


if __name__ == "__main__":
    main()
