"""TensorRT engines that the Triton which is to serve them would refuse."""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.repository.faults import PLAN, RELEASE, assert_found, edit_manifest, failures, plan
from tritonrepo.repository.doctor import examine_repository
from tritonrepo.repository.findings import Finding


def say(root: Path, **facts: Any) -> None:
    """Let the manifest say something else of the engine."""
    edit_manifest(root / PLAN, lambda manifest: manifest["conversion"].update(facts))


def notes(root: Path) -> list[Finding]:
    return [finding for finding in examine_repository(root, RELEASE) if finding.level == "note"]


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"ftrt, but short", "model.plan is not a TensorRT engine"), (b"", "model.plan is not a TensorRT engine"),
     (plan((1, 7, 1, 116), b"vtrt"), "was built by TensorRT for RTX")],
)  # fmt: skip
def test_what_is_no_engine(root: Path, content: bytes, words: str) -> None:
    (root / PLAN / "model.plan").write_bytes(content)
    assert_found(root, PLAN, words)


def test_an_engine_of_another_tensorrt_than_the_manifest_says(root: Path) -> None:
    say(root, tensorrt="10.13.0.35")
    assert_found(root, PLAN, "was built by TensorRT 11.4.0.106, the manifest says 10.13.0.35")


def test_an_engine_of_another_release(root: Path) -> None:
    say(root, triton_release="25.12")
    assert_found(root, PLAN, "TensorRT 11.4.0.106 of Triton 25.12, Triton 26.11 is to serve it")


def test_an_engine_built_outside_the_image_is_a_note(root: Path) -> None:
    say(root, triton_release=None)
    (note,) = notes(root)
    assert "whether 26.11 carries it cannot be told here" in note.text
    assert "make export-gpu" in note.remedy


@pytest.mark.parametrize("text", ["{}", '{"format": [], "artifact": "none", "conversion": 3}', "[" * 100_000])
def test_an_engine_without_a_manifest_that_can_be_read_is_a_note(root: Path, text: str) -> None:
    (root / PLAN / "manifest.json").write_text(text)
    assert failures(root) == []
    assert any("was built by TensorRT 11.4.0.106: whether Triton 26.11" in note.text for note in notes(root))


@pytest.mark.parametrize(
    ("capability", "compatible", "fails"), [("8.9", False, 0), ("9.0", False, 1), ("9.0", True, 0)]
)
def test_an_engine_for_another_gpu_is_found(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capability: str, compatible: bool, fails: int
) -> None:
    program = tmp_path / "bin/nvidia-smi"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho {capability}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    say(root, hardware_compatible=compatible)
    assert len(failures(root)) == fails
