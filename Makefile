# What a person can do with this repository; `make help` is the menu.
# Needs Python 3.11 or newer and nothing else. Everything is installed into .venv.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# Overridable on the command line or in the environment.
PYTHON ?=
WHEELHOUSE ?=
WORKERS ?= 2
SEEDS ?= 5000
SEED ?=
HISTORIES ?= 20
CASES ?= 5000
KILLS ?=
TAKEOVERS ?= 200
PLANS ?= plans/examples
PYTEST_ARGS ?=
MOVE ?=
export PYTHON WHEELHOUSE PLANS

VENV := .venv
RUN := $(VENV)/bin
READY := $(VENV)/.ready
LAB_READY := $(VENV)/.ready-lab

.PHONY: help setup demo test browser lint types types-js check lab crash chaos chaos-sample simulate property fuzz bench \
	bench-peers bench-listeners bench-flood bench-pages schemathesis screenshots catalogues schema lock bundle bundle-proof image-proof clean

help: ## this menu
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-15s %s\n", $$1, $$2}'
	@echo
	@echo "  PYTHON=python3.13  which Python makes .venv     WHEELHOUSE=dir  install from there, without network"

setup: $(READY) ## make .venv with all that running and testing needs

$(VENV)/.dependencies: requirements/dev.txt scripts/setup.sh
	@scripts/setup.sh $(VENV) requirements/dev.txt
	@touch $@

$(READY): $(VENV)/.dependencies pyproject.toml
	@$(RUN)/python -m pip install --quiet --no-index --no-deps --no-build-isolation --editable .
	@touch $@

$(LAB_READY): $(READY) requirements/lab.txt
	@scripts/setup.sh $(VENV) requirements/lab.txt
	@touch $@

demo: $(READY) ## a simulated fleet of 140 machines is recovered before your eyes
	@$(RUN)/drorch demo

test: $(READY) ## all tests that need no hypervisor; says what to install for those it skips
	$(RUN)/python -m pytest -n $(WORKERS) --dist loadfile -m "not lab and not chaos and not browser" $(PYTEST_ARGS)

lint: $(READY) ## style, formatting and the direction of imports
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/lint-imports --no-cache

types: $(READY) ## static types, strictly
	$(RUN)/mypy
	$(RUN)/mypy -p scripts -p docs.examples

types-js: ## types of the pages' scripts, strictly (needs npm; nothing of it is shipped)
	cd tests/browser/tsc && { [ -d node_modules/typescript ] || npm ci --no-audit --no-fund; } && npm run --silent check

check: lint types test ## lint, types and test: what a change has to pass

browser: $(READY) ## the pages in a real browser: Chromium (Debian: apt-get install chromium)
	$(RUN)/python -m pytest -n $(WORKERS) --dist loadfile --timeout 600 -m browser $(PYTEST_ARGS) tests/browser

lab: $(LAB_READY) ## the suite with real hypervisors: libvirt and eight QEMU guests (root; Debian)
	$(RUN)/python -m pytest -m lab $(PYTEST_ARGS) tests

crash: $(READY) ## kill the orchestrator at KILLS random moments, and see that nothing is lost or doubled
	DRORCH_KILLS=$(or $(KILLS),100) $(RUN)/python -m pytest --timeout 3600 -m process $(PYTEST_ARGS) tests/process

chaos: $(READY) ## kills, take-overs, dead databases, full disks, stepped clocks on real processes (root; an hour)
	status=0; \
	DRORCH_KILLS=$(or $(KILLS),200) $(RUN)/python -m pytest -n $(WORKERS) --dist worksteal --timeout 3600 \
		-m chaos --ignore tests/chaos/test_takeover.py $(PYTEST_ARGS) tests/chaos || status=$$?; \
	DRORCH_TAKEOVERS=$(TAKEOVERS) $(RUN)/python -m pytest -s --timeout 3600 $(PYTEST_ARGS) tests/chaos/test_takeover.py \
		|| status=$$?; \
	exit $$status

chaos-sample: ## a sample of it, other cases each time: 40 kills, 6 take-overs, minutes
	@$(MAKE) --no-print-directory chaos KILLS=40 TAKEOVERS=6

simulate: $(READY) ## SEEDS random disasters in virtual time against every promise; SEED=n replays one
	PYTHONHASHSEED=0 $(RUN)/python -m tests.simulation $(SEEDS) --workers $(WORKERS) $(if $(SEED),--seed $(SEED) -v)

property: $(READY) ## random histories of commands, HISTORIES times as many as in `make test`
	DRORCH_SEEDS=$(HISTORIES) $(RUN)/python -m pytest --timeout 3600 $(PYTEST_ARGS) tests/property tests/scenarios

fuzz: $(READY) ## CASES plans and bodies that nobody would send: no crash, none over 1 s or 200 MB; SEED=n is the first
	$(RUN)/python -m tests.fuzz $(CASES) --workers $(WORKERS) $(if $(SEED),--seed $(SEED))

bench-pages: $(READY) ## a run of 2,000 steps in Chromium: paint, lateness, processor, memory (three minutes)
	$(RUN)/python -m bench.pages

schemathesis: $(READY) ## every call with EXAMPLES cases of each kind, for every role: nothing breaks, all is documented
	DRORCH_EXAMPLES=$(or $(EXAMPLES),200) $(RUN)/python -m pytest --timeout 14400 $(PYTEST_ARGS) tests/api/test_schemathesis.py

bench: $(READY) ## the figures: makespan, cost of a machine, time to resume
	$(RUN)/python -m bench

bench-peers: $(READY) ## drorch beside doit, DBOS and Prefect (about ten minutes); writes docs/benchmarks.{md,svg}
	$(RUN)/python -m bench.peers

bench-listeners: $(READY) ## 1,000 who watch a run live: how late they hear, what it takes (two minutes)
	$(RUN)/python -m bench.listeners

bench-flood: $(READY) ## a recovery while somebody floods the service: how late its steps come (a minute)
	$(RUN)/python -m bench.flood

screenshots: $(READY) ## the pictures of the pages in docs/images, from the demo's fleet (Chromium)
	$(RUN)/python -m scripts.screenshots

catalogues: $(READY) ## collect what is said to people into api/locale; translate what is new there
	$(RUN)/python -m scripts.catalogues

schema: $(READY) ## write what is generated: the JSON Schema of plans and parts of the documents
	$(RUN)/python -m scripts.documents

lock: ## pin what pyproject.toml asks for, with hashes (needs uv); MOVE="name ..." or MOVE=--upgrade
	@scripts/lock.sh $(MOVE)

bundle: $(READY) ## dist/drorch-VERSION-bundle.tar.gz: installs without network; PLANS=dir goes in
	@scripts/bundle.sh

bundle-proof: bundle ## install the bundle in a clean Debian without network, and use it (root)
	@scripts/prove_bundle.sh

image-proof: ## run the Dockerfile's steps in a clean Debian (root; no container engine needed)
	@scripts/prove_image.sh

clean: ## remove .venv, dist and caches
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
