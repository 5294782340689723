# The verbs of this project. Each one that needs it sets everything up first; nothing but Python and pip is required.
# PYTHON=python3.13 make demo   chooses the interpreter; .venv is made anew when it changes.

SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
# One thread for the resamplers' small matrices: a pool would cost more than it saves.
export OPENBLAS_NUM_THREADS ?= 1

.PHONY: help setup demo demo-all talk test test-system soak mutants fuzz infra-check check fix serve bench lock clean

help:
	@echo "make demo    hold a spoken call on this machine, with no account"
	@echo "make demo-all   hold every scene of the demo, one after another"
	@echo "make talk    hold the scenarios of the example agents, at three pitches (2 minutes)"
	@echo "make test    run every test"
	@echo "make test-system   run other people's clients and agents against the stand-ins (needs node, npm, chromium)"
	@echo "make soak CALLS=100000   hold so many made-up calls, with faults; goes on where it was stopped"
	@echo "make mutants   change the call core in thousands of small ways, and name what no test notices (20 minutes)"
	@echo "make fuzz RUNS=100000   feed bytes that nobody meant to both wire parsers, the recording reader and a call"
	@echo "make infra-check   lint the templates below infra/, and plant a mistake in each (needs promtool, systemd)"
	@echo "make serve   answer the phone (with a local Realtime server unless .env names one)"
	@echo "make check   formatting, lint, types, layers"
	@echo "make fix     format, and repair what can be repaired"
	@echo "make bench   measure, this bridge beside others; ratios only (20 minutes; installs 450 MB the first time)"
	@echo "make setup   what all of these do first: .venv with the locked packages"

# Whoever names another Python than .venv was made with gets it made anew.
ifneq ($(origin PYTHON),file)
VERSION := import sys; print(sys.version_info[:2])
ifneq ($(shell $(PYTHON) -c '$(VERSION)' 2>&1),$(shell $(BIN)/python -c '$(VERSION)' 2>&1))
.PHONY: .venv/installed
endif
endif

setup: .venv/installed

.venv/installed: infra/setup.sh requirements.lock pyproject.toml
	@PYTHON="$(PYTHON)" bash infra/setup.sh

demo: setup
	@$(BIN)/voice-agent demo

demo-all: setup
	@for scene in $$($(BIN)/voice-agent demo --list | cut -d' ' -f1); do \
		echo "== $$scene"; $(BIN)/voice-agent demo $$scene || failed="$$failed $$scene"; echo; \
	done; if [ -n "$$failed" ]; then echo "these scenes went otherwise than told:$$failed"; exit 1; fi

talk: setup
	@$(BIN)/voice-agent check --talk voice_agent/examples
	@CALENDAR_KEY=nobody-asks-for-it $(BIN)/voice-agent check --talk voice_agent/examples/dental
	@$(BIN)/voice-agent check --talk voice_agent/examples/parcel

# A process a core; whoever works on a part names it: .venv/bin/python -m pytest tests/call
test: setup
	@$(BIN)/python -m pytest -n auto --dist worksteal

test-system:
	@PYTHON="$(PYTHON)" bash infra/test-system.sh

CALLS ?= 100000
soak: setup
	@$(BIN)/voice-agent simulate --calls $(CALLS) --resume build/soak.json --out build/soak

mutants:
	@PYTHON="$(PYTHON)" bash infra/mutants.sh

RUNS ?= 100000
fuzz:
	@PYTHON="$(PYTHON)" RUNS="$(RUNS)" bash infra/fuzz.sh

infra-check:
	@PYTHON="$(PYTHON)" bash infra/check.sh

check: setup
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

fix: setup
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

serve: setup
	@$(BIN)/voice-agent serve

bench: setup
	@PYTHON="$(PYTHON)" bash infra/bench.sh

# Needs uv. Written without an index URL, so that any mirror serves.
lock:
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	  --extra emulator --extra dev --extra azure --extra postgres --extra object-store --extra traces pyproject.toml \
	  -o requirements.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	  --extra azure --extra postgres --extra object-store --extra traces -c requirements.lock pyproject.toml \
	  -o infra/docker/run.lock
	echo setuptools | uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	  -c requirements.lock - -o infra/docker/build.lock

clean:
	rm -rf .venv .venv-system .venv-mutants .venv-fuzz .venv-bench-agents .venv-bench-pipecat .venv-infra mutants tests/system/js/node_modules build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
