"""`python -m audiolog_cli` is `audiolog`."""

import sys

from audiolog_cli.cli import main

sys.exit(main())
