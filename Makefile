PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DATA ?= ../shared/data
DEV := $(VENV)/.dev-installed
RUN := $(VENV)/.run-installed

.PHONY: demo browser test test-slow test-peers lint check bench docs clean

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

browser:  ## Debian's chromium, for the tests of the raters' panel; without it they are skipped
	@command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive timeout 300 \
		apt-get install -y -qq --no-install-recommends chromium; } >/dev/null 2>&1 || \
		echo "chromium cannot be had here: tests in a browser will be skipped"

test: $(DEV) browser  ## the fast suite: offline, deterministic
	$(BIN)/python -m pytest -n 2

test-slow: $(DEV)  ## the tests marked slow
	$(BIN)/python -m pytest -n 2 -m slow

test-peers: $(DEV)  ## the peers, each in an environment under .venv-peers (gigabytes), talk to our users
	$(BIN)/python -m tests.integrations.peers

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
	rm -rf $(VENV) .venv-peers demo-out bench/out
