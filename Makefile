# What there is to do here. A bare `make` lists it. Everything lands in .venv and demo/, nothing outside this folder
# but what the demo prepares once in ~/.cache/swarm.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# The Python to build .venv with: the first of these that is 3.11 or newer. make PYTHON=/path/to/python3.12 install
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
# What gives torch. The plain one brings CUDA on Linux; another build: make TORCH=/path/to/torch.whl install
TORCH ?= torch==2.13.0
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input -c constraints.txt
# Two workers; a worker that dies is a failure, not a reason for another try.
WORKERS := -p xdist -n 2 --max-worker-restart=0

.PHONY: help
help: ## list what there is
	@echo "make WHAT, where WHAT is one of"
	@sed -nE 's/^([a-z0-9]+):.*## (.*)/  \1\t\2/p' Makefile | expand -t 12

.PHONY: install
install: $(VENV)/.installed ## the swarm command with everything it needs, into .venv (.venv/bin/swarm)

.PHONY: demo
demo: install ## a small swarm on two CPU cores, from nothing to a promotion and a picture (6 minutes at most)
	@$(BIN)/python scripts/demo.py

.PHONY: test
test: lint unit e2e clients ## everything that has to pass: lint, the everyday tests, the slow ones, the real clients

.PHONY: check
check: ## what CI runs
	@.ci/run

.PHONY: lint
lint: $(VENV)/.tested ## ruff, formatting, mypy --strict, the floors of the house
	@code=0; for look in "ruff check ." "ruff format --check ." mypy lint-imports; do \
		echo "-- $$look"; $(BIN)/$$look || code=1; done; exit $$code

.PHONY: unit
unit: $(VENV)/.tested ## the everyday tests (4 minutes on two cores)
	@scripts/system.sh all
	$(BIN)/python -m pytest $(WORKERS) $(PYTEST)

.PHONY: e2e
e2e: $(VENV)/.tested ## the slow tests: whole swarms as processes, in a folder and HOME of their own
	@scripts/system.sh all
	$(BIN)/python -m pytest $(WORKERS) -m e2e --timeout=600 --durations=10 $(PYTEST)

.PHONY: bench
bench: $(VENV)/.tested ## measurements beside a floor or a peer, short ones (docs/bench.md has what long ones said)
	$(BIN)/python -m bench.screens 7 20000
	$(BIN)/python -m bench.spawn --rounds 2
	$(BIN)/python -m bench.idle 12
	$(BIN)/python -m bench.slots64 20
	$(BIN)/python -m bench.depth --repeats 4
	$(BIN)/python -m bench.policies --repeats 2 --few 0 --tries 0 --hours 1
	$(BIN)/python -m bench.memory 5 20000 2000

MINUTES ?= 10
.PHONY: soak
soak: $(VENV)/.tested ## a campaign of 64 slots under random faults, then its checker: make soak MINUTES=60 SEED=7
	@scripts/system.sh all
	@$(BIN)/python -m tests.soak $(MINUTES) $(SEED)

# Where npm cannot be reached a person may still want to know that the rest passes; CI (CI=true) may not.
.PHONY: clients
clients: $(VENV)/.tested ## the real Claude Code and Codex from npm (installed into .clients), against scripted models
	@scripts/system.sh all
	@if scripts/clients.sh; then \
		$(BIN)/python -m pytest $(WORKERS) -m clients --timeout=300 --durations=5 tests/clients $(PYTEST); \
	else \
		echo "SKIPPED: no test ran with the real Claude Code and Codex, they are not installed (see above)" >&2; \
		test -z "$${CI:-}"; \
	fi

.PHONY: format
format: $(VENV)/.tested ## let ruff put it in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: lock
lock: $(VENV)/.tested ## write constraints.txt anew from what .venv holds (build .venv without it first)
	@scripts/lock.sh $(BIN)/python > constraints.txt.new
	@mv constraints.txt.new constraints.txt

.PHONY: clean
clean: ## remove .venv, caches and what demos left here (never results.db or worktrees/)
	rm -rf $(VENV) demo build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -not -path './worktrees/*' -prune -exec rm -rf {} +

# A stamp is newer than what it was made from: nothing is installed twice. torch goes first and alone, the constraints
# name no build of it.
$(VENV)/.installed: pyproject.toml constraints.txt swarm/__init__.py
	@PYTHON="$(PYTHON)" scripts/system.sh
	@test -n "$(PYTHON)" || { echo "make: no Python 3.11 or newer found. Install one, or: make PYTHON=/path/to/python3.12 install" >&2; exit 1; }
	@test -x $(BIN)/python || { echo "making $(VENV) with $$($(PYTHON) --version)"; $(PYTHON) -m venv $(VENV); }
	@echo "installing torch"
	@$(PIP) "$(TORCH)"
	@echo "installing swarm"
	@$(PIP) -e '.[train]'
	@touch $@

$(VENV)/.tested: $(VENV)/.installed
	@echo "installing what the tests need"
	@$(PIP) -e '.[train,test]'
	@touch $@
