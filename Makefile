# Thin targets; what they do is in Python and in deploy/. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help setup lint test doctor up down logs export-gpu

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV)/.installed ## create .venv with everything that export, serve, client and tests need

$(VENV)/.installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

export: setup ## TorchScript and ONNX of NVIDIA's pretrained ResNeXt101-32x4d into model_repository/ (OPTIONS='--model resnet50')
	$(BIN)/python -m tritonrepo export --weights ngc $(OPTIONS)

serve: setup ## the embedded Triton over model_repository/, in the foreground (OPTIONS='--http-port 9000')
	$(BIN)/python -m tritonrepo serve $(OPTIONS)

classify: setup ## classify images with the running server (IMAGES='a.jpg photos/' OPTIONS='--top 3')
	$(BIN)/python -m tritonrepo classify $(IMAGES) $(OPTIONS)

compare: setup ## speed and agreement of the backends of the running server (OPTIONS='--batch-sizes 1,4')
	$(BIN)/python -m tritonrepo compare $(OPTIONS)

demo: setup ## the whole job on real photographs: export, verify, serve, classify, compare; no Docker, no GPU
	$(BIN)/python -m examples.demo

bench: setup .bench/models ## what the README claims of speed and memory, measured (minutes; on a quiet machine)
	$(BIN)/python -m benchmarks.export_cost
	$(BIN)/python -m benchmarks.serving_overhead --repository .bench/models
	$(BIN)/python -m benchmarks.preprocessing
	$(BIN)/python -m benchmarks.classify_throughput --repository .bench/models --model resnext101_32x4d_onnx
	$(BIN)/python -m benchmarks.client_memory

.bench/models: | setup
	$(BIN)/python -m tritonrepo export --weights seeded --repository $@

lint: setup ## ruff, strict mypy and the import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

test: setup ## all tests, live ones included
	$(BIN)/python -m pytest

doctor: setup ## what this machine has, and what in the model repository would fail to load
	$(BIN)/python -m tritonrepo doctor

up: ## start Triton with Docker, on the GPU if there is one, and wait until it is healthy (PROFILE=gpu|cpu, MONITORING=1)
	@deploy/compose.sh up $(PROFILE) $(if $(MONITORING),--monitoring)

down: ## stop what `make up` started
	@deploy/compose.sh down

logs: ## follow its logs
	@deploy/compose.sh logs

export-gpu: ## export inside the image that serves, TensorRT engine included (OPTIONS='--weights PATH --formats tensorrt')
	@deploy/compose.sh export $(OPTIONS)
