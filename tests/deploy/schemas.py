"""What an API server would say of an object's form: nothing that its schema does not know, nothing that it lacks."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any

import jsonschema
import kubernetes_validate

Object = dict[str, Any]

RELEASES = ("1.30", "1.37")
"""Of Kubernetes: the oldest and the newest that the files are held against."""
_TEXT, _COUNT = {"type": "string"}, {"type": "integer", "minimum": 0}


def _closed(required: str, **properties: Any) -> Object:
    return {
        "type": "object",
        "properties": properties,
        "required": required.split(),
        "additionalProperties": False,
    }


_METADATA = _closed("name", name=_TEXT, namespace=_TEXT, labels={"type": "object"})
_FORMAT = _closed("name", name=_TEXT, version=_TEXT, autoSelect={"type": "boolean"})
# The part of KServe's schemas that we use; `python -m tests.deploy.crds` holds all of it against KServe's own.
KSERVE = {
    "ServingRuntime": _closed(
        "apiVersion kind metadata spec",
        apiVersion={"const": "serving.kserve.io/v1alpha1"},
        kind=_TEXT,
        metadata=_METADATA,
        spec=_closed(
            "containers",
            annotations={"type": "object", "additionalProperties": _TEXT},
            protocolVersions={"type": "array", "items": {"enum": ["v1", "v2", "grpc-v1", "grpc-v2"]}},
            supportedModelFormats={"type": "array", "items": _FORMAT},
            containers={"type": "array", "minItems": 1},
        ),
    ),
    "InferenceService": _closed(
        "apiVersion kind metadata spec",
        apiVersion={"const": "serving.kserve.io/v1beta1"},
        kind=_TEXT,
        metadata=_METADATA,
        spec=_closed(
            "predictor",
            predictor=_closed(
                "model",
                minReplicas=_COUNT,
                maxReplicas=_COUNT,
                timeout=_COUNT,
                model=_closed(
                    "modelFormat",
                    runtime=_TEXT,
                    protocolVersion=_TEXT,
                    modelFormat=_FORMAT,
                    storageUri=_TEXT,
                    resources={"type": "object"},
                ),
            ),
        ),
    ),
}


def problems(found: Object) -> list[str]:
    """What is wrong with the form of one object."""
    return _problems(json.dumps(found))


@functools.cache  # The same objects are in most fleets, and a look at one takes half a second.
def _problems(text: str) -> list[str]:
    found = json.loads(text)
    checks: dict[str, Callable[[Object], None]] = {
        "ScaledObject": _scaled_object,
        "ServiceMonitor": _service_monitor,
        "ServingRuntime": _kserve,
        "InferenceService": _kserve,
    }
    try:
        checks.get(found.get("kind", ""), _kubernetes)(found)
    except (ValueError, jsonschema.ValidationError, kubernetes_validate.SchemaNotFoundError) as error:
        return [f"{found.get('kind')}: {' '.join(str(error).split())}"]
    return []


def _kubernetes(found: Object) -> None:
    for release in RELEASES:
        kubernetes_validate.validate(found, release, strict=True)


def _scaled_object(found: Object) -> None:
    from cloudcoil.models.keda.v1alpha1 import ScaledObject

    _round_trip(ScaledObject, found)


def _service_monitor(found: Object) -> None:
    from cloudcoil.models.prometheus_operator.v1 import ServiceMonitor

    _round_trip(ServiceMonitor, found)


def _round_trip(model: Any, found: Object) -> None:
    """The models ignore what they do not know, so that it is lost on the way."""
    known = model.model_validate(found).model_dump(mode="json", by_alias=True, exclude_unset=True)
    if known != found:
        raise ValueError(f"{known} is all that is known of {found}")


def _kserve(found: Object) -> None:
    jsonschema.validate(found, KSERVE[found["kind"]])
    if found["kind"] == "ServingRuntime":
        containers = found["spec"]["containers"]
    else:
        model = found["spec"]["predictor"]["model"]
        containers = [{"name": "model", "image": "image", "resources": model.get("resources", {})}]
    # KServe makes pods of them.
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod"}, "spec": {"containers": containers}}
    _kubernetes(pod)
