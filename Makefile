# Only Python 3.11 or newer (with venv) and make are assumed; everything else comes from the locks.
PYTHON ?= python3
VENV := .venv
FAUST := .venv-faust
BIN := $(VENV)/bin
# The long files first, so that no worker is left alone with one at the end.
SHARED := --numprocesses=2 --dist=loadfile --no-loadscope-reorder
# The long suites are `make proof`.
SHORT := -m 'not proof'
# A test run starts some hundred processes: what they import is compiled once, whatever the environment says.
export PYTHONDONTWRITEBYTECODE :=
# What nobody imports need not be compiled.
INSTALL := install --quiet --disable-pip-version-check --no-compile --require-hashes
PIP := $(BIN)/python -m pip $(INSTALL)

.DEFAULT_GOAL := help
.PHONY: help demo up test proof unit sdks check format bench chaos hostile lock clean

help: ## show this list
	@echo 'usage: make TARGET'
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.runtime ## the whole product with a seeded shop (HEADLESS=1: unattended; DATA=online_retail: real orders)
	@$(BIN)/python -m tests.demo

up: $(VENV)/.runtime ## the whole product, empty, until Ctrl-C
	@$(BIN)/python -m deploy.stack up

test: $(VENV)/.dev $(FAUST)/.runtime ## all tests, on a real broker and database
	@$(BIN)/python -m pytest $(SHARED) $(SHORT) $(PYTEST)

proof: $(VENV)/.dev $(FAUST)/.runtime ## the long suites, then a table part × seconds × result (PROOF=kills,sdks: these alone)
	@$(BIN)/python -m tests.proof

unit: $(VENV)/.dev ## the tests that need no broker, in a minute
	@$(BIN)/python -m pytest $(SHARED) $(SHORT) tests/unit tests/property tests/contract $(PYTEST)

sdks: $(VENV)/.dev ## the public SDKs as they are against a real stack: prints the table SDK × call × result
	@HUITOU_SDKS=required $(BIN)/python -m pytest -q -n0 tests/sdks $(PYTEST)

check: $(VENV)/.dev ## style, types and import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev ## put the code into its form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev ## figures of this machine, beside those of Quix Streams and Faust (BENCH=part)
	@$(BIN)/python -m tests.bench

chaos: $(VENV)/.dev ## faults while the chain runs, then the oracle (KILLS=100, FAULT=stop,…, MUTATION=all, HOST=faust: docs/chaos.md)
	@$(BIN)/python -m tests.chaos

hostile: $(VENV)/.dev ## the hostile corpus against an ingest of its own: sums, memory, slow clients
	@$(BIN)/python -m tests.hostile

lock: $(VENV)/.dev ## resolve the dependencies of pyproject.toml anew
	$(BIN)/uv pip compile $(LOCK) pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile $(LOCK) pyproject.toml --group dev -c requirements.lock -o requirements-dev.lock
	@cp requirements.lock requirements-faust.lock  # the same versions wherever Faust's bounds allow them
	$(BIN)/uv pip compile $(LOCK) pyproject.toml --extra faust -o requirements-faust.lock
	$(BIN)/uv pip compile $(LOCK) tests/bench/peers/quix.in -o tests/bench/peers/quix.lock
	$(BIN)/uv pip compile $(LOCK) tests/sdks/clients/python.in -o tests/sdks/clients/python.lock

LOCK := --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links

clean: ## remove what ran here: data, logs, environment (the jars in ~/.cache/huitou stay)
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m deploy.stack clean; fi
	rm -rf .local $(VENV) $(FAUST) .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; this is " + sys.version.split()[0])'
	$(PYTHON) -m venv $(VENV)

# A stamp is newer than its lock exactly when the environment holds what the lock says: another run costs nothing.
$(VENV)/.runtime: requirements.lock | $(BIN)/python
	$(PIP) -r requirements.lock
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.runtime
	$(PIP) -r requirements-dev.lock
	@touch $@

# Faust cannot live with the versions of requirements.lock: HUITOU_HOST=faust runs in an environment of its own.
$(FAUST)/.runtime: requirements-faust.lock | $(BIN)/python
	$(BIN)/python -m venv $(FAUST)
	$(FAUST)/bin/python -m pip $(INSTALL) -r requirements-faust.lock
	@touch $@
