"""Published checkpoints: the list of those that are known, and the download of those that lie on the Hugging Face hub.

The list is `weights/published.tsv`. A download goes through `huggingface_hub` into its own cache (HF_HOME), from HF_ENDPOINT where
that is set, goes on where it was cut off, and is checked against a SHA-256: the one pinned in the list, or else the one that the hub
itself states. What was downloaded is another project's file; `model/layouts.py` makes one of ours of it. Nothing here runs unless
the user asked for a download.
"""

import hashlib
import os
import warnings
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path

from audiolog_cli.errors import WeightsError
from audiolog_cli.weights import PACKAGE

LIST = "published.tsv"
SHA256 = 64  # hexadecimal digits


@dataclass(frozen=True, slots=True)
class Published:
    """One line of the list; an empty field is not known."""

    name: str  # what it is called here
    repo: str  # on the hub; empty: not there, to be fetched by hand from `source`
    filename: str
    revision: str
    sha256: str  # empty: nobody has pinned it
    layout: str
    knows: str  # in words
    licence: str
    source: str


def published() -> dict[str, Published]:
    """The known checkpoints by name, from the installed package or the checkout."""
    path = next(path for path in (PACKAGE / "_weights" / LIST, PACKAGE.parent / "weights" / LIST) if path.is_file())
    header, *lines = path.read_text(encoding="utf-8").splitlines()
    assert header.split("\t") == [field.name for field in fields(Published)], f"{path}: unexpected columns"
    return {entry.name: entry for entry in (Published(*line.split("\t")) for line in lines)}


def by_name(name: str) -> Published:
    """The list's entry of that name; WeightsError if there is none, or if it cannot be downloaded from the hub."""
    entries = published()
    if name not in entries:
        names = ", ".join(entry.name for entry in entries.values() if entry.repo)
        raise WeightsError(f"no published weights are called {name!r}; these can be pulled: {names}")
    entry = entries[name]
    if not entry.repo:
        raise WeightsError(
            f"{name} is not on the hub: get {entry.filename} from {entry.source},"
            f" then `audiolog weights convert FILE --out {name}.safetensors`"
        )
    return entry


def download(entry: Published, offline: bool = False, show_progress: bool = False) -> Path:
    """The published file on this machine, whole and checked; what is in the cache is not fetched again.

    Raises WeightsError if the hub cannot be reached, does not have the file, stops in the middle (a second call goes on there),
    the disk is full, or the bytes are not the published ones (they are deleted).
    """
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # one request, for one file
    import huggingface_hub
    from huggingface_hub.utils import disable_progress_bars, logging

    logging.set_verbosity_error()  # its warnings repeat what the errors below say
    if not show_progress:
        disable_progress_bars()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "not enough disk space": the write says so itself if it comes to that
            found = huggingface_hub.hf_hub_download(
                entry.repo, entry.filename, revision=entry.revision, local_files_only=offline
            )
    except Exception as error:  # the hub's client lets those of its HTTP library through
        raise WeightsError(f"{entry.name}: {_reason(error, entry, offline)}") from None
    path = Path(found)
    _check(entry, path)
    return path


def _check(entry: Published, path: Path) -> None:
    """Compare the bytes with the published sum. The cache names each file by the hub's own sum, unless it is a small text."""
    blob = path.resolve()
    expected = entry.sha256 or (blob.name if len(blob.name) == SHA256 else "")
    if not expected:
        raise WeightsError(f"{entry.name}: neither the list nor the hub states a SHA-256 of {entry.filename}; not used")
    if (found := sha256_of(path)) == expected:
        return
    path.unlink()
    with suppress(FileNotFoundError):
        blob.unlink()
    raise WeightsError(
        f"{entry.name}: the hub sent other bytes than the published ones: expected SHA-256 {expected[:12]}..., found {found[:12]}...;"
        " they were deleted, pull it again"
    )


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _reason(error: Exception, entry: Published, offline: bool) -> str:
    """One line for what the hub's client raised: from the particular to the general."""
    from huggingface_hub import errors

    place = f"{entry.repo}/{entry.filename}"
    if isinstance(error, errors.LocalEntryNotFoundError):
        if offline:
            return f"{place} is not in the cache, and --offline forbids to fetch it"
        cause = error.__cause__ or error
        return f"the hub cannot be reached ({_first_line(cause)}); check the network or HF_ENDPOINT, and pull again"
    if isinstance(error, errors.GatedRepoError):
        return f"{place} is given out after consent only: sign in to the hub, accept its terms, set HF_TOKEN"
    if isinstance(error, errors.RepositoryNotFoundError | errors.EntryNotFoundError | errors.RevisionNotFoundError):
        return f"the hub has no {place} (any more); its source is {entry.source}"
    if isinstance(error, errors.HfHubHTTPError):
        return f"the hub refused {place}: {_first_line(error)}"
    if isinstance(error, OSError) and error.strerror:
        return f"the download cannot be written: {error.strerror.lower()}; make room or set HF_HOME, and pull again"
    return f"the download stopped in the middle ({_first_line(error)}); pull again, it goes on from there"


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0] or type(error).__name__
