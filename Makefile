# The front door for contributors. Nothing here is needed to use prosect.
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help setup test slow lint format types docs bench check

help:   ## list what there is
	@grep -E '^[a-z]+: .*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):[^#]*## (.*)/  make \1\t\2/' | expand -t 16

setup: $(BIN)/prosect ## make .venv with everything that is needed to work on prosect

$(BIN)/prosect: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q -c constraints.txt -e '.[dev]'
	@touch $@

test: setup ## run the tests
	$(BIN)/pytest -q -n auto

slow: setup ## run the slow tests
	$(BIN)/pytest -q -n auto -m 'slow and not gpu'

lint: setup ## check style and the layers between rooms
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports

format: setup ## let ruff format the code
	$(BIN)/ruff format

types: setup ## check the types
	$(BIN)/mypy

docs: setup ## write docs/reference/ anew from the code
	$(BIN)/python docs/generate.py

bench: setup ## time the main job and the light commands
	$(BIN)/python docs/bench.py

check: ## everything a change must pass
	.ci/run
