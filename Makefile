PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DATA ?= ../shared/data
DEV := $(VENV)/.dev-installed
RUN := $(VENV)/.run-installed

.PHONY: demo test test-slow lint check bench docs clean

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(RUN): pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(DEV): pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@ $(RUN)

demo: $(RUN)  ## fit, simulate and audit on the bundled sample; writes demo-out/report.html
	$(BIN)/understudy demo --out demo-out

test: $(DEV)  ## the fast suite: offline, deterministic
	$(BIN)/python -m pytest -n 2

test-slow: $(DEV)  ## the tests marked slow
	$(BIN)/python -m pytest -n 2 -m slow

lint: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check: lint test

bench: $(DEV)  ## the figures of the README, on the corpora in DATA
	$(BIN)/python -m bench --data $(DATA)

docs: $(DEV)  ## regenerate what docs/ generates from the code
	$(BIN)/python docs/generate.py

clean:
	rm -rf $(VENV) demo-out bench/out
