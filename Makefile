# Everything a developer runs. Each target makes .venv from the hashed lock on first use.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Processes for the test run. More than a small machine has cores: most tests wait for sockets.
JOBS ?= 4
# Mutants that are tested at once, each in a process of its own.
MUTANTS ?= 2
# What builds the documentation's site, beside .venv: nothing else needs it.
DOCS_VENV := .venv-docs
DOCS_READY := $(DOCS_VENV)/.ready
# A second implementation, in JavaScript, that the tests talk with where npm is present.
INTEROP := tests/interop
PACKAGES := $(INTEROP)/node_modules/.ready

.PHONY: help demo run test check fmt docs bench soak mutation lock clean

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

$(READY): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Serbero needs Python 3.11 or newer, found " + sys.version.split()[0] + ". Name another with: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $@

demo: $(READY) ## a relay, a node, solvers and the real daemon, telling their story
	@$(BIN)/serbero demo

run: $(READY) ## the daemon with ./config.toml (or $SERBERO_CONFIG)
	$(BIN)/serbero run

$(PACKAGES): $(INTEROP)/package.json $(INTEROP)/package-lock.json
	@if command -v npm >/dev/null; then \
		cd $(INTEROP) && npm ci --no-audit --no-fund --ignore-scripts --loglevel=error && touch node_modules/.ready; \
	else \
		echo "npm is not installed: the tests against the JavaScript peer are left out"; \
	fi

test: $(READY) $(PACKAGES) ## every test but the long sweeps, in parallel
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m "not soak" -q

check: $(READY) ## formatting, lint, types, the layer rule
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fmt: $(READY) ## format and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(DOCS_READY): requirements-docs.lock
	$(PYTHON) -m venv $(DOCS_VENV)
	$(DOCS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-docs.lock
	@touch $@

docs: $(READY) $(DOCS_READY) ## the documentation as a site in ./site; fails on a broken link or a stale page
	$(BIN)/python tools/reference.py --check
	rm -rf site
	$(DOCS_VENV)/bin/zensical build --strict --clean
	@echo "open site/index.html"

bench: $(READY) ## measure; prints JSON with the machine's floor beside each figure
	@for each in fanout burst history footprint chat take hostile mediation; do $(BIN)/python -m bench.$$each || exit 1; done

soak: $(READY) ## the long sweeps that `make test` leaves out; SERBERO_KILLS=1000
	SERBERO_KILLS=$${SERBERO_KILLS:-1000} $(BIN)/python -m pytest -q -m soak -p no:xdist --timeout 7200

# Mutants are chosen by name so that the tests, too, are first run by name, as for each mutant: one
# that cannot be found by its name would count as one that noticed the fault.
mutation: $(READY) ## plant faults in the policy, in a copy; fails if the tests notice under 95 %
	@copy=$$(mktemp -d) && trap 'rm -rf "$$copy"' EXIT && trap 'exit 1' INT TERM && \
	tar -c --exclude node_modules --exclude __pycache__ pyproject.toml src tests | tar -x -C "$$copy" && \
	bin=$(CURDIR)/$(BIN) && cd "$$copy" && echo "several minutes, without a word" && \
	$$bin/mutmut run --max-children $(MUTANTS) 'serbero.*' > log 2>&1 || { tail -n 40 log; exit 1; } && \
	for each in $$($$bin/mutmut results | cut -d: -f1); do $$bin/mutmut show $$each; done && \
	$$bin/mutmut export-cicd-stats && \
	$$bin/python -c 'import json, sys; told = json.load(open("mutants/mutmut-cicd-stats.json")); \
	score = 100 * (told["killed"] + told["timeout"]) / told["total"]; \
	print("%(total)d mutants: %(killed)d killed, %(timeout)d timed out, %(survived)d survived;" % told, \
	"score %.1f %%" % score); sys.exit(score < 95)'

lock: $(READY) ## resolve the newest allowed versions into the locks (plain, with alerts, dev, docs)
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header pyproject.toml -o requirements.lock --upgrade
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header pyproject.toml --extra alerts --constraints requirements.lock -o requirements-alerts.lock --upgrade
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header pyproject.toml --group dev -o requirements-dev.lock --upgrade
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --group docs -o requirements-docs.lock --upgrade

clean: ## remove what the other targets made
	rm -rf $(VENV) $(DOCS_VENV) $(INTEROP)/node_modules dist build site .mypy_cache .ruff_cache .pytest_cache
