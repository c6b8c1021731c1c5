# `make` prints the targets; each sets up what it needs.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help

help:  ## print the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

setup: $(VENV)/.done  ## make .venv with the pinned packages, and fetch the weights that the default run needs

# denoiser asks for a Hydra of 2020 that it does not use for what is needed here: it comes without its dependencies.
$(VENV)/.done: pyproject.toml constraints.txt speechclean/assets/weights.yaml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps 'denoiser==0.1.5'
	$(BIN)/python -m speechclean.weights fetch default
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

stranger: setup  ## what somebody tries who has never seen this program, and what became of each
	$(BIN)/python -m tests.stranger

MINUTES ?= 1
fuzz: setup  ## damaged and crafted bytes for whatever is read from outside, for MINUTES
	$(BIN)/python -W ignore -m experiments.reliability.fuzz --minutes $(MINUTES)

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

.PHONY: help setup run test test-slow test-services stranger fuzz lint docs reproduce ui
