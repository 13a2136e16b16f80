"""The INT8 formats as the exporter makes them: verified in every runtime that is to serve, or refused."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image
from torch import nn

from tritonrepo.client.errors import UsageError
from tritonrepo.export import FORMATS, Options, Serving, Watcher, build, to_onnx
from tritonrepo.export.outcome import Build

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_exports")]
MODEL = "tests/factories.py:tiny"


def export(root: Path, *formats: str, accelerator: str | None = None, **options: object) -> tuple[Build, list[str]]:
    said: list[str] = []
    serving = Serving(max_batch_size=4, onnx_accelerator=accelerator)
    chosen = tuple(FORMATS[name] for name in formats)
    result = build(
        Options(MODEL, None, chosen, root / "models", serving, **options),  # type: ignore[arg-type]
        Watcher(notice=said.append),
    )
    return result, said


@pytest.mark.parametrize("taken", ["fp32", "uint8"])
def test_what_is_published_was_verified_in_openvino_too_and_converted_once(
    tmp_path: Path, taken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    convert, converted = to_onnx.convert, list[Path]()

    def note(module: nn.Module, image_shape: tuple[int, int, int], path: Path) -> None:
        converted.append(path)
        convert(module, image_shape, path)

    monkeypatch.setattr(to_onnx, "convert", note)
    result, said = export(tmp_path, "onnx", "onnx_int8", accelerator="openvino", input=taken)
    plain, rounded = (outcome.verification for outcome in result.outcomes)
    assert plain is not None
    assert rounded is not None
    assert rounded.rounded is not None
    assert [path.name for path in converted] == ["model.onnx"]
    assert (plain.runtime, rounded.runtime) == ("OpenVINO", "OpenVINO")
    assert (plain.rounded, rounded.rounded.layers, rounded.images) == (None, 3, 48)
    assert rounded.worst_absolute > plain.worst_absolute
    assert "ranges are measured on 6 of the 12 verification photographs, 6 others judge" in "\n".join(said)
    model = onnx.load(tmp_path / "models" / "tiny_onnx_int8" / "1" / "model.onnx")
    assert "QuantizeLinear" in {node.op_type for node in model.graph.node}
    assert [path.name for path in (tmp_path / "models" / "tiny_onnx_int8" / "1").glob("*.onnx")] == ["model.onnx"]


def test_a_directory_calibrates_and_all_verification_photographs_judge(tmp_path: Path) -> None:
    (tmp_path / "noise").mkdir()
    for index in range(2):
        pixels = np.random.default_rng(index).integers(0, 256, (40, 40, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "noise" / f"{index}.png")
    result, said = export(tmp_path, "onnx_int8", calibration=tmp_path / "noise")
    (outcome,) = result.outcomes
    assert outcome.rounded is not None
    assert outcome.rounded.calibration == f"2 photographs of {tmp_path / 'noise'}"
    assert "2 photographs are few" in "\n".join(said)


def test_tensorrt_is_not_given_unsigned_activations(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="whose activations are unsigned; export tensorrt_int8"):
        export(tmp_path, "onnx_int8", accelerator="tensorrt")


def test_nothing_to_calibrate_on_is_refused_before_anything_is_converted(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="holds no image"):
        export(tmp_path, "onnx_int8", calibration=tmp_path / "empty")
