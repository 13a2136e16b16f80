"""What no schema tells: whether the parts of a fleet fit each other, as an API server and a scheduler would see it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

Object = dict[str, Any]

SECRETS = {"triton-key", "triton-s3"}
"""Those that the documents tell to make."""


def of_kind(objects: list[Object], *kinds: str) -> list[Object]:
    return [found for found in objects if found["kind"] in kinds]


def pod_of(objects: list[Object]) -> Object:
    """The pods' description."""
    (found,) = of_kind(objects, "Deployment", "ServingRuntime")
    spec: Object = found["spec"]
    return spec if found["kind"] == "ServingRuntime" else dict(spec["template"]["spec"])


def container_of(objects: list[Object]) -> Object:
    (found,) = pod_of(objects)["containers"]
    return dict(found)


def environment(objects: list[Object]) -> dict[str, str]:
    """The variables that the container has, secrets by their names."""
    container = container_of(objects)
    maps = {found["metadata"]["name"]: found["data"] for found in of_kind(objects, "ConfigMap")}
    variables: dict[str, str] = {}
    for source in container.get("envFrom", []):
        if "configMapRef" in source:
            variables |= maps.get(source["configMapRef"]["name"], {})
    for one in container.get("env", []):
        variables[one["name"]] = one["value"] if "value" in one else one["valueFrom"]["secretKeyRef"]["name"]
    return variables


def words(objects: list[Object]) -> list[str]:
    """The command line, as the kubelet fills it in: what it does not know stays as it is."""
    known = environment(objects)
    return [
        re.sub(r"\$\((\w+)\)", lambda found: known.get(found[1], found[0]), word)
        for word in container_of(objects)["args"]
    ]


def option(objects: list[Object], name: str) -> str:
    (found,) = (word for word in words(objects) if word.startswith(f"--{name}="))
    return found.partition("=")[2]


def problems(objects: list[Object]) -> list[str]:
    """Every part that names another which is not there, or that does not suit it."""
    checks = (_volumes, _sources, _ports, _selectors, _scalers, _endings, _kserve)
    return [problem for check in checks for problem in check(objects)]


def _volumes(objects: list[Object]) -> Iterator[str]:
    mounted = {mount["name"] for mount in container_of(objects).get("volumeMounts", [])}
    there = {volume["name"] for volume in pod_of(objects).get("volumes", [])}
    yield from (f"volume {name} is mounted and not there" for name in mounted - there)
    yield from (f"volume {name} is there and not mounted" for name in there - mounted)


def _sources(objects: list[Object]) -> Iterator[str]:
    container = container_of(objects)
    maps = {found["metadata"]["name"] for found in of_kind(objects, "ConfigMap")}
    for source in container.get("envFrom", []):
        name = next(iter(source.values()))["name"]
        if name not in (maps if "configMapRef" in source else SECRETS):
            yield f"{name} gives variables and is not there"
    secrets = {one["valueFrom"]["secretKeyRef"]["name"] for one in container.get("env", []) if "valueFrom" in one}
    yield from (f"nobody is told to make the Secret {name}" for name in secrets - SECRETS)
    yield from (f"{word}: no such variable" for word in words(objects) if "$(" in word)
    account = pod_of(objects).get("serviceAccountName")
    if account and account not in {found["metadata"]["name"] for found in of_kind(objects, "ServiceAccount")}:
        yield f"the service account {account} is not there"


def _ports(objects: list[Object]) -> Iterator[str]:
    container = container_of(objects)
    ports = {port.get("name"): port["containerPort"] for port in container["ports"]}
    for name, number in ports.items():
        if str(number) != option(objects, f"{name or 'http'}-port"):
            yield f"the port {name} is {number}, tritonserver is told {option(objects, f'{name}-port')}"
    targets = [container[probe]["httpGet"]["port"] for probe in container if probe.endswith("Probe")]
    targets += [port["targetPort"] for service in of_kind(objects, "Service") for port in service["spec"]["ports"]]
    for policy in of_kind(objects, "NetworkPolicy"):
        targets += [port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]]
    yield from (f"no port {port} in the container" for port in targets if port not in (*ports, *ports.values()))


def _selectors(objects: list[Object]) -> Iterator[str]:
    for deployment in of_kind(objects, "Deployment"):
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        wanted = [("Deployment", deployment["spec"]["selector"]["matchLabels"])]
        wanted += [("Service", found["spec"]["selector"]) for found in of_kind(objects, "Service")]
        for kind, field in (("PodDisruptionBudget", "selector"), ("NetworkPolicy", "podSelector")):
            wanted += [(kind, found["spec"][field]["matchLabels"]) for found in of_kind(objects, kind)]
        yield from (f"{kind} selects no pod" for kind, selector in wanted if not selector.items() <= labels.items())
    for monitor in of_kind(objects, "ServiceMonitor"):
        selector = monitor["spec"]["selector"]["matchLabels"]
        services = [
            found for found in of_kind(objects, "Service") if selector.items() <= found["metadata"]["labels"].items()
        ]
        named = {port["name"] for service in services for port in service["spec"]["ports"]}
        yield from (
            f"ServiceMonitor: no {end['port']}" for end in monitor["spec"]["endpoints"] if end["port"] not in named
        )


def _scalers(objects: list[Object]) -> Iterator[str]:
    named = {(found["apiVersion"], found["kind"], found["metadata"]["name"]) for found in objects}
    for scaler in of_kind(objects, "HorizontalPodAutoscaler", "ScaledObject"):
        target = scaler["spec"]["scaleTargetRef"]
        if (target["apiVersion"], target["kind"], target["name"]) not in named:
            yield f"{scaler['kind']} scales what is not there"
        if any("replicas" in found["spec"] for found in of_kind(objects, "Deployment")):
            yield f"the Deployment would undo what {scaler['kind']} does"


def _endings(objects: list[Object]) -> Iterator[str]:
    """The pod answers until every node knows that it goes, and then Triton has its time."""
    for _ in of_kind(objects, "Deployment"):
        sleep = int(container_of(objects)["lifecycle"]["preStop"]["exec"]["command"][-1])
        times = [option(objects, name) for name in ("repository-poll-secs", "exit-timeout-secs")]
        grace = pod_of(objects)["terminationGracePeriodSeconds"]
        if sleep < 10:
            yield f"preStop sleeps {sleep} s, nodes may take 10 s"
        if all(time.isdigit() for time in times) and grace <= sleep + sum(map(int, times)):
            yield f"the pod is killed after {grace} s, while it may take {sleep}, {' and '.join(times)} s"


DEFAULT_GRACE = 30
"""Seconds that Kubernetes gives a pod that says nothing about it."""


def _kserve(objects: list[Object]) -> Iterator[str]:
    if of_kind(objects, "ServingRuntime") and int(option(objects, "exit-timeout-secs")) >= DEFAULT_GRACE:
        yield f"the pod is killed after {DEFAULT_GRACE} s, before Triton gives up"
    runtimes = {found["metadata"]["name"]: found["spec"] for found in of_kind(objects, "ServingRuntime")}
    for service in of_kind(objects, "InferenceService"):
        model = service["spec"]["predictor"]["model"]
        runtime = runtimes.get(model["runtime"])
        if runtime is None:
            yield f"the runtime {model['runtime']} is not there"
        elif model["modelFormat"] not in runtime["supportedModelFormats"]:
            yield f"the runtime does not support {model['modelFormat']}"
        elif model["protocolVersion"] not in runtime["protocolVersions"]:
            yield f"the runtime does not speak {model['protocolVersion']}"
