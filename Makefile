# Two commands: `make run` serves everything at http://localhost:7860, `make test` runs the tests.

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
VENV   ?= .venv
BIN    := $(VENV)/bin
# One process for each core, four at most; the tests of one file stay together.
TESTS  := -n logical --maxprocesses 4 --dist loadfile
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check --retries 5 --constraint constraints.txt
CODE   := engine api ui_gradio ui_streamlit app.py tests benchmarks

.DEFAULT_GOAL := help
.PHONY: help install install-test run test test-all check format lint types lock screenshots clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

run: install ## Install into .venv and serve everything at http://localhost:7860
	$(BIN)/lightbox serve

test: install-test ## Install what tests need and run them all
	@$(BIN)/python -m pytest $(TESTS)

test-all: install-test ## Run every test, also the slow ones (tests/tiers.py)
	@$(BIN)/python -m pytest $(TESTS) --thorough

check: install-test ## Format, lint, types, tests: run before each landing
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)
	$(BIN)/mypy
	@$(BIN)/python -m pytest $(TESTS)

format: install-test ## Format the code
	$(BIN)/ruff format $(CODE)
	$(BIN)/ruff check --fix $(CODE)

lint: install-test ## Format check and lint
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)

types: install-test ## Type check
	$(BIN)/mypy

install: $(VENV)/.installed
install-test: $(VENV)/.installed-test

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; none was found."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed, but $(PYTHON) is `$(PYTHON) --version`; set PYTHON=..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing Lightbox into $(VENV): a few minutes and about 8 GB the first time."
	$(PIP) --editable '.[agents,cloud,spine]'
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(PIP) --editable '.[agents,cloud,spine,test]'
	@PYTHON=$(BIN)/python sh tests/browser/install_chromium.sh
	@touch $@

lock: install-test ## Write the versions of this environment to constraints.txt
	$(BIN)/python -m pip freeze --exclude-editable --exclude lightbox-imaging > constraints.txt

clean: ## Remove what can be made again
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
