# `make serve` and `make test` do all their own set-up; a second run finds it done and takes no time.

PYTHON ?= python3
ARGS ?=

BIN := .venv/bin
JS := tests/vendor/js
# Stamps: each says that its step was done for the present state of the files that it depends on.
VENV := .venv/.made
SERVER := .venv/.server
TESTS := .venv/.tests
DEBIAN := .venv/.debian
NODE := $(JS)/node_modules/.made

.DEFAULT_GOAL := help
.SUFFIXES:
.PHONY: help serve test lint format lock bench setup clean

help: ## show this
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 10

serve: $(SERVER) ## start an organisation with sample data, kept in .orgstead; ARGS="…" adds options
	@$(BIN)/orgstead serve --data .orgstead --sample $(ARGS)

test: lint $(NODE) $(DEBIAN) ## lint, then the whole test suite; ARGS="…" goes to pytest
	@$(BIN)/python -m pytest -n 2 $(ARGS)

lint: $(TESTS) ## check style, format and types
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet || { echo "not formatted: run 'make format'" >&2; exit 1; }
	@$(BIN)/mypy src

format: $(TESTS) ## format the code and fix what can be fixed without thinking
	@$(BIN)/ruff check --fix-only --quiet
	@$(BIN)/ruff format

lock: ## write requirements/*.txt and the npm lock anew; ARGS=--upgrade takes newer versions
	@scripts/lock $(ARGS)

bench: $(TESTS) ## compare speed with the ceiling and with SAP CAP; ARGS names the benchmarks (all)
	@$(BIN)/python -m bench $(or $(ARGS),all)

setup: $(TESTS) $(NODE) $(DEBIAN) ## only set up what the tests need

clean: ## remove everything that was made here, except data
	rm -rf .venv $(JS)/node_modules .pytest_cache .mypy_cache .ruff_cache .hypothesis dist

$(VENV): scripts/make-venv
	@PYTHON=$(PYTHON) scripts/make-venv .venv
	@touch $@

$(SERVER): $(VENV) requirements/server.txt pyproject.toml
	@scripts/install .venv requirements/server.txt
	@touch $@

# The lock of the tests holds the server's, so the server is set up too: in this order, lest make repeat it.
$(TESTS): $(VENV) requirements/test.txt requirements/server.txt pyproject.toml
	@scripts/install .venv requirements/test.txt
	@touch $(SERVER) $@

$(DEBIAN): $(VENV) scripts/debian-packages
	@scripts/debian-packages
	@touch $@

$(NODE): $(DEBIAN) $(JS)/package-lock.json
	@npm ci --prefix $(JS) --ignore-scripts --loglevel=error >/dev/null
	@touch $@
