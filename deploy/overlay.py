"""An overlay for kustomize: the files of this folder, and what a fleet changes in them."""

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
class Fleet:
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


def write_overlay(fleet: Fleet, directory: Path) -> None:
    """Write a directory that `kubectl apply -k` takes, and that needs nothing outside itself.

    Raises:
        UsageError: The directory holds something else, or KServe is asked for what it does not do.
        OSError: It cannot be written.
    """
    documents = kubernetes(fleet) if fleet.target == "kubernetes" else kserve(fleet)
    _make_room(directory)
    _write(directory, KUSTOMIZATION, documents.pop(KUSTOMIZATION))  # first: the next run knows by it whose this is
    for folder in COPIED[fleet.target]:
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


def kubernetes(fleet: Fleet) -> dict[str, Any]:
    """The documents of an overlay for Kubernetes, by file name."""
    components = ["gpu" if fleet.gpu else "cpu", fleet.store.kind]
    if fleet.scaler:
        components.append(fleet.scaler)
    if fleet.monitoring or fleet.scaler == "keda":
        components.append("monitoring")
    options = {"TRITON_REPOSITORY": fleet.store.repository}
    patches: list[dict[str, Any]] = [{"path": "deployment.yaml"}]
    documents: dict[str, Any] = {"deployment.yaml": _deployment(fleet)}
    if not fleet.served.whole:
        options["TRITON_CONTROL_MODE"] = "explicit"
        documents["models.yaml"] = _loads(fleet, "/spec/template/spec/containers/0/args")
        patches.append({"path": "models.yaml", "target": {"kind": "Deployment", "name": "triton"}})
    if scaler := _scaler(fleet):
        documents["scaler.yaml"] = scaler
        patches.append({"path": "scaler.yaml"})
    literals = [f"{name}={value}" for name, value in options.items()]
    documents[KUSTOMIZATION] = {
        **_kustomization(fleet),
        "resources": ["kubernetes/base"],
        "components": [f"kubernetes/components/{name}" for name in components],
        "configMapGenerator": [{"name": "triton-options", "behavior": "merge", "literals": literals}],
        **({} if fleet.scaler else {"replicas": [{"name": "triton", "count": fleet.replicas}]}),
        "patches": patches,
    }
    return documents


def kserve(fleet: Fleet) -> dict[str, Any]:
    """The documents of an overlay for KServe, by file name. Raises `UsageError`."""
    if fleet.store.endpoint:
        raise UsageError("KServe reads a store's endpoint from the annotations of its Secret: give s3://BUCKET/PREFIX")
    if fleet.scaler or fleet.monitoring:
        raise UsageError("KServe scales and announces its metrics by itself: leave --autoscale and --monitoring away")
    patches: list[dict[str, Any]] = [{"path": "service.yaml"}]
    documents: dict[str, Any] = {"service.yaml": _inference_service(fleet)}
    if not fleet.served.whole:
        path = "/spec/containers/0/args"
        everything = f"{path}/2"
        documents["models.yaml"] = [
            {"op": "test", "path": everything, "value": "--load-model=*"},
            {"op": "remove", "path": everything},
            *_loads(fleet, path),
        ]
        patches.append({"path": "models.yaml", "target": {"kind": "ServingRuntime", "name": "tritonrepo"}})
    documents[KUSTOMIZATION] = {**_kustomization(fleet), "resources": ["kserve"], "patches": patches}
    return documents


def _kustomization(fleet: Fleet) -> dict[str, Any]:
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        **({"namespace": fleet.namespace} if fleet.namespace else {}),
        "images": [{"name": IMAGE, "newTag": f"{fleet.release}-py3"}],
    }


def _deployment(fleet: Fleet) -> dict[str, Any]:
    """What the pods need."""
    needs = resources_for(fleet.served)
    container = {"name": "triton", "resources": _resources(fleet, {"ephemeral-storage": quantity(needs.disk)})}
    volumes: list[dict[str, Any]] = [{"name": "temporary", "emptyDir": {"sizeLimit": quantity(needs.disk)}}]
    if fleet.store.claim:
        volumes.append({"name": "models", "persistentVolumeClaim": {"claimName": fleet.store.claim}})
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "triton"},
        "spec": {"template": {"spec": {"containers": [container], "volumes": volumes}}},
    }


def _inference_service(fleet: Fleet) -> dict[str, Any]:
    gpus = {"nvidia.com/gpu": "1"} if fleet.gpu else {}
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": "triton"},
        "spec": {
            "predictor": {
                "minReplicas": fleet.replicas,
                "maxReplicas": MOST_REPLICAS * fleet.replicas,
                "model": {"storageUri": fleet.store.url, "resources": _resources(fleet, {}, gpus)},
            }
        },
    }


def _resources(fleet: Fleet, requests: Mapping[str, str], limits: Mapping[str, str] | None = None) -> dict[str, Any]:
    needs = resources_for(fleet.served)
    return {
        "requests": {"memory": quantity(needs.memory), **requests},
        "limits": {"memory": quantity(needs.most_memory), **(limits or {})},
    }


def _loads(fleet: Fleet, path: str) -> list[dict[str, str]]:
    """A patch that names the models."""
    return [{"op": "add", "path": f"{path}/-", "value": f"--load-model={model.name}"} for model in fleet.served.models]


def _scaler(fleet: Fleet) -> dict[str, Any]:
    """A scaler's limits; nothing where there is none."""
    most = MOST_REPLICAS * fleet.replicas
    kinds: dict[str, tuple[str, str, dict[str, Any]]] = {
        "hpa": ("autoscaling/v2", "HorizontalPodAutoscaler", {"minReplicas": fleet.replicas, "maxReplicas": most}),
        "keda": ("keda.sh/v1alpha1", "ScaledObject", {"minReplicaCount": fleet.replicas, "maxReplicaCount": most}),
    }
    if not fleet.scaler:
        return {}
    version, kind, spec = kinds[fleet.scaler]
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "triton"}, "spec": spec}


def _unwanted(_: str, names: list[str]) -> list[str]:
    """All but what kustomize reads."""
    return [name for name in names if name == "provisioning" or name.endswith((".py", "__pycache__"))]
