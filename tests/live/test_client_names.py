"""File names, labels and model names that rich would take for markup or an emoji, through every output there is."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import TINY_LABELS, ShortLived, tiny_config
from tritonrepo.cli.main import main
from tritonrepo.serve.triton import TritonServer

pytestmark = pytest.mark.live

MODEL = ":boom:_onnx"
FILES = (":boom:.png", "[red]x[bold].png", "[link=file:x]y.png", ":smiley: [b].png")
LABELS = [f":heart: [green]{label}[blink]" for label in TINY_LABELS]


@pytest.fixture(scope="module")
def server(tiny_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    """A model with such a name and such labels."""
    repository = tmp_path_factory.mktemp("names") / "model_repository"
    shutil.copytree(tiny_repository / "tiny_onnx", repository / MODEL)
    (repository / MODEL / "config.pbtxt").write_text(tiny_config(MODEL, "onnxruntime", "model.onnx"))
    (repository / MODEL / "labels.txt").write_text("".join(f"{label}\n" for label in LABELS))
    with ShortLived(repository) as server:
        yield server


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    directory = tmp_path / "[red]:boom:"
    directory.mkdir()
    for number, name in enumerate(FILES):
        pixels = np.random.default_rng(number).integers(0, 256, (40, 48, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(directory / name)
    (directory / "[torn]:fire:.png").write_bytes(b"no image")
    return directory


def said(capfd: pytest.CaptureFixture[str]) -> tuple[str, str]:
    captured = capfd.readouterr()
    assert not set("💥😃❤🔥") & set(captured.out + captured.err)
    return captured.out, captured.err


def test_classify_shows_names_as_they_are(
    server: TritonServer, photographs: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["classify", str(photographs), "--top", "10", "--url", server.grpc_url]
    page = tmp_path / ":boom:[b].html"
    assert main([*words, "--gallery", str(page)]) == 1
    out, err = said(capfd)
    assert out.startswith(f"{MODEL}\nThe weights of {MODEL} are untrained")
    # A long path is folded.
    unfolded = out.replace("\n", "")
    assert all(name in unfolded for name in (*FILES, *LABELS))
    assert "[torn]:fire:.png  error: not an image in a known format" in unfolded
    assert err == "1 of 5 images could not be classified\n"
    assert all(label in page.read_text() for label in LABELS)
    assert main([*words, "--format", "csv"]) == 1
    out, err = said(capfd)
    assert all(f"{photographs}/{name},{MODEL},1,1," in out for name in FILES)
    assert f"The weights of {MODEL} are untrained" in err
    results = tmp_path / ":boom:[b].jsonl"
    assert main([*words, "--resume", str(results)]) == 1
    _, err = said(capfd)
    assert f"{photographs}/[torn]:fire:.png: not an image in a known format\n" in err
    assert f"{results}: 5 images, 1 could not be classified\n" in err
    assert {json.loads(line)["image"] for line in results.read_text().splitlines()} >= {
        f"{photographs}/{name}" for name in FILES
    }


def test_evaluate_shows_names_as_they_are(
    server: TritonServer, photographs: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / ":boom:[b].csv"
    # Whatever the network takes them for, some of ten classes are wrong.
    rows = [f'"{photographs}/{name}","{label}"' for name in FILES for label in LABELS]
    data.write_text("\n".join(["image,label", *rows]))
    assert main(["evaluate", str(data), "--url", server.grpc_url]) == 0
    out, err = said(capfd)
    assert f"{MODEL}: most frequent mistakes" in out
    assert f"{MODEL}: worst mistakes" in out
    assert f"The weights of {MODEL} are untrained" in err
    cells = "".join(out.split())
    assert all("".join(label.split()) in cells for label in LABELS)
    data.write_text("image,label\nx.png,[green]:boom:\n")
    assert main(["evaluate", str(data), "--url", server.grpc_url]) == 2
    assert f"{data}: the model has no class '[green]:boom:'" in said(capfd)[1]


def test_errors_show_names_as_they_are(
    server: TritonServer, photographs: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["classify", "x", "--url", server.grpc_url, "--model", ":boom:[red]"]) == 2
    assert f"no model named ':boom:[red]' is ready on this server. Ready: {MODEL}." in said(capfd)[1]
    missing = str(photographs / "[red]:boom:.py")
    assert main(["export", "--model", f"{missing}:f", "--repository", str(photographs / ":boom:")]) == 2
    assert missing in said(capfd)[1]
