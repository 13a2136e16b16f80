"""Overlays, written by the command's own function and built by kustomize."""

from __future__ import annotations

import itertools
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from tritonrepo.deploy.model_set import ModelSet, ServedModel
from tritonrepo.deploy.overlay import Workload, write_overlay
from tritonrepo.deploy.store import read_store
from tritonrepo.repository.release import TRITON_RELEASE

ONNX = ServedModel("net_onnx", 178 << 20, 1, needs_gpu=False)
PLAN = ServedModel("net_tensorrt", 89 << 20, 2, needs_gpu=True)
STORES = ("s3://models/prod", "s3://https://store:9000/models", "pvc://triton-models", "pvc://models/team/prod")
KUBERNETES = Workload(
    "kubernetes", ModelSet((ONNX,), whole=True), read_store(STORES[0]), gpu=False, release=TRITON_RELEASE
)
KSERVE = replace(KUBERNETES, target="kserve")


def workloads() -> dict[str, Workload]:
    """Every kind of workload, by a name for it."""
    found = {}
    for store, gpu, scaler, monitoring in itertools.product(
        STORES[::2], (True, False), ("", "hpa", "keda"), (True, False)
    ):
        name = " ".join([store, "gpu" if gpu else "cpu", scaler, "monitoring" * monitoring])
        found[name] = replace(KUBERNETES, store=read_store(store), gpu=gpu, scaler=scaler, monitoring=monitoring)
    for store, gpu in itertools.product((STORES[0], STORES[3]), (True, False)):
        found[f"kserve {store} {gpu}"] = replace(KSERVE, store=read_store(store), gpu=gpu)
    some = ModelSet((ONNX, PLAN), whole=False)
    for workload in (KUBERNETES, KSERVE):
        found[f"{workload.target} some, elsewhere"] = replace(
            workload, served=some, gpu=True, namespace="ml", replicas=3
        )
    return found


def build(directory: Path) -> list[dict[str, Any]]:
    """The objects that `kubectl apply -k` would send."""
    kubectl = Path(sys.executable).with_name("kubectl")
    done = subprocess.run([kubectl, "kustomize", directory], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "deprecated" not in done.stderr
    return list(yaml.safe_load_all(done.stdout))


def objects_of(workload: Workload, directory: Path) -> list[dict[str, Any]]:
    write_overlay(workload, directory)
    return build(directory)
