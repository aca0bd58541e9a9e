"""Training records passed through and plotted: what `audiolog train --tensorboard DIR` adds.

In: the records of `loop.train`. Out: the same records; each of their numbers is also a curve over steps in DIR, for
`tensorboard --logdir DIR`. Needs the extra `tensorboard`.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from audiolog_cli.host import extra

AXES = ("epoch", "step")  # of a record: positions, not figures


def drawn(records: Iterable[dict[str, Any]], folder: Path) -> Iterator[dict[str, Any]]:
    """The same records, each plotted as it comes. A resumed run continues in the same folder.

    UsageError, before any training, if tensorboard is not installed.
    """
    with extra("tensorboard", "--tensorboard"):
        from torch.utils.tensorboard import SummaryWriter
    writer = None
    try:
        for record in records:
            writer = writer or SummaryWriter(str(folder))  # only now: under torchrun, the other processes have no records
            for name, value in record.items():
                if name not in AXES and isinstance(value, int | float):
                    writer.add_scalar(name, value, record["step"])
            writer.flush()
            yield record
    finally:
        if writer is not None:
            writer.close()
