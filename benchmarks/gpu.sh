#!/usr/bin/env bash
# All that is to be known of a GPU, in under eight minutes: the tests that need one, then the figures, as one JSON object on stdout.
#
#     benchmarks/gpu.sh > gpu.json          in an environment with torch for the GPU; options go to benchmarks/gpu.py
set -euo pipefail
cd "$(dirname "$0")/.."
python -c 'import audiolog_cli, pytest' 2> /dev/null || python -m pip install --quiet --editable . pytest hypothesis >&2
python -m pytest -q -m gpu tests/test_devices.py >&2
python benchmarks/gpu.py "$@"
