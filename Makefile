# `make` prints the targets; each sets up what it needs.
SUITS := import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))
PYTHON ?= $(shell for one in python3.11 python3.12 python3.13 python3; do \
    $$one -c '$(SUITS)' 2>/dev/null && command -v $$one && exit; done; echo python3)
UNSUITABLE = Python 3.11, 3.12 or 3.13 is needed, and $(PYTHON) is $$($(PYTHON) -V 2>&1): install one of them, then \
    make $(or $(MAKECMDGOALS),setup) PYTHON=/path/to/python3.12
VENV := .venv
BIN := $(VENV)/bin
UV ?= $(BIN)/uv

.DEFAULT_GOAL := help

help:  ## print the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

setup: $(VENV)/.done  ## make .venv with the pinned packages, and fetch the weights that the default run needs

# denoiser asks for a Hydra of 2020 that it does not use for what is needed here: it comes without its dependencies.
$(VENV)/.done: pyproject.toml constraints.txt $(wildcard constraints/*.txt) speechclean/assets/weights.yaml
	@$(PYTHON) -c '$(SUITS)' 2>/dev/null || { echo "$(UNSUITABLE)" >&2; exit 1; }
	@echo 'Setting up $(VENV), the first time: about 6 GB of packages and 310 MB of weights, some minutes.'
	@echo '1 of 3: packages'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --disable-pip-version-check --editable '.[dev]' \
	    --constraint constraints/$$($(BIN)/python -c 'import sys; print("%d.%d" % sys.version_info[:2])').txt
	@echo '2 of 3: denoiser'
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps 'denoiser==0.1.5'
	@echo '3 of 3: weights'
	@$(BIN)/python -m speechclean.weights fetch default
	@touch $@

run: setup  ## clean the pilot: six shipped mixtures; ARGS='key=value ...' are passed on
	$(BIN)/python -m speechclean $(ARGS)

test: setup  ## all tests but the slow ones
	@# three processes: on two cores one of them waits, for a command or a server
	$(BIN)/python -m pytest -m 'not slow' -n 3 --dist loadfile --no-loadscope-reorder

test-slow: setup  ## the slow tests
	$(BIN)/python -m pytest -m 'slow and not services' -n 2 --dist loadfile --no-loadscope-reorder --durations=15

test-services: setup  ## slow tests that want root, services of Debian's or the package index
	$(BIN)/python -m pytest -m services --durations=0

test-install: setup  ## the core on the other Pythons that are here: from the package index, some 9 GB for a while
	$(BIN)/python -m pytest -m services tests/install --durations=0

stranger: setup  ## what somebody tries who has never seen this program, and what became of each
	$(BIN)/python -m tests.stranger

MINUTES ?= 1
fuzz: setup  ## damaged and crafted bytes for whatever is read from outside, for MINUTES
	$(BIN)/python -W ignore -m experiments.reliability.fuzz --minutes $(MINUTES)

# The pins of 3.11 hold for all: what one Python needs besides is added to them.
pins:  ## write the constraints of the other Pythons, and uv.lock, from constraints.txt
	for python in 3.12 3.13; do rm -f constraints/$$python.txt; $(UV) pip compile --quiet --all-extras \
	    --python-version $$python -c constraints.txt --no-annotate --no-emit-package pip --no-emit-package setuptools \
	    pyproject.toml -o constraints/$$python.txt || exit; done
	rm -f uv.lock
	$(UV) lock $$(sed -n 's/^\([A-Za-z0-9][^ ]*==[^ ]*\)$$/-P \1/p' constraints.txt)

lint: setup  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: setup  ## the pages of docs/ as a site in build/docs; a link that leads nowhere fails
	$(BIN)/python -m sphinx -W --keep-going -n -q -b html docs build/docs

reproduce: setup  ## run a logged run again and compare: RUN=id-or-name, ARGS='key=value ...'
	$(BIN)/python -m speechclean.reproduce run_id=$(RUN) $(ARGS)

ui: setup  ## MLflow's pages on the runs of this folder
	MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false $(BIN)/mlflow ui --backend-store-uri sqlite:///mlflow.db

.PHONY: help setup run test test-slow test-services test-install stranger fuzz pins lint docs reproduce ui
