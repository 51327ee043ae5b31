# `make run` trains and evaluates the tutorial's model; `make test` is what a change has to pass.

PYTHON ?= python3
CONFIG ?= configs/mnist_arabic.yaml

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
# A test process a processor, each with whole files: what a file trains once is trained once. Reasons of skips come last.
PYTEST := $(BIN)/python -m pytest -rs --numprocesses logical --maxprocesses 8 --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help install run test torture test-fast lint format bench clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

install: $(INSTALLED)  ## make .venv with mmcli and its tools, in the versions of constraints.txt

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

run: install  ## train CONFIG (configs/mnist_arabic.yaml) and evaluate the run
	run=$$($(BIN)/mmcli train $(CONFIG)) && $(BIN)/mmcli evaluate "$$run"

test: lint  ## linter, types and all tests
	$(PYTEST)

torture: install  ## kills, full disks, damaged files, signals, threads that wait, memory, bad configs and data: docs/reliability.md; under an hour
	failed=; for script in configs files diverge damage disk signals hangs memory kills; do \
	    echo "$$script.py"; $(BIN)/python tests/torture/$$script.py || failed="$$failed $$script.py"; \
	done; if [ -n "$$failed" ]; then echo "failed:$$failed"; exit 1; fi

test-fast: install  ## the tests that take no more than moments
	$(PYTEST) -m "not slow"

lint: install  ## linter, formatting and types, nothing changed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: install  ## mend what the linter and the formatter can mend
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: install  ## mmcli beside other programs and the machine, on one core and on all: about 20 minutes, QUICK=--quick about 4
	$(BIN)/python benchmarks/peers.py $(QUICK)

clean:  ## remove .venv and caches; runs/ stays
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
