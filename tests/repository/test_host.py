"""What this machine has."""

import pytest

from tritonrepo.client.install import install_command
from tritonrepo.repository import host


def test_the_host_is_described_with_remedies_for_what_is_missing() -> None:
    found = {finding.subject: finding for finding in host.examine_host()}
    assert {"python", "torch", "onnxruntime", "onnxruntime providers", "tritonclient", "NVIDIA GPU"} <= set(found)
    assert {"TensorRT", "Docker daemon", "format torchscript", "format onnx", "format tensorrt"} <= set(found)
    assert all(finding.level != "fail" for finding in found.values())
    assert all(finding.remedy for finding in found.values() if finding.level == "note")
    assert "CPUExecutionProvider" in found["onnxruntime providers"].text


def test_a_missing_package_has_a_remedy_that_pip_takes_anywhere() -> None:
    finding = host._present("torch", host.installed("no-such-package"), install_command(host.EXTRAS["torch"]))
    assert finding.level == "note"
    assert "[export]" in finding.remedy
    assert "'.[" not in finding.remedy


def test_a_program_that_is_missing_or_fails_says_nothing() -> None:
    assert host.answer("no-such-program-here") == ""
    assert host.answer("false") == ""
    assert host.answer("echo", "a b") == "a b"


def test_a_missing_compiler_keeps_pt2_from_being_exported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    (finding,) = [finding for finding in host._formats() if finding.subject == "format pt2"]
    assert (finding.level, finding.text) == ("note", "needs the C++ compiler no-such-compiler")
    assert "apt-get install g++" in finding.remedy
