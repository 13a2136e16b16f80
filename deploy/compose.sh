#!/usr/bin/env bash
# Run Triton with Docker:  compose.sh up [gpu|cpu] [--monitoring] | down | logs | export [EXPORT-OPTION...]
#
# up      start the server, on the GPU if there is one, and wait until it is healthy
# down    stop and remove everything that this project started
# logs    follow the logs
# export  run the exporter on the GPU inside the image that serves
#
# Exit status: 0 done; 1 the server did not become healthy; 2 wrong words; 3 Docker, the GPU or the models are missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

wait_seconds=${WAIT_SECONDS:-600}

missing() {
    printf 'compose.sh: %s\n' "$1" >&2
    exit 3
}

usage() {
    sed -n '2s/^# //p' "${BASH_SOURCE[0]}" >&2
    exit 2
}

# Docker's own compose if it is there, else the stand-alone one.
find_compose() {
    command -v docker >/dev/null || missing "docker is not installed; without Docker, serve with: make serve"
    docker info >/dev/null 2>&1 || missing "docker does not answer; start its daemon, or join the group 'docker'"
    if docker compose version >/dev/null 2>&1; then
        compose=(docker compose)
    elif command -v docker-compose >/dev/null; then
        compose=(docker-compose)
    else
        missing "docker has no compose; install the package docker-compose-plugin or docker-compose"
    fi
}

has_gpu() {
    command -v nvidia-smi >/dev/null && nvidia-smi --list-gpus 2>/dev/null | grep -q '^GPU '
}

# An environment variable goes before .env, as it does for compose.
setting() {
    local line
    line=$(grep "^$1=" .env) || true
    printf '%s' "${!1:-${line#*=}}"
}

# State of the container $1 as health/status: healthy, starting, unhealthy, exited ...
state() {
    docker inspect --format '{{if eq .State.Status "running"}}{{.State.Health.Status}}{{else}}{{.State.Status}}{{end}}' "$1"
}

wait_until_healthy() {
    local container deadline now
    container=$("${compose[@]}" --profile "$1" ps --quiet "triton-$1")
    deadline=$((SECONDS + wait_seconds))
    while now=$(state "$container"); [ "$now" != healthy ]; do
        if [[ $now != starting || $SECONDS -ge $deadline ]]; then
            docker logs --tail 40 "$container" >&2
            echo "compose.sh: triton-$1 is $now, not healthy; the end of its log is above" >&2
            exit 1
        fi
        sleep 1
    done
}

up() {
    local profile='' profiles address port
    profiles=()
    for word in "$@"; do
        case $word in
        gpu | cpu) profile=$word ;;
        --monitoring) profiles+=(--profile monitoring) ;;
        *) usage ;;
        esac
    done
    find_compose
    if [ -z "$profile" ]; then
        profile=cpu
        if has_gpu; then profile=gpu; fi
    fi
    [ -n "$(setting MODEL_REPOSITORY)" ] || compgen -G "$(setting REPOSITORY_ROOT)/model_repository/*/config.pbtxt" >/dev/null ||
        missing "the model repository is empty; publish a model with: make export"
    echo "Starting Triton $(setting TRITON_RELEASE) with the profile $profile"
    "${compose[@]}" --profile "$profile" "${profiles[@]}" up --detach ||
        missing "compose could not start it; a profile 'gpu' needs the NVIDIA Container Toolkit (try: make up PROFILE=cpu)"
    wait_until_healthy "$profile"
    address=$(setting BIND_ADDRESS) port=$(setting HTTP_PORT)
    echo "Healthy: HTTP $address:$port, gRPC $address:$(setting GRPC_PORT), metrics $address:$(setting METRICS_PORT)"
    echo "Try:  curl -s http://$address:$port/v2/models/stats"
}

everything=(--profile gpu --profile cpu --profile export-gpu --profile sdk --profile monitoring)

case ${1:-} in
up)
    shift
    up "$@"
    ;;
down)
    find_compose
    "${compose[@]}" "${everything[@]}" down
    ;;
logs)
    find_compose
    "${compose[@]}" "${everything[@]}" logs --follow --tail 100
    ;;
export)
    shift
    find_compose
    has_gpu || missing "no NVIDIA GPU here; export without one with: make export"
    # What is published belongs to whom the directory belongs to.
    EXPORT_USER=$(stat --format '%u:%g' "$(setting REPOSITORY_ROOT)")
    export EXPORT_USER
    if [ $# -gt 0 ]; then set -- python3 /source/deploy/export_gpu.py "$@"; fi
    "${compose[@]}" --profile export-gpu run --rm export-gpu "$@"
    ;;
*) usage ;;
esac
