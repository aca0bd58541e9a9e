"""Take the picture of a report for the documents.

    python tools/report_picture.py report.html docs/report.png

Needs Debian's `chromium` and the Python package `playwright`.
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

SIZE = {"width": 1280, "height": 700}
POINTED_AT = 0.06  # of the recording, in the first lane: shows the tooltip


def take(page: Path, picture: Path) -> None:
    """Open a report in light colours, point at a sound, and save the picture."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        sheet = browser.new_page(viewport=SIZE, color_scheme="light")
        sheet.goto(page.resolve().as_uri())
        sheet.wait_for_timeout(500)
        plot, row = sheet.locator(".plot").bounding_box(), sheet.locator(".names li").nth(3).bounding_box()
        assert plot and row
        sheet.mouse.move(plot["x"] + POINTED_AT * plot["width"], row["y"] + row["height"] / 2)
        sheet.wait_for_timeout(200)
        sheet.screenshot(path=picture)
        browser.close()


if __name__ == "__main__":
    take(Path(sys.argv[1]), Path(sys.argv[2]))
