"""An overlay for kustomize: the files of this folder, and what a workload changes in them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from tritonrepo.client.errors import UsageError
from tritonrepo.deploy.model_set import ModelSet
from tritonrepo.deploy.resources import quantity, resources_for
from tritonrepo.deploy.store import Store

FILES = Path(__file__).resolve().parent
COPIED = {"kubernetes": ("kubernetes", "grafana"), "kserve": ("kserve",)}
IMAGE = "nvcr.io/nvidia/tritonserver"
HEADER = "# Written by `tritonrepo manifests`; the next run overwrites it.\n"
KUSTOMIZATION = "kustomization.yaml"
MOST_REPLICAS = 4
"""A scaler's upper limit, as a multiple of the lower."""


@dataclass(frozen=True)
class Workload:
    """Servers that serve the same models.

    Attributes:
        target: Whose files.
        served: The models.
        store: Where the pods read them.
        gpu: Whether each pod has a GPU.
        release: Of Triton, as in `26.11`.
        replicas: How many pods; the fewest, where something scales.
        scaler: What scales them, if anything.
        monitoring: Whether Prometheus' operator and Grafana watch.
        namespace: Where they are; what kubectl says, where it is empty.
    """

    target: Literal["kubernetes", "kserve"]
    served: ModelSet
    store: Store
    gpu: bool
    release: str
    replicas: int = 2
    scaler: Literal["", "hpa", "keda"] = ""
    monitoring: bool = False
    namespace: str = ""


def write_overlay(workload: Workload, directory: Path) -> None:
    """Write a directory that `kubectl apply -k` takes, and that needs nothing outside itself.

    Raises:
        UsageError: The directory holds something else, or KServe is asked for what it does not do.
        OSError: It cannot be written.
    """
    documents = kubernetes(workload) if workload.target == "kubernetes" else kserve(workload)
    _make_room(directory)
    _write(directory, KUSTOMIZATION, documents.pop(KUSTOMIZATION))  # first: the next run knows by it whose this is
    for folder in COPIED[workload.target]:
        shutil.copytree(FILES / folder, directory / folder, dirs_exist_ok=True, ignore=_unwanted)
    for name, document in documents.items():
        _write(directory, name, document)


def _write(directory: Path, name: str, document: Any) -> None:
    text = yaml.safe_dump(document, sort_keys=False, width=120)
    (directory / name).write_text(HEADER + text, encoding="utf-8")


def _make_room(directory: Path) -> None:
    """Make the directory, or remove what an earlier run wrote; all but what is written first."""
    if directory.exists() and not directory.is_dir():
        raise UsageError(f"{directory} is not a directory; give another --output")
    directory.mkdir(parents=True, exist_ok=True)
    ours = [path for path in directory.glob("*.yaml") if path.is_file() and _is_ours(path)]
    if directory / KUSTOMIZATION not in ours and any(directory.iterdir()):
        raise UsageError(f"{directory} is not empty, and not of this command; give another --output")
    for path in ours:
        if path.name != KUSTOMIZATION:
            path.unlink()
    for folder in {folder for folders in COPIED.values() for folder in folders}:
        shutil.rmtree(directory / folder, ignore_errors=True)


def _is_ours(path: Path) -> bool:
    """By its first line; another's may be of any encoding."""
    with path.open("rb") as file:
        return file.read(len(HEADER)) == HEADER.encode()


def kubernetes(workload: Workload) -> dict[str, Any]:
    """The documents of an overlay for Kubernetes, by file name."""
    components = ["gpu" if workload.gpu else "cpu", workload.store.kind]
    if workload.scaler:
        components.append(workload.scaler)
    if workload.monitoring or workload.scaler == "keda":
        components.append("monitoring")
    options = {"TRITON_REPOSITORY": workload.store.repository}
    patches: list[dict[str, Any]] = [{"path": "deployment.yaml"}]
    documents: dict[str, Any] = {"deployment.yaml": _deployment(workload)}
    if not workload.served.whole:
        options["TRITON_CONTROL_MODE"] = "explicit"
        documents["models.yaml"] = _loads(workload, "/spec/template/spec/containers/0/args")
        patches.append({"path": "models.yaml", "target": {"kind": "Deployment", "name": "triton"}})
    if scaler := _scaler(workload):
        documents["scaler.yaml"] = scaler
        patches.append({"path": "scaler.yaml"})
    literals = [f"{name}={value}" for name, value in options.items()]
    documents[KUSTOMIZATION] = {
        **_kustomization(workload),
        "resources": ["kubernetes/base"],
        "components": [f"kubernetes/components/{name}" for name in components],
        "configMapGenerator": [{"name": "triton-options", "behavior": "merge", "literals": literals}],
        **({} if workload.scaler else {"replicas": [{"name": "triton", "count": workload.replicas}]}),
        "patches": patches,
    }
    return documents


def kserve(workload: Workload) -> dict[str, Any]:
    """The documents of an overlay for KServe, by file name. Raises `UsageError`."""
    if workload.store.endpoint:
        raise UsageError("KServe reads a store's endpoint from the annotations of its Secret: give s3://BUCKET/PREFIX")
    if workload.scaler or workload.monitoring:
        raise UsageError("KServe scales and announces its metrics by itself: leave --autoscale and --monitoring away")
    patches: list[dict[str, Any]] = [{"path": "service.yaml"}]
    documents: dict[str, Any] = {"service.yaml": _inference_service(workload)}
    if not workload.served.whole:
        path = "/spec/containers/0/args"
        everything = f"{path}/2"
        documents["models.yaml"] = [
            {"op": "test", "path": everything, "value": "--load-model=*"},
            {"op": "remove", "path": everything},
            *_loads(workload, path),
        ]
        patches.append({"path": "models.yaml", "target": {"kind": "ServingRuntime", "name": "tritonrepo"}})
    documents[KUSTOMIZATION] = {**_kustomization(workload), "resources": ["kserve"], "patches": patches}
    return documents


def _kustomization(workload: Workload) -> dict[str, Any]:
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        **({"namespace": workload.namespace} if workload.namespace else {}),
        "images": [{"name": IMAGE, "newTag": f"{workload.release}-py3"}],
    }


def _deployment(workload: Workload) -> dict[str, Any]:
    """What the pods need."""
    needs = resources_for(workload.served)
    container = {"name": "triton", "resources": _resources(workload, {"ephemeral-storage": quantity(needs.disk)})}
    volumes: list[dict[str, Any]] = [{"name": "temporary", "emptyDir": {"sizeLimit": quantity(needs.disk)}}]
    if workload.store.claim:
        volumes.append({"name": "models", "persistentVolumeClaim": {"claimName": workload.store.claim}})
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "triton"},
        "spec": {"template": {"spec": {"containers": [container], "volumes": volumes}}},
    }


def _inference_service(workload: Workload) -> dict[str, Any]:
    gpus = {"nvidia.com/gpu": "1"} if workload.gpu else {}
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": "triton"},
        "spec": {
            "predictor": {
                "minReplicas": workload.replicas,
                "maxReplicas": MOST_REPLICAS * workload.replicas,
                "model": {"storageUri": workload.store.url, "resources": _resources(workload, {}, gpus)},
            }
        },
    }


def _resources(
    workload: Workload, requests: Mapping[str, str], limits: Mapping[str, str] | None = None
) -> dict[str, Any]:
    needs = resources_for(workload.served)
    return {
        "requests": {"memory": quantity(needs.memory), **requests},
        "limits": {"memory": quantity(needs.most_memory), **(limits or {})},
    }


def _loads(workload: Workload, path: str) -> list[dict[str, str]]:
    """A patch that names the models."""
    return [
        {"op": "add", "path": f"{path}/-", "value": f"--load-model={model.name}"} for model in workload.served.models
    ]


def _scaler(workload: Workload) -> dict[str, Any]:
    """A scaler's limits; nothing where there is none."""
    most = MOST_REPLICAS * workload.replicas
    kinds: dict[str, tuple[str, str, dict[str, Any]]] = {
        "hpa": ("autoscaling/v2", "HorizontalPodAutoscaler", {"minReplicas": workload.replicas, "maxReplicas": most}),
        "keda": ("keda.sh/v1alpha1", "ScaledObject", {"minReplicaCount": workload.replicas, "maxReplicaCount": most}),
    }
    if not workload.scaler:
        return {}
    version, kind, spec = kinds[workload.scaler]
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "triton"}, "spec": spec}


def _unwanted(_: str, names: list[str]) -> list[str]:
    """All but what kustomize reads."""
    return [name for name in names if name == "provisioning" or name.endswith((".py", "__pycache__"))]
