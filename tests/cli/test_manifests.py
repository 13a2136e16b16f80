"""`tritonrepo manifests`: what it writes, what it says, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.deploy.test_model_set import add
from tests.repository.releases import candidate
from tritonrepo.cli.main import main
from tritonrepo.repository.publish import open_repository
from tritonrepo.repository.release import TRITON_RELEASE


@pytest.fixture
def models(tmp_path: Path) -> Path:
    add(tmp_path / "models", "net_onnx", 'backend: "onnxruntime"', v1=10)
    add(tmp_path / "models", "net_tensorrt", 'backend: "tensorrt"', v1=10)
    return tmp_path / "models"


def write(models: Path, *words: str) -> tuple[int, Path]:
    output = models.parent / "overlay"
    return main(["manifests", "--models", str(models), "--output", str(output), *words]), output


def test_it_says_what_is_left_to_do(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = "--target kubernetes --repository s3://bucket/models --profile cpu --namespace ml --autoscale keda"
    status, output = write(models, *words.split())
    said = capsys.readouterr()
    assert (status, said.err) == (0, "net_tensorrt needs a GPU; it is left out\n")
    assert said.out.splitlines() == [
        f"{output}: Triton for kubernetes, serving net_onnx",
        "",
        "openssl rand -hex 32 | tr -d '\\n' | "
        "kubectl create secret generic triton-key --namespace ml --from-file=key=/dev/stdin",
        "kubectl create secret generic triton-s3 --namespace ml --from-env-file=FILE   # AWS_ACCESS_KEY_ID=…",
        f"kubectl apply -k {output}",
    ]
    top = yaml.safe_load((output / "kustomization.yaml").read_text())
    assert top["namespace"] == "ml"
    assert top["images"] == [{"name": "nvcr.io/nvidia/tritonserver", "newTag": f"{TRITON_RELEASE}-py3"}]
    assert [path.rpartition("/")[2] for path in top["components"]] == ["cpu", "s3", "keda", "monitoring"]


def test_for_kserve(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = "net --target kserve --repository pvc://claim/models --profile gpu --triton-release 26.07"
    status, output = write(models, *words.split())
    assert status == 0
    assert "serving net_onnx, net_tensorrt" in capsys.readouterr().out
    service = yaml.safe_load((output / "service.yaml").read_text())
    assert service["spec"]["predictor"]["model"]["storageUri"] == "pvc://claim/models"
    assert yaml.safe_load((output / "kustomization.yaml").read_text())["images"][0]["newTag"] == "26.07-py3"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--target kubernetes --repository model_repository --profile cpu", "pods read s3://BUCKET/PREFIX"),
        ("net_tensorrt --target kubernetes --repository s3://b --profile cpu", "net_tensorrt: needs a GPU"),
        ("--target kserve --repository s3://b --profile cpu --triton-release 26.13", "name a release as YY.MM"),
        ("--target kserve --repository s3://b --profile cpu --monitoring", "leave --autoscale and --monitoring away"),
    ],
)
def test_what_makes_no_sense_is_refused(
    models: Path, words: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, output = write(models, *words.split())
    assert (status, output.exists()) == (2, False)
    assert said in capsys.readouterr().err


def test_blanks_around_the_address_are_none_of_it(models: Path) -> None:
    words = ["--target", "kubernetes", "--profile", "cpu", "--repository", " s3://bucket/models "]
    status, output = write(models, *words)
    assert status == 0
    assert "TRITON_REPOSITORY=s3://bucket/models\n" in (output / "kustomization.yaml").read_text()


def test_an_output_that_is_another_s_is_left_alone(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--target", "kserve", "--profile", "cpu", "--repository", "s3://bucket/models"]
    output = models.parent / "overlay"
    output.write_text("notes")
    assert write(models, *words)[0] == 2
    assert "overlay is not a directory; give another --output" in capsys.readouterr().err
    output.unlink()
    (output / "folder.yaml").mkdir(parents=True)
    (output / "old.yaml").write_bytes(b"caf\xe9: 1\n")
    assert write(models, *words)[0] == 2
    assert "is not empty, and not of this command" in capsys.readouterr().err
    assert (output / "old.yaml").read_bytes() == b"caf\xe9: 1\n"


def test_a_model_of_which_nothing_was_released_is_left_out(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A server that is told to load it would not start, and one that polls has to be told the others by name."""
    with open_repository(models) as repository:
        repository.stage([candidate(repository, b"one", name="new_onnx")])
    words = ["--target", "kubernetes", "--profile", "gpu", "--repository", "s3://bucket/models"]
    status, output = write(models, *words)
    assert (status, capsys.readouterr().err) == (0, "new_onnx: no version was released yet; it is left out\n")
    loads = [one["value"] for one in yaml.safe_load((output / "models.yaml").read_text())]
    assert loads == ["--load-model=net_onnx", "--load-model=net_tensorrt"]
    assert write(models, "new", *words)[0] == 3
    assert "new_onnx: no version was released yet; release one with: tritonrepo release" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["ML", "-ml", "a/b", ""])
def test_a_namespace_is_a_name(models: Path, name: str) -> None:
    with pytest.raises(SystemExit) as caught:
        write(models, "--target", "kserve", "--repository", "s3://b", "--profile", "cpu", f"--namespace={name}")
    assert caught.value.code == 2
