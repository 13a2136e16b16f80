#!/bin/sh
# NVIDIA's perf_analyzer from the SDK image: tritonrepo compare --engine perf_analyzer --perf-analyzer deploy/perf_analyzer.sh
cd "$(dirname "$0")/.." || exit 3
SDK_USER="$(id -u):$(id -g)"
export SDK_USER
exec docker compose --profile sdk run --rm -T sdk "$@"
