# Everything a contributor types. `make` alone lists it.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin

.PHONY: help install demo test lint types tests test-crash format lock bench clean

help:            ## what can be made
	@grep -hE '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 18

install: $(VENV)/.installed   ## the locked dependencies and relay itself, in .venv

$(VENV)/.installed: requirements/dev.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: install    ## a dbt run becomes Census sync runs, on a sandbox
	@$(BIN)/relay demo

test: lint types tests   ## everything CI checks

lint: install
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: install
	@$(BIN)/mypy

tests: install
	@$(BIN)/pytest

test-crash: install   ## a storm: a busy night while everything is killed, at random (5 minutes)
	@$(BIN)/pytest -m storm -n 0 -rP tests/crash

format: install  ## put the code into its one form
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

lock:            ## resolve the dependencies anew, for every Python and platform (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate pyproject.toml -o requirements/run.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate pyproject.toml --group dev -c requirements/run.txt -o requirements/dev.txt

clean:           ## forget .venv and relay's own database
	rm -rf $(VENV) var
