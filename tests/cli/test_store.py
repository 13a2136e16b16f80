"""The verbs of a repository over a bucket, as their users run them."""

import json
from pathlib import Path

import pytest

from tritonrepo.cli.main import main
from tritonrepo.repository.store.address import Address

pytestmark = [pytest.mark.live, pytest.mark.slow, pytest.mark.usefixtures("quick_exports")]


def export(bucket: Address, factory: str) -> int:
    words = ["--model", f"tests/factories.py:{factory}", "--formats", "torchscript", "--max-batch-size", "2"]
    return main(["export", *words, "--repository", str(bucket)])


def test_export_versions_doctor_rollback_and_manifests(
    bucket: Address, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert [export(bucket, factory) for factory in ("tiny", "other_weights")] == [0, 0]
    assert "published v2" in capsys.readouterr().out
    assert main(["rollback", "tiny", "--repository", str(bucket)]) == 0
    assert main(["versions", "--repository", str(bucket), "--format", "json"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(one["model"], one["version"], one["status"]) for one in found] == [
        ("tiny_torchscript", 1, "served"), ("tiny_torchscript", 2, "withdrawn"),
    ]  # fmt: skip
    assert main(["doctor", "--repository", str(bucket)]) == 0
    assert "ok   tiny_torchscript: pytorch, version 1; 2 not served" in capsys.readouterr().out
    monkeypatch.chdir(tmp_path)  # where no repository is
    words = ["--target", "kubernetes", "--profile", "cpu", "--repository", str(bucket)]
    assert main(["manifests", *words]) == 0
    assert "Triton for kubernetes, serving tiny_torchscript\n" in capsys.readouterr().out
    assert f"TRITON_REPOSITORY={bucket}" in (tmp_path / "manifests/kustomization.yaml").read_text()
    assert main(["manifests", "nothing", *words]) == 2
    assert "has no model 'nothing'; it has tiny_torchscript" in " ".join(capsys.readouterr().err.split())
