"""The rules of ARCHITECTURE.md that a machine can check: who imports whom, and what light commands do not import."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "audiolog_cli"

# From the top: a file imports only from layers below its own, or from files of its own package.
LAYERS = (
    ("__init__", "__main__"),
    ("cli",),
    ("commands", "variables"),
    ("report", "teaching"),
    ("training", "llm", "evaluation"),
    ("tagging", "mixing", "datasets", "check"),
    ("model", "metrics"),
    ("sound", "weights"),
    ("cells", "rows", "parquet", "reading", "pictures"),
    ("editors", "tally"),
    ("columns", "wording"),
    ("records", "terminal", "side_files", "host"),
    ("moments",),
    ("errors",),
)
HEAVY = ("torch", "torchaudio", "safetensors", "onnx", "onnxruntime")
MODULES = sorted(PACKAGE.rglob("*.py"))
SCRIPTS = sorted(
    path for folder in ("benchmarks", "examples", "experiments", "tools") for path in PACKAGE.parent.glob(f"{folder}/*.py")
)


def level(name: str) -> int:
    return next(i for i, layer in enumerate(LAYERS) if name in layer)


def imports(path: Path) -> list[str]:
    """Every module that a file imports, anywhere in it."""
    found: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return found


def part(path: Path) -> str:
    """The layer name of a file: its own, or its package's."""
    relative = path.relative_to(PACKAGE)
    return relative.parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_imports_only_from_layers_below(path: Path) -> None:
    own = part(path)
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "audiolog_cli" and len(parts) > 1 and parts[1] != "__version__" and parts[1] != own:
            assert level(own) < level(parts[1]), f"{path.name} ({own}) imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_what_needs_the_networks_imports_torch(path: Path) -> None:
    heavy = [name for name in imports(path) if name.split(".")[0] in HEAVY]
    assert part(path) in ("model", "tagging", "training", "mixing", "teaching") or not heavy


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_modules_stay_readable(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 600
    assert ast.get_docstring(ast.parse(text)), "a module opens with what goes in, what comes out"


def functions(path: Path) -> set[str]:
    return {node.name for node in ast.parse(path.read_text(encoding="utf-8")).body if hasattr(node, "name")}


def test_the_paths_of_a_recording_and_a_window_name_what_there_is() -> None:
    """`FILE.py  function, function` and `file.function` in ARCHITECTURE.md name functions that exist there."""
    text = (PACKAGE.parent / "ARCHITECTURE.md").read_text(encoding="utf-8")
    text = text[: text.index("## Records")]
    listed = re.findall(r"^    (\S+\.py) +((?:\w+, )*\w+)  ", text, re.MULTILINE)
    assert len(listed) > 10
    for file, names in listed:
        assert set(names.split(", ")) <= functions(PACKAGE / file), file
    modules = {path.stem: path for path in MODULES}
    dotted = [pair for pair in re.findall(r"\b(\w+)\.(\w+)\b", text) if pair[0] in modules and pair[1] not in ("py", "md")]
    assert len(dotted) > 15
    for module, name in dotted:
        assert any(name in functions(path) for path in MODULES if path.stem == module), f"{module}.{name}"


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_a_script_imports_of_the_package_is_there(path: Path) -> None:
    """Most scripts are run once in a while, and by no test."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE.name):
            exec(compile(ast.Module([node], []), path, "exec"), {})


ONE_CELL = "filename\tonset\toffset\tkind\tlabel\tscore\na.wav\t0.000\t1.000\tscene\tpark\t0.900\n"


@pytest.mark.parametrize("arguments", [["--help"], ["tag", "--help"], ["table"], ["summarize", "--quiet"]], ids=" ".join)
def test_light_commands_never_import_torch(arguments: list[str]) -> None:
    program = (
        "import sys; from audiolog_cli.cli import main; sys.argv[0] = 'audiolog'; code = main();"
        "heavy = {'torch', 'torchaudio', 'onnx', 'onnxruntime', 'numpy', 'av', 'httpx', 'ollama'};"
        "print(sorted({name.split('.')[0] for name in sys.modules} & heavy), file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", program, *arguments], input=ONE_CELL, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "[]\n")
