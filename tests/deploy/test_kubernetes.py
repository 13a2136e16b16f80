"""The files for Kubernetes and KServe, in every combination, as kustomize and strict schemas take them; with faults."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.deploy import references, schemas
from tests.deploy.building import KSERVE, KUBERNETES, ONNX, PLAN, STORES, build, objects_of, workloads
from tests.deploy.crds import closed
from tritonrepo.client.errors import UsageError
from tritonrepo.deploy.model_set import ModelSet
from tritonrepo.deploy.overlay import FILES, Workload, write_overlay
from tritonrepo.deploy.store import read_store
from tritonrepo.repository.release import TRITON_RELEASE

Object = dict[str, Any]
Change = Callable[[list[Object]], object]


def problems(objects: list[Object]) -> list[str]:
    return [problem for found in objects for problem in schemas.problems(found)] + references.problems(objects)


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> list[Object]:
    """The workload with the most parts."""
    return objects_of(replace(KUBERNETES, store=read_store(STORES[2]), scaler="keda"), tmp_path_factory.mktemp("all"))


@pytest.fixture(scope="module")
def kserve(tmp_path_factory: pytest.TempPathFactory) -> list[Object]:
    return objects_of(KSERVE, tmp_path_factory.mktemp("kserve"))


def one(objects: list[Object], kind: str) -> Object:
    (found,) = references.of_kind(objects, kind)
    return found


def container(objects: list[Object]) -> Object:
    """The container itself, to be changed."""
    (found,) = references.of_kind(objects, "Deployment", "ServingRuntime")
    spec = found["spec"]
    result: Object = (spec if found["kind"] == "ServingRuntime" else spec["template"]["spec"])["containers"][0]
    return result


@pytest.mark.slow
def test_what_gets_planted_faults_has_none(everything: list[Object], kserve: list[Object]) -> None:
    assert problems(everything) == []
    assert problems(kserve) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", workloads())
def test_every_workload_is_valid(name: str, tmp_path: Path) -> None:
    workload = workloads()[name]
    objects = objects_of(workload, tmp_path / "overlay")
    assert problems(objects) == []
    image = container(objects)["image"]
    assert image == f"nvcr.io/nvidia/tritonserver:{TRITON_RELEASE}-py3"
    kinds = {found["kind"] for found in objects}
    assert ("HorizontalPodAutoscaler" in kinds, "ScaledObject" in kinds) == (
        workload.scaler == "hpa",
        workload.scaler == "keda",
    )
    assert ("ServiceMonitor" in kinds) == (workload.monitoring or workload.scaler == "keda")


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["kubernetes/base", "kserve"])
def test_the_folders_build_by_themselves_and_pin_the_release(folder: str) -> None:
    objects = build(FILES / folder)
    assert problems(objects) == []
    assert container(objects)["image"].endswith(f":{TRITON_RELEASE}-py3")


def test_pods_read_the_store_and_have_room(everything: list[Object], tmp_path: Path) -> None:
    assert references.option(everything, "model-repository") == "/models"
    volumes = {volume["name"]: volume for volume in references.pod_of(everything)["volumes"]}
    assert volumes["models"]["persistentVolumeClaim"] == {"claimName": "triton-models", "readOnly": True}
    served = ModelSet((ONNX, PLAN), whole=True)
    workload = replace(KUBERNETES, served=served, store=read_store(STORES[1]), gpu=True, replicas=3)
    objects = objects_of(workload, tmp_path / "overlay")
    assert references.option(objects, "model-repository") == "s3://https://store:9000/models"
    assert references.option(objects, "model-control-mode") == "poll"
    # 2 GiB and twice 178 + 2 * 89 MiB; four times; 1 GiB and twice 178 + 89 MiB: in steps of 256 MiB.
    assert container(objects)["resources"] == {
        "requests": {"cpu": "1", "memory": "2816Mi", "ephemeral-storage": "1792Mi"},
        "limits": {"memory": "3584Mi", "nvidia.com/gpu": "1"},
    }
    assert one(objects, "Deployment")["spec"]["replicas"] == 3


@pytest.mark.parametrize("workload", [KUBERNETES, KSERVE], ids=["kubernetes", "kserve"])
def test_of_a_repository_some_models_alone_are_loaded(workload: Workload, tmp_path: Path) -> None:
    objects = objects_of(replace(workload, served=ModelSet((ONNX, PLAN), whole=False)), tmp_path / "overlay")
    loaded = [word for word in references.words(objects) if word.startswith("--load-model")]
    assert loaded == ["--load-model=net_onnx", "--load-model=net_tensorrt"]
    assert references.option(objects, "model-control-mode") == "explicit"


def test_pods_are_as_closed_as_in_compose(everything: list[Object], kserve: list[Object]) -> None:
    for objects in (everything, kserve):
        context = container(objects)["securityContext"] | references.pod_of(objects).get("securityContext", {})
        assert context["runAsNonRoot"]
        assert context["runAsUser"] == 1000
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert context["allowPrivilegeEscalation"] is False
        assert references.option(objects, "http-restricted-api") == references.option(
            objects, "grpc-restricted-protocol"
        )
    assert references.pod_of(everything)["automountServiceAccountToken"] is False


def test_the_dashboard_is_the_one_of_compose(everything: list[Object]) -> None:
    (dashboard,) = (found for found in everything if found["metadata"].get("labels", {}).get("grafana_dashboard"))
    assert dashboard["data"] == {"triton.json": (FILES / "grafana/dashboards/triton.json").read_text()}


def set_version(objects: list[Object], kind: str, version: str) -> None:
    one(objects, kind)["apiVersion"] = version


FAULTS: dict[str, tuple[Change, str]] = {
    "API version": (lambda o: set_version(o, "PodDisruptionBudget", "policy/v1beta1"), "PodDisruptionBudget"),
    "API version of KEDA": (lambda o: set_version(o, "ScaledObject", "keda.sh/v1"), "ScaledObject"),
    "API version of the operator": (
        lambda o: set_version(o, "ServiceMonitor", "monitoring.coreos.com/v1beta1"),
        "ServiceMonitor",
    ),
    "kind": (lambda o: one(o, "NetworkPolicy").update(kind="NetworkPolice"), "NetworkPolice"),
    "field": (lambda o: container(o).update(lifecycles={}), "Deployment"),
    "field of KEDA": (lambda o: one(o, "ScaledObject")["spec"].update(minReplicas=2), "minReplicas"),
    "type of KEDA": (
        lambda o: one(o, "ScaledObject")["spec"]["triggers"][0]["metadata"].update(threshold=8),
        "threshold",
    ),
    "field of the operator": (
        lambda o: one(o, "ServiceMonitor")["spec"]["endpoints"][0].update(portName="metrics"),
        "portName",
    ),
    "missing volume": (
        lambda o: one(o, "Deployment")["spec"]["template"]["spec"]["volumes"].pop(),
        "is mounted and not there",
    ),
    "missing mount": (lambda o: container(o)["volumeMounts"].pop(), "is there and not mounted"),
    "missing options": (lambda o: o.remove(one_map(o)), "gives variables and is not there"),
    "missing variable": (lambda o: one_map(o)["data"].pop("TRITON_POLL_SECS"), "no such variable"),
    "missing account": (lambda o: o.remove(one(o, "ServiceAccount")), "service account"),
    "port of a probe": (lambda o: container(o)["livenessProbe"]["httpGet"].update(port="htp"), "no port htp"),
    "port of tritonserver": (lambda o: container(o)["ports"][1].update(containerPort=9000), "tritonserver is told"),
    "port of the monitor": (
        lambda o: one(o, "ServiceMonitor")["spec"]["endpoints"][0].update(port="web"),
        "ServiceMonitor: no web",
    ),
    "selector": (
        lambda o: references.of_kind(o, "Service")[0]["spec"].update(selector={"app": "other"}),
        "Service selects no pod",
    ),
    "target of the scaler": (
        lambda o: one(o, "ScaledObject")["spec"]["scaleTargetRef"].update(name="other"),
        "scales what is not there",
    ),
    "replicas beside a scaler": (lambda o: one(o, "Deployment")["spec"].update(replicas=2), "would undo"),
    "no time to end": (
        lambda o: one(o, "Deployment")["spec"]["template"]["spec"].update(terminationGracePeriodSeconds=60),
        "is killed after 60 s",
    ),
}


def one_map(objects: list[Object]) -> Object:
    """The options."""
    (found,) = (found for found in references.of_kind(objects, "ConfigMap") if "options" in found["metadata"]["name"])
    return found


def assert_found(sound: list[Object], plant: Change, words: str) -> None:
    """Plant a fault in a copy, and look for the words that name it."""
    objects = copy.deepcopy(sound)
    plant(objects)
    assert any(words in problem for problem in problems(objects)), problems(objects)


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(everything: list[Object], fault: str) -> None:
    assert_found(everything, *FAULTS[fault])


KSERVE_FAULTS: dict[str, tuple[Change, str]] = {
    "API version": (
        lambda o: set_version(o, "InferenceService", "serving.kserve.io/v1beta2"),
        "InferenceService",
    ),
    "field": (lambda o: one(o, "ServingRuntime")["spec"].update(supportedModelTypes=[]), "supportedModelTypes"),
    "field of the container": (lambda o: container(o).update(arguments=[]), "ServingRuntime"),
    "resources": (
        lambda o: one(o, "InferenceService")["spec"]["predictor"]["model"].update(resources={"memory": "2Gi"}),
        "InferenceService",
    ),
    "no time to end": (
        lambda o: container(o).update(args=[word.replace("secs=20", "secs=30") for word in container(o)["args"]]),
        "before Triton gives up",
    ),
    "runtime": (
        lambda o: one(o, "InferenceService")["spec"]["predictor"]["model"].update(runtime="other"),
        "the runtime other is not there",
    ),
    "missing volume": (lambda o: container(o).update(volumeMounts=[{"name": "a", "mountPath": "/a"}]), "volume a"),
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", KSERVE_FAULTS)
def test_a_planted_fault_in_the_files_for_kserve_is_found(kserve: list[Object], fault: str) -> None:
    assert_found(kserve, *KSERVE_FAULTS[fault])


def test_a_directory_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_text("resources: [mine]\n")
    with pytest.raises(UsageError, match="give another --output"):
        write_overlay(KUBERNETES, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["kustomization.yaml"]


def test_yaml_in_any_encoding_is_somebody_elses(tmp_path: Path) -> None:
    (tmp_path / "values.yaml").write_bytes("name: caf\xe9\n".encode("latin-1"))
    with pytest.raises(UsageError, match="give another --output"):
        write_overlay(KUBERNETES, tmp_path)


def test_a_run_that_was_cut_off_is_done_again(tmp_path: Path) -> None:
    """Here by a file where a folder is to be; what is there by then is known for ours."""
    write_overlay(KUBERNETES, tmp_path)
    shutil.rmtree(tmp_path / "grafana")
    (tmp_path / "grafana").touch()
    with pytest.raises(FileExistsError):
        write_overlay(KUBERNETES, tmp_path)
    (tmp_path / "grafana").unlink()
    write_overlay(KUBERNETES, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} > {"grafana", "deployment.yaml", "kustomization.yaml"}


def test_a_directory_of_ours_is_written_anew(tmp_path: Path) -> None:
    write_overlay(replace(KUBERNETES, served=ModelSet((ONNX,), whole=False)), tmp_path)
    (tmp_path / "mine.yaml").write_text("kind: ConfigMap\n")
    write_overlay(replace(KSERVE, replicas=5), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "kserve",
        "kustomization.yaml",
        "mine.yaml",
        "service.yaml",
    ]
    write_overlay(replace(KUBERNETES, replicas=5), tmp_path)
    assert yaml.safe_load((tmp_path / "kustomization.yaml").read_text())["replicas"] == [{"name": "triton", "count": 5}]
    assert not list(tmp_path.rglob("*.py"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"store": read_store(STORES[1])}, "annotations of its Secret"),
        ({"scaler": "keda"}, "scales and announces"),
        ({"monitoring": True}, "scales and announces"),
    ],
)
def test_kserve_is_not_asked_for_what_it_does_not_do(changes: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=words):
        write_overlay(replace(KSERVE, **changes), tmp_path / "overlay")
    assert not (tmp_path / "overlay").exists()


def test_a_definition_of_a_resource_is_held_against_strictly() -> None:
    schema = {"properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}}}
    strict = closed(schema, top=True)
    jsonschema.validate({"metadata": {"name": "a"}, "spec": {"size": 1}}, strict)
    faults: list[Object] = [{"spec": {"sice": 1}}, {"spec": {"size": "1"}}, {"spek": {}}]
    for wrong in faults:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, strict)
