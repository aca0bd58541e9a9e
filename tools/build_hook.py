"""What hatchling runs when it builds a wheel, or an editable install: the manual pages are made and put under share/man/man1.

They are written by `man_pages.py` from the commands themselves, which needs the standard library and typer, nothing that tags.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ManualPages(BuildHookInterface):  # type: ignore[type-arg]
    """Adds the pages to the files of the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write the pages into a folder that lasts until the wheel is there."""
        self.folder = TemporaryDirectory()
        # In this very process: pip gives its packages for building to no other, and what is being built is not installed yet.
        sys.path[:0] = [self.root, str(Path(self.root) / "tools")]
        from man_pages import write

        write(Path(self.folder.name))
        pages = sorted(Path(self.folder.name).iterdir())
        build_data["shared_data"] |= {str(page): f"share/man/man1/{page.name}" for page in pages}

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the folder."""
        self.folder.cleanup()
