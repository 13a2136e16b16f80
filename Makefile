# Thin targets; what they do is in Python and in deploy/. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SOURCES := .venv-sources
AZURITE := .stores/node_modules/.bin/azurite-blob
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.DEFAULT_GOAL := help
.PHONY: help setup demo lint test test-fast test-sources preprocessings audit fuzz abuse soak overload kills rollout releases chaos batch-runs stores install-check system-packages bench export serve classify compare doctor up down logs export-gpu

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# A set-up that was cut off leaves no stamp, and the same command goes on: pip installs what is missing.
$(BIN)/pip:
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)

$(VENV)/.demo: pyproject.toml constraints.txt | $(BIN)/pip
	@echo "Set-up of $(VENV) for export, serving and comparison: it downloads 0.4 GB, fills 1.7 GB and takes 1 to 4 minutes"
	@$(PIP) --editable '.[demo]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/pip
	@echo "Set-up of $(VENV) for development: what the demo needs, and the tools of the tests; 2 GB, 1 to 3 minutes"
	@$(PIP) --editable '.[dev]'
	@touch $@ $(VENV)/.demo

setup: $(VENV)/.dev ## create .venv with everything that the commands and the tests need

demo: $(VENV)/.demo ## the whole job on real photographs: export, verify, serve, classify, compare; no Docker, no GPU
	@$(BIN)/python -m examples.demo

export: $(VENV)/.demo ## TorchScript and ONNX of NVIDIA's pretrained ResNeXt101-32x4d into model_repository/ (OPTIONS='--model resnet50')
	$(BIN)/tritonrepo export --weights ngc $(OPTIONS)

serve: $(VENV)/.demo ## the embedded Triton over model_repository/, in the foreground (OPTIONS='--http-port 9000')
	$(BIN)/tritonrepo serve $(OPTIONS)

classify: $(VENV)/.demo ## classify images with the running server (IMAGES='a.jpg photos/' OPTIONS='--top 3')
	$(BIN)/tritonrepo classify $(IMAGES) $(OPTIONS)

compare: $(VENV)/.demo ## speed and agreement of the backends of the running server (OPTIONS='--batch-sizes 1,4')
	$(BIN)/tritonrepo compare $(OPTIONS)

doctor: $(VENV)/.demo ## what this machine has, and what in the model repository would fail to load
	$(BIN)/tritonrepo doctor

bench: setup .bench/models ## what the documents claim of speed and memory, measured (minutes; on a quiet machine)
	$(BIN)/python -m benchmarks.export_cost
	$(BIN)/python -m benchmarks.serving_overhead --repository .bench/models
	$(BIN)/python -m benchmarks.preprocessing
	$(BIN)/python -m benchmarks.classify_throughput --repository .bench/models --model resnext101_32x4d_onnx
	$(BIN)/python -m benchmarks.client_memory
	$(BIN)/python -m benchmarks.client_weight
	$(BIN)/python -m benchmarks.int8

.bench/models: | setup
	$(BIN)/tritonrepo export --weights seeded --repository $@

lint: setup ## ruff, strict mypy and the import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache --no-logo

system-packages: ## install, or name, the programs beside Python that the tests use
	@.ci/system-packages

test: setup system-packages ## all tests, live ones included, a file at a time on each of two workers
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --durations 40

audit: setup ## known vulnerabilities of the installed packages; says so where no data base is within reach
	$(BIN)/python .ci/audit.py

fuzz: setup ## 5,000 damaged pictures and a hostile server: no hang, no crash, each named (minutes; OPTIONS='--seed 1')
	$(BIN)/python -m tests.fuzz $(OPTIONS)

$(SOURCES)/.ready: pyproject.toml
	@echo "Set-up of $(SOURCES) with Triton, timm, torchvision, transformers and a torch that fits: 7 GB, 2 minutes"
	@$(PYTHON) -m venv --clear $(SOURCES)
	@$(SOURCES)/bin/python -m pip install --quiet --disable-pip-version-check torch==2.14.1 torchvision==0.29.1 \
		pytest==9.2.0 --editable '.[compare,serve,sources]'
	@touch $@

test-sources: $(SOURCES)/.ready ## networks of timm, torchvision and transformers, each against its own library
	HF_HUB_OFFLINE=1 $(SOURCES)/bin/python -m pytest tests/sources tests/export/gate/test_preparation.py

preprocessings: $(SOURCES)/.ready ## the gate of preprocessing over every default of timm, torchvision and transformers
	HF_HUB_OFFLINE=1 $(SOURCES)/bin/python -m tests.sources

test-fast: setup ## the tests that take a moment each
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile -m "not live and not slow"

soak: setup ## 20,000 requests while models come and go, and a table of answers, latency and memory (15 minutes)
	$(BIN)/python -m tests.soak $(OPTIONS)

kills: setup ## kill -9 at 200 random moments of an export, with a polling server and clients at work (10 minutes)
	$(BIN)/python -m tests.kills $(OPTIONS)

$(AZURITE):
	npm install --silent --no-audit --no-fund --prefix .stores azurite@3.35.0

stores: setup $(AZURITE) ## Google's and Azure's object stores: the tests of stores, then 20 kills each with a polling server (5 minutes)
	AZURITE=$(AZURITE) $(BIN)/python -m pytest tests/repository/store tests/batch/test_buckets.py
	AZURITE=$(AZURITE) $(BIN)/python -m tests.azurite $(BIN)/python -m pytest -k "other_stores or bucket_is_polled or object_store" \
		tests/cli/test_serve_store.py tests/deploy/test_start.py tests/rollout/test_ways.py
	$(BIN)/python -m tests.kills --store gs --count 20 $(OPTIONS)
	$(BIN)/python -m tests.kills --store as --count 20 $(OPTIONS)

rollout: setup ## releases that change all of a model, on two servers one after the other, under clients at work (6 minutes)
	$(BIN)/python -m tests.versions $(OPTIONS)

releases: setup ## right and wrong releases to three servers under four clients, each undone as it should (10 minutes)
	$(BIN)/python -m tests.rollout $(OPTIONS)

overload: setup ## three times the requests that the server can answer, with a bounded queue (2 minutes)
	$(BIN)/python -m tests.overload $(OPTIONS)

chaos: setup ## kill and starve what belongs to a server at work: a table of what recovers, and how fast (10 minutes)
	$(BIN)/python -m tests.chaos $(OPTIONS)

batch-runs: setup ## 5,000 images on a Ray cluster of two nodes, a worker, a node and the driver killed (15 minutes)
	$(BIN)/python -m tests.batch $(OPTIONS)

abuse: setup ## 2,000 generated bad requests against a guarded server, and a table of what became of them (10 minutes)
	$(BIN)/python -m tests.abuse $(OPTIONS)

install-check: setup ## build the wheel, install it into an empty environment, and use it as a stranger would
	$(BIN)/python .ci/install_check.py

up: ## start Triton with Docker, on the GPU if there is one, and wait until it is healthy (PROFILE=gpu|cpu, MONITORING=1)
	@deploy/compose.sh up $(PROFILE) $(if $(MONITORING),--monitoring)

down: ## stop what `make up` started
	@deploy/compose.sh down

logs: ## follow its logs
	@deploy/compose.sh logs

export-gpu: ## export inside the image that serves, TensorRT engine included (OPTIONS='--weights PATH --formats tensorrt')
	@deploy/compose.sh export $(OPTIONS)
