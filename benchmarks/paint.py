"""The time to first paint of a page of `report` with 24 hours x 40 labels in Debian's Chromium, and the page's size.

    python benchmarks/paint.py [SHARE]

Each label is heard in SHARE (0.02) of all seconds, at random. Needs playwright and chromium; runs five times in a fresh page.
"""

import shutil
import sys
from array import array
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from playwright.sync_api import sync_playwright

from audiolog_cli.report.page import Part, page
from audiolog_cli.report.timeline import LabelTrack, Timeline

FIRST_PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime"  # ms after the page was asked for


def day(share: float) -> Timeline:
    random = np.random.default_rng(0)
    recording = Timeline("day.wav", 86_400_000)
    for number in range(40):
        seconds = np.flatnonzero(random.random(86_400) < share)
        onsets, offsets = array("q", (seconds * 1000).tolist()), array("q", (seconds * 1000 + 1000).tolist())
        scores = bytearray(random.integers(50, 101, len(seconds)).tolist())
        recording.events.append(LabelTrack("event", f"label {number}", onsets, offsets, scores))
    return recording


def main() -> None:
    share = float(sys.argv[1]) if len(sys.argv) > 1 else 0.02
    with TemporaryDirectory() as folder, sync_playwright() as driver:
        path = Path(folder) / "day.html"
        path.write_text(page([Part(day(share))]), encoding="utf-8")
        print(f"size         {path.stat().st_size / 1e6:.2f} MB")
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for _ in range(5):
            sheet = browser.new_page(viewport={"width": 1300, "height": 900})
            sheet.goto(path.as_uri())
            while not sheet.evaluate("performance.getEntriesByName('first-contentful-paint').length"):
                sheet.wait_for_timeout(20)
            print(f"first paint  {sheet.evaluate(FIRST_PAINT) / 1000:.2f} s")
            sheet.close()
        browser.close()


if __name__ == "__main__":
    main()
