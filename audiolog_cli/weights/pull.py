"""Published checkpoints: the list of known ones, and the download of those on the Hugging Face hub or a web site.

The list is `weights/published.tsv`. A download from the hub goes through `huggingface_hub`, from HF_ENDPOINT where that is set;
files in its cache (HF_HOME) are taken from there. An interrupted download resumes, and is checked against a SHA-256: the one
pinned in the list, or else the one that the hub states; a web site states none. Of some files only the first digits are pinned:
that detects damage and mix-ups, but not a file forged to match. A downloaded file is another project's; `model/layouts.py`
converts it. Nothing here runs unless the user asked for a download.
"""

import hashlib
import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from audiolog_cli.errors import WeightsError
from audiolog_cli.host import user_cache
from audiolog_cli.terminal import first_line
from audiolog_cli.weights.find import PACKAGE

LIST = "published.tsv"
SHA256 = 64  # hexadecimal digits
SITE = ("https://", "http://")


@dataclass(frozen=True, slots=True)
class Published:
    """One line of the list; an empty field is not known."""

    name: str  # its name here
    repo: str  # on the hub, or the address of a site's releases; empty: to be fetched by hand from `source`
    filename: str
    revision: str
    sha256: str  # or its first digits; empty: not pinned
    layout: str
    knows: str  # in words
    licence: str
    source: str

    @property
    def url(self) -> str:
        """The file's address on a web site; empty for the hub's files."""
        return f"{self.repo}/{self.revision}/{self.filename}" if self.repo.startswith(SITE) else ""


def published() -> dict[str, Published]:
    """The known checkpoints by name, from the installed package or the checkout."""
    path = next(path for path in (PACKAGE / "_weights" / LIST, PACKAGE.parent / "weights" / LIST) if path.is_file())
    header, *lines = path.read_text(encoding="utf-8").splitlines()
    assert header.split("\t") == [field.name for field in fields(Published)], f"{path}: unexpected columns"
    return {entry.name: entry for entry in (Published(*line.split("\t")) for line in lines)}


def by_name(name: str) -> Published:
    """The list's entry of that name; WeightsError if there is none, or if it is to be fetched by hand."""
    entries = published()
    if name not in entries:
        names = ", ".join(entry.name for entry in entries.values() if entry.repo)
        raise WeightsError(f"no published weights are called {name!r}; these can be pulled: {names}")
    entry = entries[name]
    if not entry.repo:
        raise WeightsError(
            f"{name} cannot be downloaded from here: get {entry.filename} from {entry.source},"
            f" then `audiolog weights convert FILE --out {name}.safetensors`"
        )
    return entry


def download(entry: Published, offline: bool = False, show_progress: bool = False) -> Path:
    """The published file on this machine, complete and checked: from the hub's cache, or downloaded.

    Raises WeightsError if the hub cannot be reached, does not have the file or stops in the middle (a second call resumes), if
    the disk is full, or if the bytes are not the published ones (they are deleted).
    """
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # request nothing but the file
    import huggingface_hub
    from huggingface_hub.utils import logging

    logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # its warnings repeat what the errors below say
    if entry.url:
        if offline:
            raise WeightsError(f"{entry.name}: {entry.url} is not on this machine, and --offline forbids to fetch it")
        return _fetch(entry, entry.url, show_progress)
    cached = huggingface_hub.try_to_load_from_cache(entry.repo, entry.filename, revision=entry.revision)
    if isinstance(cached, str):
        check_sum(entry, Path(cached), stated_sum(Path(cached).resolve().name))
        return Path(cached)
    if offline:
        raise WeightsError(
            f"{entry.name}: {entry.repo}/{entry.filename} is not in the hub's cache, and --offline forbids to fetch it"
        )
    return _from_hub(entry, show_progress)


def folder_of(name: str, offline: bool = False, show_progress: bool = False) -> Path:
    """A published CLAP as transformers reads it, with its configuration and tokenizer, in the hub's own cache.

    WeightsError as from `download`, and for one of another layout.
    """
    entry = by_name(name)
    if not entry.layout.startswith("CLAP of transformers"):
        raise WeightsError(
            f"{name}: a checkpoint of {entry.layout}, which has no texts; expected a CLAP as transformers saves it"
        )
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from huggingface_hub import errors, snapshot_download

    wanted, bar = [entry.filename, "*.json", "merges.txt"], _bar(show_progress)
    try:
        found = snapshot_download(
            entry.repo, revision=entry.revision, allow_patterns=wanted, local_files_only=offline, tqdm_class=bar
        )
    except Exception as error:  # its HTTP library's errors are not the hub's
        if offline and isinstance(error, errors.LocalEntryNotFoundError):
            raise WeightsError(f"{name}: {entry.repo} is not in the hub's cache, and --offline forbids to fetch it") from None
        raise WeightsError(f"{name}: {_no_answer(error, entry)}") from None
    folder = Path(found)
    if not (folder / entry.filename).is_file():
        raise WeightsError(f"{name}: {entry.filename} is not in {folder}; pull it again with a network")
    check_sum(entry, folder / entry.filename, stated_sum((folder / entry.filename).resolve().name))
    return folder


def _from_hub(entry: Published, show_progress: bool) -> Path:
    """Ask the hub for the file's checksum and size, then download it."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

    url = hf_hub_url(entry.repo, entry.filename, revision=entry.revision)
    try:
        metadata = get_hf_file_metadata(url)
    except Exception as error:  # errors of its HTTP library are not wrapped
        raise WeightsError(f"{entry.name}: {_no_answer(error, entry)}") from None
    return _fetch(entry, url, show_progress, stated_sum(metadata.etag or ""), metadata.size, build_hf_headers())


def _fetch(
    entry: Published,
    url: str,
    show_progress: bool,
    expected: str = "",
    size: int | None = None,
    headers: dict[str, str] | None = None,
) -> Path:
    """Fetch into a file named by its sum, so that parts of different versions never mix. `hf_hub_download` starts over each time.

    `headers` may hold a token for the hub: other sites get none.
    """
    from huggingface_hub.file_download import http_get

    partial = user_cache("downloads") / f"{entry.sha256 or expected or entry.name}.part"
    try:
        partial.parent.mkdir(parents=True, exist_ok=True)
        partial.touch()
        with open(partial, "r+b") as file:
            start = file.seek(0, os.SEEK_END)
            bar, name = _bar(show_progress), entry.filename
            http_get(
                url, file, resume_size=start, headers=headers or {}, expected_size=size, displayed_filename=name, tqdm_class=bar
            )
    except Exception as error:
        begun = partial.is_file() and partial.stat().st_size > 0
        raise WeightsError(f"{entry.name}: {_stopped(error, begun)}") from None
    check_sum(entry, partial, expected)
    return partial.replace(partial.with_name(entry.filename))


def _bar(is_shown: bool) -> type[Any]:
    """The hub's progress bar, or one that is never drawn."""
    from huggingface_hub.utils import tqdm  # type: ignore[attr-defined]

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        tqdm.__init__(self, *args, **(kwargs | {"disable": True}))  # type: ignore[no-untyped-call]

    return tqdm if is_shown else type("Silent", (tqdm,), {"__init__": __init__})


def stated_sum(etag: str) -> str:
    """The SHA-256 that the hub states: the ETag of every large file, and its name in the hub's cache; empty for a small text."""
    return etag if len(etag) == SHA256 else ""


def check_sum(entry: Published, path: Path, stated: str) -> None:
    """Compare the file with the pinned sum or the hub's; if they differ, delete it and raise WeightsError."""
    expected = entry.sha256 or stated
    if not expected:
        raise WeightsError(f"{entry.name}: neither the list nor the hub states a SHA-256 of {entry.filename}; not used")
    if (found := sha256_of(path)).startswith(expected):
        return
    path.resolve().unlink()  # in the hub's cache this is the file that a link points to ...
    path.unlink(missing_ok=True)  # ... and this is the link
    raise WeightsError(
        f"{entry.name}: {'the site' if entry.url else 'the hub'} sent other bytes than the published ones:"
        f" expected SHA-256 {expected[:12]}..., found {found[:12]}...; they were deleted, pull it again"
    )


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def origin_of(path: Path, entry: Published | None = None) -> dict[str, str]:
    """The origin of a published file, for the card of what is made from it: its checksum; source and licence if that is pinned.

    `entry` is the file's entry if it is known without its checksum.
    """
    found = sha256_of(path)
    known = entry or next((entry for entry in published().values() if entry.sha256 and found.startswith(entry.sha256)), None)
    return {"sha256": found} | ({"source": known.source, "licence": known.licence} if known else {})


def _no_answer(error: Exception, entry: Published) -> str:
    """Why the hub does not provide the file, in one line."""
    from huggingface_hub import errors

    place = f"{entry.repo}/{entry.filename}"
    if isinstance(error, errors.GatedRepoError):
        return f"{place} is given out after consent only: sign in to the hub, accept its terms, set HF_TOKEN"
    if isinstance(error, errors.RepositoryNotFoundError | errors.EntryNotFoundError | errors.RevisionNotFoundError):
        return f"the hub has no {place} (any more); its source is {entry.source}"
    if isinstance(error, errors.HfHubHTTPError):
        return f"the hub refused {place}: {first_line(error)}"
    return f"the hub cannot be reached ({first_line(error)}); check the network or HF_ENDPOINT, and pull again"


def _stopped(error: Exception, begun: bool) -> str:
    """Why the download did not begin or not finish, in one line."""
    if isinstance(error, OSError) and error.strerror and not isinstance(error, ConnectionError):
        return f"the download cannot be written: {error.strerror.lower()}; make room or set XDG_CACHE_HOME, and pull again"
    if not begun:
        return f"the download did not begin ({first_line(error)}); check the network and its proxies, and pull again"
    return f"the download stopped in the middle ({first_line(error)}); pull again, it goes on from there"
