"""The engine-building code, with NVIDIA's real parser and compiler: TensorRT for RTX compiles without a GPU."""

import dataclasses
from pathlib import Path

import onnx
import pytest
import tensorrt_rtx_bindings as trt
from onnx import TensorProto, helper

from tests.conftest import TINY_SIDE, tiny_module
from tests.export.int8 import networks
from tritonrepo.export import network, to_onnx, to_onnx_fp16
from tritonrepo.export.errors import ConversionError
from tritonrepo.export.int8.graph import Quantiser
from tritonrepo.export.options import EngineOptions
from tritonrepo.export.tensorrt.engine import Engine, build
from tritonrepo.repository.artifacts import plan

pytestmark = pytest.mark.slow
SHAPE = (3, TINY_SIDE, TINY_SIDE)
BATCHES = (1, 4, 8)
OPTIONS = EngineOptions()


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("half") / "model.onnx"
    to_onnx_fp16.convert(tiny_module(), SHAPE, path)
    return path


@pytest.fixture(scope="module")
def engine(half: Path) -> Engine:
    """That of the usual options."""
    return build(trt, half, BATCHES, OPTIONS)


def test_an_fp16_graph_becomes_an_fp16_engine(engine: Engine) -> None:
    assert (engine.convolutions, engine.fp16_convolutions) == (2, 2)
    assert 0 < engine.fp16_layers < engine.layers, "the casts at both ends are not all FP16"
    assert engine.plan[:4] == plan.RTX_TAG
    assert ".".join(map(str, engine.plan[plan.VERSION])) == trt.__version__
    assert "2 of 2 convolutions" in str(engine)


def test_the_profile_is_what_the_engine_is_compiled_for(half: Path, engine: Engine) -> None:
    assert build(trt, half, (1, 1, 1), OPTIONS).plan != engine.plan
    with pytest.raises(ConversionError, match=r"no profile of batches \(8, 4, 1\)"):
        build(trt, half, (8, 4, 1), OPTIONS)


def test_an_fp32_graph_is_refused_by_name(tmp_path: Path) -> None:
    to_onnx.convert(tiny_module(), SHAPE, tmp_path / "model.onnx")
    with pytest.raises(ConversionError, match=r"3 layer\(s\) would not run in FP16: .*conv2d.* is FLOAT"):
        build(trt, tmp_path / "model.onnx", BATCHES, OPTIONS)


@pytest.fixture(scope="module")
def rounded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The INT8 graph of four layers, and their names."""
    directory = tmp_path_factory.mktemp("rounded")
    quantiser = Quantiser(networks.graph(directory), networks.images(8), symmetric=True)
    onnx.save(quantiser.quantise(), directory / "model.onnx")
    onnx.save(quantiser.quantise(list(quantiser.layers)[:1]), directory / "kept.onnx")
    return directory, list(quantiser.layers)


def test_a_graph_with_q_and_dq_becomes_an_int8_engine(rounded: tuple[Path, list[str]]) -> None:
    engine = build(trt, rounded[0] / "model.onnx", BATCHES, OPTIONS, kept=[])
    assert (engine.convolutions, engine.int8_convolutions) == (3, 3)
    assert engine.plan[:4] == plan.RTX_TAG
    assert "3 of 3 convolutions in INT8" in str(engine)


def test_a_layer_that_is_not_int8_is_refused_unless_it_is_meant(rounded: tuple[Path, list[str]]) -> None:
    directory, layers = rounded
    with pytest.raises(ConversionError, match=rf"1 layer\(s\) would not run in INT8: {layers[0]};"):
        build(trt, directory / "kept.onnx", BATCHES, OPTIONS, kept=[])
    engine = build(trt, directory / "kept.onnx", BATCHES, OPTIONS, kept=layers[:1])
    assert (engine.convolutions, engine.int8_convolutions) == (3, 2)
    with pytest.raises(ConversionError, match=r"4 layer\(s\) would not run in INT8"):
        build(trt, directory / "fp32.onnx", BATCHES, OPTIONS, kept=[])


def graph_with(path: Path, operator: str, domain: str = "", batch: str | int = "batch") -> Path:
    """An ONNX file of a ReLU named `body/relu` and `operator` named `head/odd`."""
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, 3, 8, 8]) for name in ("INPUT__0", "OUTPUT__0")
    ]
    nodes = [
        helper.make_node("Relu", ["INPUT__0"], ["middle"], name="body/relu"),
        helper.make_node(operator, ["middle"], ["OUTPUT__0"], name="head/odd", domain=domain),
    ]
    sets = [helper.make_opsetid("", 18), *([helper.make_opsetid(domain, 1)] if domain else [])]
    graph = helper.make_graph(nodes, "odd", ends[:1], ends[1:])
    onnx.save_model(helper.make_model(graph, opset_imports=sets, ir_version=9), path)
    return path


@pytest.mark.parametrize(("operator", "domain"), [("Det", ""), ("Frobnicate", "acme")])
def test_a_node_that_cannot_be_parsed_is_named(tmp_path: Path, operator: str, domain: str) -> None:
    path = graph_with(tmp_path / "model.onnx", operator, domain)
    with pytest.raises(
        ConversionError, match=rf"cannot parse model.onnx, 1 error\(s\): node 'head/odd' \({operator}\)"
    ):
        build(trt, path, BATCHES, OPTIONS)


def test_a_file_that_is_cut_off_is_said(tmp_path: Path, half: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(half.read_bytes()[:1000])
    with pytest.raises(ConversionError, match="MODEL_DESERIALIZE_FAILED"):
        build(trt, tmp_path / "model.onnx", BATCHES, OPTIONS)


def test_a_fixed_batch_is_refused(tmp_path: Path) -> None:
    path = graph_with(tmp_path / "model.onnx", "Neg", batch=2)
    with pytest.raises(ConversionError, match="fixes the batch dimension of INPUT__0 at 2"):
        build(trt, path, BATCHES, OPTIONS)


def test_a_workspace_that_is_too_small_is_said_with_the_remedy(half: Path) -> None:
    small = dataclasses.replace(OPTIONS, workspace_mib=1)
    with pytest.raises(ConversionError, match="workspace of 1 MiB may be too small, raise it with --workspace-mib"):
        build(trt, half, BATCHES, small)


def test_what_the_compiler_says_is_passed_on(half: Path) -> None:
    # TensorRT for RTX has no lean runtime to put into an engine; TensorRT has.
    with pytest.raises(ConversionError, match="libnvinfer_lean"):
        build(trt, half, BATCHES, dataclasses.replace(OPTIONS, version_compatible=True))


def test_a_failed_build_does_not_stain_the_next(half: Path) -> None:
    with pytest.raises(ConversionError):
        build(trt, half, BATCHES, dataclasses.replace(OPTIONS, workspace_mib=1))
    assert build(trt, half, BATCHES, dataclasses.replace(OPTIONS, hardware_compatible=True)).plan


@pytest.mark.parametrize("version", ["8.0", "12.0"])
def test_it_compiles_for_the_compute_capability_that_is_chosen(half: Path, engine: Engine, version: str) -> None:
    chosen = build(trt, half, BATCHES, dataclasses.replace(OPTIONS, compute_capability=version))
    assert chosen.plan != engine.plan


def test_an_unknown_compute_capability_is_refused(half: Path) -> None:
    with pytest.raises(ConversionError, match=r"5\.0; it knows 7\.5, 8\.0"):
        build(trt, half, BATCHES, dataclasses.replace(OPTIONS, compute_capability="5.0"))


def test_the_timing_cache_is_kept_between_runs(half: Path, tmp_path: Path) -> None:
    cache = tmp_path / "caches/timing"
    build(trt, half, BATCHES, OPTIONS, cache)
    first = cache.read_bytes()
    assert first
    build(trt, half, BATCHES, OPTIONS, cache)
    assert cache.read_bytes() == first
    assert [path.name for path in cache.parent.iterdir()] == ["timing"]


def test_a_broken_timing_cache_is_replaced(half: Path, tmp_path: Path) -> None:
    cache = tmp_path / "timing"
    cache.write_bytes(b"broken" * 100)
    assert build(trt, half, BATCHES, OPTIONS, cache).plan
    assert not cache.read_bytes().startswith(b"broken")


def test_all_convolutions_of_the_whole_network_are_fp16(tmp_path: Path) -> None:
    module = network.build("resnext101_32x4d").eval()
    to_onnx_fp16.convert(module, (3, 224, 224), tmp_path / "model.onnx")
    engine = build(trt, tmp_path / "model.onnx", (1, 8, 64), OPTIONS)
    assert (engine.convolutions, engine.fp16_convolutions) == (104, 104)
