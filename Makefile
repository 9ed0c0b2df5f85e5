# Everything runs in a virtual environment of the project's own; every target makes it first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
export RLHF_HOME ?= $(CURDIR)/.rlhf

.PHONY: demo test test-all lint bench up clean

demo: $(STAMP)
	$(BIN)/rlhf run dpo --scale laptop --arms sft,preferred_ft,best_of_n,dpo,cdpo,ipo

test: $(STAMP)
	$(BIN)/pytest --numprocesses=2 --dist=loadfile --no-loadscope-reorder

test-all: $(STAMP)
	$(BIN)/pytest --numprocesses=2 --dist=loadfile --no-loadscope-reorder -m 'exhaustive or not exhaustive'

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(STAMP)
	$(BIN)/python -m pip install --quiet --constraint requirements.lock --editable '.[bench]'
	$(BIN)/pytest tests/benchmarks --override-ini addopts= -s

up: $(STAMP)
	$(BIN)/rlhf up

clean:
	rm -rf $(VENV) $(RLHF_HOME)

$(STAMP): pyproject.toml requirements.lock
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "rlhf-atlas needs Python 3.11 or newer, this is " + sys.version'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint requirements.lock --editable '.[dev]'
	touch $@
