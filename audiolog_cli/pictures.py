"""Pictures by matplotlib, from the extra `metrics`: text stays text, and the same input gives the same file."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from warnings import catch_warnings, filterwarnings, warn_explicit

from audiolog_cli import terminal
from audiolog_cli.host import extra

LACKS = ".*missing from font"  # how matplotlib warns of characters


@contextmanager
def figures(option: str, font_size: float) -> Iterator[Any]:
    """matplotlib's class of figures, for drawing and saving one; UsageError, naming the option, where it is not installed.

    Characters that the font lacks are reported.
    """
    with extra("metrics", option):
        import matplotlib
        from matplotlib.figure import Figure

    # Ids do not change from run to run, so that a picture under version control has small differences. A label may hold $.
    settings: dict[Any, Any] = {
        "svg.hashsalt": "audiolog",
        "svg.fonttype": "none",
        "font.size": font_size,
        "text.parse_math": False,
    }
    with matplotlib.rc_context(settings), catch_warnings(record=True) as warned:
        filterwarnings("always", LACKS)
        yield Figure
    others = [warning for warning in warned if not re.match(LACKS, str(warning.message))]
    if len(others) < len(warned):
        terminal.say("the picture's font lacks characters of these names and labels; boxes replace them")
    for warning in others:
        warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
