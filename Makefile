# Thin targets; what they do is in Python and in deploy/. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help setup lint test doctor up down logs export-gpu

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV)/.installed ## create .venv with everything that export, serve, client and tests need

$(VENV)/.installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[export,serve,report,dev]'
	touch $@

lint: setup ## ruff and strict mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: setup ## all tests, live ones included
	$(BIN)/python -m pytest

doctor: setup ## what this machine has, and what in the model repository would fail to load
	$(BIN)/python -m export doctor

up: ## start Triton with Docker, on the GPU if there is one, and wait until it is healthy (PROFILE=gpu|cpu, MONITORING=1)
	@deploy/compose.sh up $(PROFILE) $(if $(MONITORING),--monitoring)

down: ## stop what `make up` started
	@deploy/compose.sh down

logs: ## follow its logs
	@deploy/compose.sh logs

export-gpu: ## export inside the image that serves, TensorRT engine included (OPTIONS='--weights PATH --formats tensorrt')
	@deploy/compose.sh export $(OPTIONS)
