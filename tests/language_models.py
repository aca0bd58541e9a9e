"""Tiny real language models for the tests: llama weights that are a table of which word follows which.

One layer whose attention and feed-forward add nothing, one-hot embeddings, and an output matrix with a large weight wherever one
token is to follow another. At temperature 0 such a model says its sentence after any prompt and stops; constrained to JSON it
says its JSON instead. They prove protocols, budgets and checks on a real server, not the quality of prose.
"""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIAL = ["<unk>", "<s>", "</s>", "<|im_start|>", "<|im_end|>"]
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, BYTE = 1, 2, 3, 4, 6  # llama.cpp's kinds of tokens
END, NEWLINE = 4, 5 + 10  # token numbers: <|im_end|>, and the byte 0x0A that every prompt ends with


def llama_server() -> Path | None:
    """llama.cpp's server: AUDIOLOG_LLAMA_SERVER, the one `make llama-server` installs, or one on the path."""
    named = os.environ.get("AUDIOLOG_LLAMA_SERVER") or ROOT / "build" / "llama-server" / "llama-server"
    found = shutil.which(named) or shutil.which("llama-server")
    return Path(found) if found else None


def pieces(text: str) -> list[str]:
    """A text in pieces that all differ, as a bigram needs: words, lengthened where one repeats."""
    found: list[str] = []
    piece = ""
    for character in text:
        if piece.strip() and character in " \n" and piece not in found:
            found.append(piece)
            piece = ""
        piece += character
    if piece in found:
        piece = found.pop() + piece
    return [*found, piece]


def write_model(path: Path, sentences: list[str], context: int = 131072, seed: int | None = None) -> None:
    """A GGUF model that says the first of `sentences` that it may say; with a seed, a model of random weights."""
    import gguf

    spoken = [pieces(sentence) for sentence in sentences]
    words = list(dict.fromkeys(piece for sentence in spoken for piece in sentence))
    tokens = SPECIAL + [f"<0x{byte:02X}>" for byte in range(256)] + words
    kinds = [UNKNOWN, CONTROL, CONTROL, CONTROL, CONTROL] + [BYTE] * 256 + [USER_DEFINED] * len(words)
    size = -(-len(tokens) // 64) * 64
    output = np.zeros((len(tokens), size), np.float32)
    if seed is not None:
        output = np.random.default_rng(seed).normal(size=output.shape).astype(np.float32)
    for rank, sentence in enumerate(spoken):
        numbers = [NEWLINE, *(tokens.index(piece) for piece in sentence), END]
        for current, following in zip(numbers, numbers[1:], strict=False):
            output[following, current] = 2.0 - rank / 4  # after the prompt the first sentence is likelier than the second
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_context_length(context)
    writer.add_embedding_length(size)
    writer.add_block_count(1)
    writer.add_feed_forward_length(64)
    writer.add_head_count(4)
    writer.add_head_count_kv(4)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(size // 4)
    writer.add_vocab_size(len(tokens))
    writer.add_file_type(0)
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(END)
    writer.add_add_bos_token(True)
    writer.add_add_space_prefix(False)
    writer.add_chat_template(TEMPLATE)
    embedding = np.zeros((len(tokens), size), np.float32)
    embedding[np.arange(len(tokens)), np.arange(len(tokens))] = 1.0
    square = np.zeros((size, size), np.float32)
    for name, tensor in {
        "token_embd.weight": embedding,
        "output_norm.weight": np.ones(size, np.float32),
        "output.weight": output,
        "blk.0.attn_norm.weight": np.ones(size, np.float32),
        "blk.0.ffn_norm.weight": np.ones(size, np.float32),
        **{f"blk.0.attn_{part}.weight": square for part in ("q", "k", "v", "output")},
        "blk.0.ffn_gate.weight": np.zeros((64, size), np.float32),
        "blk.0.ffn_up.weight": np.zeros((64, size), np.float32),
        "blk.0.ffn_down.weight": np.zeros((size, 64), np.float32),
    }.items():
        writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(server: Path, model: Path, *options: str) -> Iterator[str]:
    """llama.cpp's server with a model, on a free port; gives its address."""
    address = f"127.0.0.1:{(port := free_port())}"
    command = [str(server), "-m", str(model), "--host", "127.0.0.1", "--port", str(port), "-t", "1", *options]
    log = model.with_suffix(".log")
    with log.open("wb") as messages:
        process = subprocess.Popen(command, stdout=messages, stderr=messages)
    try:
        for _ in range(600):
            assert process.poll() is None, log.read_text()[-2000:]
            try:
                if httpx.get(f"http://{address}/health", trust_env=False).status_code == 200:
                    break
            except httpx.HTTPError:
                pass
            time.sleep(0.05)
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(timeout=20)
