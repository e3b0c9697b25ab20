# Every target does the set-up that it needs. `make demo` and `make test` are the two to know.
# Commands use relative paths only, so that a checkout may stand in a folder with spaces.

PYTHON_IN_VENV := .venv/bin/python
NAMES ?=
BENCH_FLAGS ?=
ROWS ?=
PYTEST_FLAGS ?=

.PHONY: help setup demo test lint bench accuracy supported clean

help:
	@echo "make setup   virtual environment in .venv, verilator and iverilog"
	@echo "make demo    compile two digit networks to Verilog and check them on 360 images each"
	@echo "make test    the tests"
	@echo "make lint    ruff and mypy"
	@echo "make bench   every benchmark row (NAMES='...' chooses, BENCH_FLAGS='--seeds 1')"
	@echo "             and docs/benchmarks.md"
	@echo "make accuracy   trained networks over whole test sets (E3NE_DATA) and docs/accuracy.md"
	@echo "make supported   docs/supported.md from the cases of tests/matrix"
	@echo "make clean   remove what the targets above built, .venv excepted"

setup:
	@bash scripts/setup.sh

demo: setup
	@$(PYTHON_IN_VENV) -m benchmarks demo

test: setup
	@$(PYTHON_IN_VENV) -m pytest -q -n auto --maxschedchunk 1 $(PYTEST_FLAGS)

lint: setup
	@$(PYTHON_IN_VENV) -m ruff check .
	@$(PYTHON_IN_VENV) -m ruff format --check .
	@$(PYTHON_IN_VENV) -m mypy

bench: setup
	@$(PYTHON_IN_VENV) -m benchmarks all $(NAMES) $(BENCH_FLAGS)

accuracy: setup
	@$(PYTHON_IN_VENV) -m benchmarks.accuracy measure $(ROWS)

supported: setup
	@$(PYTHON_IN_VENV) -m tests.matrix

clean:
	rm -rf build results .pytest_cache .mypy_cache .ruff_cache .hypothesis
