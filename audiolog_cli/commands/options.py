"""Options that several commands share, with one name and one meaning, and shell completion for their values.

Completion functions are called at each press of Tab: they import only what they need, and only light modules.
"""

from typing import Annotated, Literal

from typer import Argument, Option

from audiolog_cli import terminal
from audiolog_cli.commands.needs import OTHER, Heading

Quiet = Annotated[
    bool,
    Option("--quiet", "-q", help="No messages or progress on stderr; errors are still printed.", callback=terminal.be_quiet),
    Heading(OTHER),
]
Files = Annotated[
    list[str] | None, Argument(metavar="[FILE|-]...", help="Cells as `audiolog tag` writes them; - is stdin.", show_default=False)
]
Channel = Annotated[
    str, Option(help="mix (stereo: the mean, 5.1: as in ITU-R BS.775), left, right, or a channel's number from 1.")
]
Raw = Annotated[str, Option(metavar="RATE,CHANNELS,FORMAT", help="The input is PCM without a header, such as 48000,2,s16le.")]
Track = Annotated[int, Option(min=0, help="A film's sound track, counted from 1; 0 is its default track.")]
MinDuration = Annotated[float, Option(min=0.0, help="Drop events shorter than this many seconds.")]
MaxGap = Annotated[float, Option(min=0.0, help="Bridge pauses of one event up to this many seconds.")]
Thresholds = Annotated[str, Option(metavar="FILE", help="Thresholds per label: a TSV with columns label, threshold.")]
Precision = Annotated[
    Literal["fp32", "bf16", "fp16", "int8"],
    Option(
        help="fp32; or faster, with slightly different scores: bf16 (CPUs with AVX512_BF16 or AMX, GPUs), fp16 (GPUs), int8 "
        "(CPUs)."
    ),
]
Jobs = Annotated[int, Option(min=0, help="Batches analysed at the same time; 0 is one per core, at most 4 on a GPU.")]
Format = Annotated[Literal["tsv", "jsonl"], Option(help="tsv with a header, or jsonl: one JSON object per line.")]


def complete_weights(incomplete: str) -> list[str]:
    """Names of checkpoints on this machine; if none fits, the shell goes on to file names."""
    from audiolog_cli.weights.find import present

    return [name for name in present() if name.startswith(incomplete)]


def complete_published(incomplete: str) -> list[str]:
    """Names of checkpoints that can be pulled."""
    from audiolog_cli.weights.pull import published

    return [name for name, entry in published().items() if entry.repo and name.startswith(incomplete)]


def complete_recipe(incomplete: str) -> list[str]:
    """Names of the built-in recipes; if none fits, the shell goes on to file names."""
    from pathlib import Path

    shipped = Path(__file__).parents[1] / "training" / "recipes"
    return [path.stem for path in sorted(shipped.glob("*.toml")) if path.stem.startswith(incomplete)]


def complete_device(incomplete: str) -> list[str]:
    return [name for name in ("auto", "cpu", "cuda", "mps") if name.startswith(incomplete)]


Weights = Annotated[
    str, Option(help="A checkpoint's path, or a name that `audiolog weights list` shows.", autocompletion=complete_weights)
]
Device = Annotated[str, Option(help="auto, cpu, cuda, cuda:N or mps.", autocompletion=complete_device)]
