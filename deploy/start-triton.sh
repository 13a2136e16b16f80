#!/usr/bin/env bash
# Start tritonserver over a model repository, inside the image:  start-triton.sh gpu|cpu [TRITONSERVER-OPTION...]
#
# gpu   every model; a version that is published later is picked up by itself, but for one in Azure's store.
# cpu   only the models that a CPU can run, listed once, at the start. Of an object store every model, as with gpu: one
#       that needs a GPU keeps the health check red there, so give servers without one a prefix of their own.
#
# $MODEL_REPOSITORY says where the models are: a directory, by default /models, or an object store (s3://, gs://, as://).
#
# Model control runs code, and shared memory, traces and log settings name memory and files of the host: these need
# $TRITON_KEY in the header `key` (gRPC: `triton-grpc-protocol-key`). Without that variable the key is a new one that
# nobody is told. Health, metadata, configurations, inference and statistics are open.
set -euo pipefail

models=${MODEL_REPOSITORY:-/models}
polling=(--model-control-mode=poll --repository-poll-secs=15)

# A plan needs a GPU, and so do an instance group that says so and an ensemble that stands on a plan. Comments in a
# config do not count.
needs_gpu() {
    sed 's/#.*//' "$1" |
        grep -Eq '(backend|platform)[[:space:]]*:[[:space:]]*"tensorrt(_plan)?"|kind[[:space:]]*:[[:space:]]*KIND_GPU|model_name[[:space:]]*:[[:space:]]*"[^"]*_tensorrt(_[a-z0-9]+)?"'
}

fail() {
    echo "start-triton.sh: $*" >&2
    exit 3
}

# A model that cannot be loaded keeps the health check red and is named in the log; the other models are served.
options=(--model-repository="$models" --exit-on-error=false)

key=${TRITON_KEY:-$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')}
closed=model-repository,shared-memory,trace,logging:key=$key
options+=(--http-restricted-api="$closed" --grpc-restricted-protocol="$closed")

case ${1:-}:$models in
gpu:as://* | cpu:as://*)
    echo "start-triton.sh: Triton sees no change in Azure's store; have it take new versions with: tritonrepo release"
    options+=(--model-control-mode=explicit "--load-model=*")
    ;;
gpu:* | cpu:*://*)
    options+=("${polling[@]}")
    ;;
cpu:*)
    options+=(--model-control-mode=explicit)
    count=0
    for config in "$models"/*/config.pbtxt; do
        [ -f "$config" ] || continue
        name=$(basename "$(dirname "$config")")
        if needs_gpu "$config"; then
            echo "start-triton.sh: $name needs a GPU; it is left out"
        else
            options+=(--load-model="$name")
            count=$((count + 1))
        fi
    done
    [ "$count" -gt 0 ] || fail "no model in $models can run on a CPU; publish one with: make export"
    ;;
*)
    echo "usage: start-triton.sh gpu|cpu [TRITONSERVER-OPTION...]" >&2
    exit 2
    ;;
esac
shift

# Whether the server waits for its next look at the repository: its first thread sleeps until a given time. Where the
# system does not say, it is taken for granted.
# shellcheck disable=SC2317 # called by the trap
is_resting() {
    local call timeout
    read -r call _ _ _ timeout _ <"/proc/$server/syscall" || return 0
    [[ $call =~ ^(202|98)$ && $timeout != 0x0 ]] # futex, on x86-64 and on ARM
} 2>/dev/null

# A SIGTERM that comes during a look reaches Triton, and wakes it at the next look only, 15 s later. So it is passed on
# when the look is over.
# shellcheck disable=SC2317
end() {
    trap '' TERM INT
    ending=yes
    for _ in {1..150}; do
        is_resting && break
        sleep 0.1
    done
    kill -TERM "$server" || true # it has ended by itself
}

ending=
tritonserver "${options[@]}" "$@" &
server=$!
trap end TERM INT
wait "$server" && status=0 || status=$?
if [ "$ending" ]; then # the signal ended the wait, not the server
    wait "$server" && status=0 || status=$?
fi
exit "$status"
