# What people do with a checkout. `make` alone lists it. Needs Python 3.11 or newer, nothing else, and no root.

PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help serve test test-full check fix bench abuse fuzz lock wheel sbom audit clean

help:           ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 12

serve: .venv/run  ## Set up and start Postroad with no configuration file
	@$(BIN)/postroad serve

test: .venv/dev  ## The quick tests: minutes, no root, no browser, no Node
	$(BIN)/pytest -m "not full" -n auto --dist worksteal

test-full: .venv/full  ## What the quick tests leave out: crash runs and real servers
	$(BIN)/pytest -m alone
	$(BIN)/pytest -m "full and not alone" -n auto --dist worksteal

check: .venv/full  ## Format, lint, types, import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: .venv/dev  ## Format, and mend what the linter can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/full  ## Measure ingest, batches and delivery, in one run
	$(BIN)/python -m bench

abuse: .venv/run  ## Attack a server of its own on loopback, and measure what others notice of it
	$(BIN)/python -m bench.abuse

CASES ?= 1000000
SEED ?= 1
fuzz: .venv/run  ## Try CASES=1000000 requests of SEED=1 that are nearly right, on what reads bytes from anybody
	$(BIN)/python -m bench.fuzz --cases $(CASES) --seed $(SEED)

# Each version with the hashes of all its files, for every platform and Python; no address of an index. The full one
# first: the others have the versions that it has, as all of them are installed into one environment.
COMPILE = $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --no-emit-index-url
lock: .venv/full  ## Renew the lock files from pyproject.toml
	$(COMPILE) --upgrade --extra dev --extra full --group build pyproject.toml -o requirements-full.lock
	$(COMPILE) --upgrade -c requirements-full.lock --extra dev pyproject.toml -o requirements-dev.lock
	$(COMPILE) --upgrade -c requirements-full.lock pyproject.toml -o requirements.lock
	$(COMPILE) --upgrade -c requirements-full.lock --extra postgres --extra parquet pyproject.toml -o requirements-extras.lock
	$(COMPILE) --upgrade -c requirements-full.lock --group build -o requirements-build.lock

wheel: .venv/run  ## Build the package that pipx, uv and pip install, in dist/
	@$(BIN)/python -m hatchling build -t wheel -d dist

sbom:           ## Write what a server with all extras is made of to dist/postroad.cdx.json (CycloneDX)
	@mkdir -p dist && $(PYTHON) packaging/sbom.py >dist/postroad.cdx.json && echo "wrote dist/postroad.cdx.json"

audit: .venv/full  ## Look for known holes in what a server runs; says so where their database can't be reached
	@$(BIN)/python packaging/audit.py requirements-extras.lock requirements-build.lock

clean:          ## Remove the environment and the caches
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Postroad needs Python 3.11 or newer; \
	this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.12 ...")'
	@echo "Making an environment in .venv with $$($(PYTHON) --version) ..."
	@$(PYTHON) -m venv .venv

# $(call install,LOCKS) installs what lock files name, and nothing whose hash they don't have; a minute or two where pip's
# cache has nothing. What builds Postroad's own package is locked apart: no server needs it.
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check
define install
	@echo "Installing what $(firstword $(1)) names into .venv; the first time that takes a minute or two ..."
	@$(PIP) --require-hashes $(addprefix -r ,$(1))
endef
define install-itself
	@echo "Installing Postroad itself ..."
	@$(PIP) --no-deps --no-build-isolation -e .
endef

.venv/run: requirements.lock requirements-build.lock pyproject.toml | .venv/bin/python
	$(call install,requirements.lock requirements-build.lock)
	$(install-itself)
	@touch $@

.venv/dev: requirements-dev.lock requirements-build.lock pyproject.toml | .venv/bin/python
	$(call install,requirements-dev.lock requirements-build.lock)
	$(install-itself)
	@touch $@ .venv/run

.venv/full: requirements-full.lock .venv/dev | .venv/bin/python
	$(call install,requirements-full.lock)
	@touch $@
