# Two commands matter: `make run` starts the workbench, `make test` proves it. Both begin from nothing.
SHELL := /bin/sh
PY ?= python3.11
PYTHON := .venv/bin/python
export PY

.DEFAULT_GOAL := help

.PHONY: help
help: ## what can be made
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

.PHONY: setup
setup: ## .venv from requirements.lock (only when it changed)
	@tools/setup.sh

.PHONY: run
run: setup ## UI, API and a worker with demo data; UI_PORT=… API_PORT=… choose other ports
	@exec $(PYTHON) -m core.launch $(if $(UI_PORT),--ui-port $(UI_PORT)) $(if $(API_PORT),--api-port $(API_PORT))

.PHONY: browser
browser: setup
	@tools/browser.sh

.PHONY: check
check: setup ## formatting, lint, types, architecture, Dockerfile, compose file
	@$(PYTHON) -m ruff format --check --quiet .
	@$(PYTHON) -m ruff check --quiet .
	@$(PYTHON) -m mypy & types=$$!; $(PYTHON) -m pytest -q tests/architecture; rules=$$?; \
	  wait $$types && exit $$rules

# Kernels are compiled once, before several processes want them at the same time. Many tests wait for
# processes they started, so four keep two cores busy; tests/conftest.py says what they begin with.
.PHONY: test
test: setup browser check ## every check and every test, browser included
	@$(PYTHON) -m tests.kernels
	@$(PYTHON) -m pytest -q -n 4 --dist loadfile --no-loadscope-reorder \
	  -m "not e2e and not storm" --ignore=tests/architecture
	@$(PYTHON) -m pytest -q -n 2 --dist worksteal -m e2e tests/e2e

.PHONY: mutants
mutants: setup ## break every rule of the engine on purpose: does a test notice? Minutes
	@$(PYTHON) tools/mutate_rules.py

.PHONY: bench
bench: setup ## measure: engine, import, lake, page, REST, command line
	@$(PYTHON) -m benchmarks.run

.PHONY: bench-peers
bench-peers: setup ## the same work by us and by other engines, written to docs/benchmarks.md
	@$(PYTHON) -m benchmarks.peers.run

.PHONY: faults
faults: setup ## kill workers, keepers and children 1,200 times: no job may be lost or done twice
	@$(PYTHON) -m pytest -q -s -m storm tests/faults

.PHONY: format
format: setup ## let ruff arrange the code
	@$(PYTHON) -m ruff format .
	@$(PYTHON) -m ruff check --fix-only --quiet .

.PHONY: lock
lock: setup ## resolve requirements.lock anew from pyproject.toml
	@$(PYTHON) -m uv pip compile pyproject.toml --group dev --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --quiet -o requirements.lock

.PHONY: clean
clean: ## remove environments and caches; data/ and results/ stay
	@rm -rf .venv .venv-peers .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis test-results
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
