# `make demo` and `make test` set up what they need; nothing is to be installed by hand but Python 3.11+.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO ?= runs/demo
export HF_HUB_DISABLE_TELEMETRY := 1

.PHONY: demo xinstruction prove real test test-all setup check format clean benchmarks references
.DEFAULT_GOAL := test

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml constraints.txt
	@test -x $(BIN)/python || { echo "making $(VENV) with $$($(PYTHON) --version)"; $(PYTHON) -m venv $(VENV); }
	@echo "installing (about two minutes on two cores) ..."
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: setup
	@$(BIN)/calque lab world build/lab --language it
	@$(BIN)/calque run build/lab/crossalpaca.yaml out=$(DEMO)

# X-Instruction in the lab, as `demo` is CrossAlpaca
xinstruction: setup
	@$(BIN)/calque lab world build/lab --language it
	@$(BIN)/calque run build/lab/xinstruction.yaml out=runs/xinstruction

# The page of the lab's experiments, half an hour of one core and more for each: make prove EXPERIMENT=xinstruction
prove: setup
	@$(BIN)/calque lab prove $(EXPERIMENT)

# The whole of X-Instruction on real text in ten languages, with a small random model: make real DATA=FOLDER
real: setup
	@test -n "$(DATA)" || { echo "say where the files are: make real DATA=FOLDER"; exit 2; }
	@$(BIN)/python benchmarks/real_text.py --data "$(DATA)"

check: setup
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

# One thread for each of the two workers: with two they wait for one another, and the suite takes nearly three times as long.
test: check
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m "not slow"

test-all: check
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

# An hour or two on two cores; the peers (benchmarks/requirements.txt) go into an environment of their own.
benchmarks: .bench/.ready
	.bench/bin/python benchmarks/all.py --page docs/speed-tables.md

# Our scores against the official rules and lm-evaluation-harness, on official files: make references DATA=FOLDER
references: .bench/.ready
	@test -n "$(DATA)" || { echo "say where the files are: make references DATA=FOLDER"; exit 2; }
	.bench/bin/python benchmarks/references.py "$(DATA)"

.bench/.ready: pyproject.toml benchmarks/requirements.txt
	@test -x .bench/bin/python || $(PYTHON) -m venv .bench
	@.bench/bin/pip install -q --disable-pip-version-check -c constraints.txt -e . -r benchmarks/requirements.txt
	@touch $@

format: setup
	$(BIN)/ruff check --fix src tests benchmarks
	$(BIN)/ruff format src tests benchmarks

clean:
	rm -rf $(VENV) build runs .mypy_cache .ruff_cache .pytest_cache src/*.egg-info
