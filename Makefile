# Commands for contributors and operators. `make` alone lists them.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin

.PHONY: help install install-prod demo test lint types tests screenshots test-crash format lock clean clean-data
.PHONY: image-test lint-image

help:            ## list the targets
	@grep -hE '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

install: $(VENV)/.installed   ## the locked dependencies and relay itself, in .venv

$(VENV)/.installed: requirements/dev.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# The setuptools of development builds relay and is removed again. build/ may hold deleted modules.
install-prod:    ## what a server needs: locked dependencies and relay, no test tools
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.txt
	sed -n '/^setuptools==/,/[^\\]$$/p' requirements/dev.txt > $(VENV)/build.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(VENV)/build.txt
	rm -rf build
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --force-reinstall .
	$(BIN)/python -m pip uninstall --quiet --disable-pip-version-check --yes setuptools
	rm -rf build $(VENV)/.installed

demo: install    ## play the demo: dbt runs trigger Census syncs, on simulators
	@$(BIN)/relay demo

test: lint types tests   ## everything CI checks

lint: install
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: install
	@$(BIN)/mypy

tests: install
	@$(BIN)/pytest

screenshots: install   ## the pictures of docs/dashboard.md (needs Chromium; takes two minutes)
	@$(BIN)/python tests/browser/screenshots.py

test-crash: install   ## kill every process at random during a busy night (5 minutes)
	@$(BIN)/pytest -m storm -n 0 -rP tests/crash

image-test:      ## build the image and run it; as root with buildah, or ENGINE=docker
	@$(PYTHON) tests/image/check.py $(or $(ENGINE),buildah)

lint-image:      ## check the Dockerfile and its scripts (needs hadolint and shellcheck)
	hadolint Dockerfile
	shellcheck deploy/image/slim.sh tests/image/compose.sh

format: install  ## format the code
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

lock:            ## resolve the dependencies again, for every Python and platform (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate pyproject.toml -o requirements/run.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate pyproject.toml --group dev -c requirements/run.txt -o requirements/dev.txt

clean:           ## delete .venv; no data
	rm -rf $(VENV)

clean-data:      ## delete the embedded PostgreSQL and its data, in var
	rm -rf var
