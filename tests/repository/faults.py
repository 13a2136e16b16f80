"""Planting faults in a repository, and looking for them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.repository.manifests import ENGINE, manifest_of
from tritonrepo.repository.candidate import Candidate
from tritonrepo.repository.doctor import examine_repository
from tritonrepo.repository.publish import open_repository

RELEASE = "26.11"
BUILT_BY = (11, 4, 0, 106)
PLAN = "tiny_tensorrt/1"


def plan(built_by: tuple[int, ...] = BUILT_BY, tag: bytes = b"ftrt") -> bytes:
    """The head of a TensorRT engine, which is all that can be had without a GPU."""
    return tag + bytes(20) + bytes(built_by) + bytes(100)


def publish_plan(root: Path) -> None:
    """Add `tiny_tensorrt`."""
    with open_repository(root) as repository:
        path = repository.workspace("tiny_tensorrt") / "model.plan"
        path.write_bytes(plan())
        config = 'name: "tiny_tensorrt"\nbackend: "tensorrt"\ndefault_model_filename: "model.plan"\n'
        manifest = manifest_of(path, model="tiny_tensorrt", format="tensorrt", precision="FP16", conversion=ENGINE)
        repository.publish([Candidate("tiny_tensorrt", path, config, (), manifest)], keep=2)


def failures(root: Path, release: str = RELEASE) -> list[tuple[str, str]]:
    """Subject and text of each finding for which Triton would not load something."""
    found = examine_repository(root, release)
    assert all(finding.remedy for finding in found if finding.level != "ok"), "a finding without its remedy"
    return [(finding.subject, finding.text) for finding in found if finding.level == "fail"]


def assert_found(root: Path, subject: str, words: str) -> None:
    """The fault is among the failures, and no sound model is blamed."""
    found = failures(root)
    assert any(where == subject and words in text for where, text in found), found
    assert {where.split("/")[0] for where, _ in found} == {subject.split("/")[0]}, "a sound model is blamed"


def edit_manifest(version: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = version / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


def edit_config(root: Path, old: str, new: str, name: str = "tiny_onnx") -> None:
    path = root / name / "config.pbtxt"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
