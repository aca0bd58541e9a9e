"""The `audiolog` program, also as `python -m audiolog_cli`: argv in, an exit code out.

Ctrl-C while the commands are still loading ends the program at once and without a traceback; after that, `cli.main` handles it.
"""

import signal
import sys


def main() -> int:
    """Load the commands and run the command line; returns the exit code."""
    is_ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # else it is ignored, as behind nohup
    if is_ours:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from audiolog_cli import cli

    if is_ours:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
