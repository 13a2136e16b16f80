"""Hold every workload's objects against the custom resource definitions of KEDA, Prometheus' operator and KServe.

    python -m tests.deploy.crds DIRECTORY

The directory holds the definitions as these projects publish them, one YAML file each: ScaledObject, ServiceMonitor,
ServingRuntime, InferenceService. The tests use schemas of packages, and for KServe a small one of ours, since the
definitions are large and not ours to carry.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from tests.deploy.building import objects_of, workloads

Schema = dict[str, Any]


def definitions(directory: Path) -> dict[tuple[str, str], Schema]:
    """The schemas, by API version and kind."""
    found = {}
    for path in sorted(directory.glob("*.yaml")):
        for definition in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            spec = definition["spec"]
            for version in spec["versions"]:
                key = f"{spec['group']}/{version['name']}", spec["names"]["kind"]
                found[key] = closed(version["schema"]["openAPIV3Schema"], top=True)
    return found


def closed(schema: Any, *, top: bool = False) -> Any:
    """The schema with no field but those that it names, as an API server's strict validation has it."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    result = {name: closed(part) for name, part in schema.items()}
    if isinstance(schema.get("properties"), dict):
        result["properties"] = {name: closed(part) for name, part in schema["properties"].items()}
        if top:
            result["properties"]["metadata"] = {"type": "object"}
        if "additionalProperties" not in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
            result["additionalProperties"] = False
    return result


def check(directory: Path) -> Iterator[str]:
    """A line for each kind of object: how many were valid, or what is wrong."""
    known = definitions(directory)
    counts = dict.fromkeys(known, 0)
    for name, workload in workloads().items():
        with tempfile.TemporaryDirectory() as temporary:
            objects = objects_of(workload, Path(temporary) / "overlay")
        for found in objects:
            key = found["apiVersion"], found["kind"]
            if key in known:
                jsonschema.validate(found, known[key])
                counts[key] += 1
            elif "." in key[0] and "k8s.io" not in key[0]:
                yield f"{name}: no definition of {key}"
    yield from (f"{version} {kind}: {count} valid" for (version, kind), count in counts.items() if count)


if __name__ == "__main__":
    for line in check(Path(sys.argv[1])):
        print(line)
