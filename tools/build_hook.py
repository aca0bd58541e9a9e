"""What hatchling runs when it builds a wheel or an editable install: it puts the manual pages under share/man/man1.

`man_pages.py` writes them from the commands, which needs only the standard library and typer.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ManualPages(BuildHookInterface):  # type: ignore[type-arg]
    """Adds the pages to the files of the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write the pages into a folder that lasts until the wheel is built."""
        self.folder = TemporaryDirectory()
        # In this process: only here are pip's build requirements available, and the package is not installed yet.
        sys.path[:0] = [self.root, str(Path(self.root) / "tools")]
        from man_pages import write

        write(Path(self.folder.name))
        pages = sorted(Path(self.folder.name).iterdir())
        build_data["shared_data"] |= {str(page): f"share/man/man1/{page.name}" for page in pages}

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the folder."""
        self.folder.cleanup()
