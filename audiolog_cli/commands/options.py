"""Options that several commands share: one name and one meaning everywhere."""

from enum import StrEnum
from typing import Annotated

import typer

from audiolog_cli import terminal

Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet", "-q", help="No messages or progress on stderr; errors are still printed.", callback=terminal.be_quiet
    ),
]
Channel = Annotated[str, typer.Option(help="mix (the mean of all channels), left, right, or a channel's number from 1.")]
Raw = Annotated[
    str, typer.Option(metavar="RATE,CHANNELS,FORMAT", help="The input is PCM without a header, such as 48000,2,s16le.")
]


class RecordFormat(StrEnum):
    """The two formats of every stream of records."""

    tsv = "tsv"
    jsonl = "jsonl"


Format = Annotated[RecordFormat, typer.Option(help="tsv with a header, or jsonl: one JSON object a line.")]
