# Commands for contributors and operators. `make` alone lists them.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
TOOLS  ?= .venv-ci
DIST   ?= dist
TESTS  ?=

.PHONY: help install install-prod demo test lint types tests screenshots test-crash chart-test service-test format lock
.PHONY: test-pythons lint-workflows dist sbom audit clean clean-data
.PHONY: image-test lint-image

help:            ## list the targets
	@grep -hE '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

install: $(VENV)/.installed   ## the locked dependencies and relay itself, in .venv

$(VENV)/.installed: requirements/dev.txt pyproject.toml
	@echo "Installing the locked dependencies into $(VENV): less than a minute"
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
	@$(BIN)/pytest $(TESTS)

test-pythons:    ## the tests on each Python that relay is for and this machine has (TESTS=tests/dbt: some)
	@$(PYTHON) tools/every_python.py $(TESTS)

screenshots: install   ## the pictures of docs/dashboard.md (needs Chromium; takes two minutes)
	@$(BIN)/python tests/browser/screenshots.py

test-crash: install   ## kill every process at random during a busy night (5 minutes)
	@$(BIN)/pytest -m storm -n 0 -rP tests/crash

# helm is taken from the PATH, or fetched into .cache; so is kubernetes-validate.
chart-test: install   ## render the Helm chart and check it against Kubernetes' schemas
	@$(BIN)/python tests/deploy/chart_tools.py
	@RELAY_CHART_TOOLS=required $(BIN)/pytest -n 0 tests/deploy/test_chart.py

service-test: install   ## run the systemd unit for real, in namespaces where systemd is not process 1 (as root)
	@tests/deploy/systemd/run

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
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --group ci -c requirements/dev.txt -o requirements/ci.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --group chart -c requirements/dev.txt -o requirements/chart.txt

$(TOOLS)/.installed: requirements/ci.txt
	$(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/ci.txt
	@touch $@

lint-workflows: $(TOOLS)/.installed   ## what is wrong or unsafe in .github/workflows
	@$(TOOLS)/bin/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@$(TOOLS)/bin/zizmor --offline --quiet .github/workflows

# Of the commit, and nothing else that lies in the folder. The wheel is made of the sdist.
dist: $(TOOLS)/.installed   ## wheel, sdist and locked requirements of the last commit, in dist
	rm -rf $(DIST) build/source
	mkdir -p $(DIST) build/source
	git archive HEAD | tar -x -C build/source
	cd build/source && $(abspath $(TOOLS))/bin/python -c "from setuptools import build_meta; build_meta.build_sdist('$(abspath $(DIST))', {'--global-option': ['--quiet']})"
	$(TOOLS)/bin/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-index --no-build-isolation --wheel-dir $(DIST) $(DIST)/relay-*.tar.gz
	cp build/source/requirements/run.txt $(DIST)/requirements.txt
	rm -rf build/source

# The tool warns that a lock file does not say which package needs which.
sbom: $(TOOLS)/.installed   ## SBOM of the locked packages of a server, as CycloneDX, in dist
	@mkdir -p $(DIST)
	@version=$$($(PYTHON) tools/release_notes.py --version) && \
	$(TOOLS)/bin/python -W ignore::UserWarning -m cyclonedx_py requirements requirements/run.txt \
	  --pyproject pyproject.toml --output-reproducible --validate -o $(DIST)/relay-$$version.cdx.json && \
	echo $(DIST)/relay-$$version.cdx.json

audit: $(TOOLS)/.installed   ## known vulnerabilities of what a server runs (asks PyPI)
	@$(TOOLS)/bin/python tools/audit.py requirements/run.txt

clean:           ## delete .venv; no data
	rm -rf $(VENV) $(TOOLS) .venv-pythons

clean-data:      ## delete the embedded PostgreSQL and its data, in var
	rm -rf var
