"""Run a benchmark as a processor without AVX-512 would, on one that has it.

    python benchmarks/as_avx2.py benchmarks/networks.py 1 4 8

Torch, MKL, oneDNN and FBGEMM are told by environment variables. ONNX Runtime has none, so a copy of it is used in which the two
jumps over its kernels for AVX-512 and for AVX-VNNI are always taken. They are known by their bytes, and looked for where it asks
the processor: a build in which they are not found, or found twice, is an error.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

JUMPS = {  # `je` after a test of what CPUID says; the dots are how far it jumps
    "AVX-512": rb"\x41\xf7\xc2\x00\x00\x01\x00\x74.",  # test $0x10000,%r10d
    "AVX-VNNI": rb"\x0f\xa2\xa8\x10\x74.",  # cpuid; test $0x10,%al
}
AVX2 = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "FBGEMM_ENABLE_INSTRUCTIONS": "AVX2",
    "OMP_NUM_THREADS": "1",
}


def patch(library: Path) -> None:
    """Make both jumps of ONNX Runtime's library unconditional."""
    code = bytearray(library.read_bytes())
    for name, jump in JUMPS.items():
        found = list(re.finditer(jump, code, re.DOTALL))
        if len(found) != 1:
            sys.exit(f"{library.name}: the test for {name} is there {len(found)} times; expected once; another build?")
        code[found[0].end() - 2] = 0xEB  # jmp
    library.write_bytes(code)


def main() -> None:
    """Patch a copy, then run what is named on the command line with it."""
    spec = find_spec("onnxruntime")
    if spec is None or spec.origin is None or len(sys.argv) < 2:
        sys.exit("usage: python benchmarks/as_avx2.py SCRIPT [ARGUMENT ...], with ONNX Runtime installed")
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(Path(spec.origin).parent, Path(folder, "onnxruntime"))
        (library,) = Path(folder).glob("onnxruntime/capi/onnxruntime_pybind11_state*.so")
        patch(library)
        path = os.pathsep.join(filter(None, [folder, os.environ.get("PYTHONPATH")]))
        command = [sys.executable, *sys.argv[1:]]
        sys.exit(subprocess.run(command, env=os.environ | AVX2 | {"PYTHONPATH": path}).returncode)


if __name__ == "__main__":
    main()
