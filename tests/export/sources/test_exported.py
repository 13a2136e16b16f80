"""Exported programs, and the files that describe them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from tests import factories
from tests.repository.packages import package
from tritonrepo.client.errors import TritonRepoError, UsageError
from tritonrepo.client.preprocess import Preprocessing
from tritonrepo.client.steps import Resize, Scale
from tritonrepo.export import to_onnx, to_torchscript
from tritonrepo.export.errors import WeightsError
from tritonrepo.export.options import Options
from tritonrepo.export.sources import exported
from tritonrepo.export.sources.exported import read_spec
from tritonrepo.export.sources.loaded import Loaded

pytestmark = pytest.mark.slow

DESCRIBED = """
labels = "labels.txt"
[preprocessing]
resize = 36
crop = 32
"""


def load(path: Path, described: Path | None, source: str | None) -> Loaded:
    return exported.load(path, Options(str(path), source, (), Path(), spec=described))


def save(module: nn.Module, path: Path, fixed: bool = False) -> Path:
    batch = None if fixed else ({0: torch.export.Dim("batch", min=1, max=64)},)
    example = (torch.zeros(2, 3, factories.SIDE, factories.SIDE),)
    torch.export.save(torch.export.export(module.eval(), example, dynamic_shapes=batch), path)
    return path


@pytest.fixture
def described(tmp_path: Path) -> Path:
    (tmp_path / "labels.txt").write_text("".join(f"{label}\n" for label in factories.LABELS))
    (tmp_path / "spec.toml").write_text(DESCRIBED)
    return tmp_path / "spec.toml"


def test_a_program_computes_what_its_module_does(described: Path) -> None:
    network = factories.network().eval()
    loaded = load(save(network, described.with_name("mine.pt2")), described, None)
    assert (loaded.spec.name, loaded.spec.labels) == ("mine", tuple(factories.LABELS))
    assert loaded.spec.preprocessing == Preprocessing(36, 32)
    assert loaded.weights.source == "program mine.pt2"
    images = torch.randn(5, 3, factories.SIDE, factories.SIDE)
    with torch.no_grad():
        assert torch.equal(loaded.module.eval()(images), network(images))


def test_a_program_becomes_every_format(described: Path, tmp_path: Path) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    module = load(save(network, described.with_name("mine.pt2")), described, None).module
    shape = (3, factories.SIDE, factories.SIDE)
    to_onnx.convert(module, shape, tmp_path / "model.onnx")
    to_torchscript.convert(module, shape, tmp_path / "model.pt")
    images = torch.randn(5, *shape)
    with torch.no_grad():
        expected = network(images).numpy()
    for run in (to_onnx.load(tmp_path / "model.onnx"), to_torchscript.load(tmp_path / "model.pt")):
        assert np.abs(run(images.numpy()) - expected).max() < 1e-5


def test_what_cannot_be_served_is_refused(described: Path, capfd: pytest.CaptureFixture[str]) -> None:
    fixed = save(factories.network(), described.with_name("fixed.pt2"), fixed=True)
    with pytest.raises(UsageError, match="takes batches of 2 alone; export it with dynamic_shapes"):
        load(fixed, described, None)
    with pytest.raises(UsageError, match="has its own, and takes no others"):
        load(fixed, described, "seeded")
    with pytest.raises(UsageError, match=r"do it with --spec FILE\.toml"):
        load(fixed, None, None)
    with pytest.raises(UsageError, match="no such file"):
        load(described.with_name("absent.pt2"), described, None)
    described.with_name("damaged.pt2").write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(WeightsError, match=r"damaged.pt2: is no program of torch.export.save"):
        load(described.with_name("damaged.pt2"), described, None)
    assert "Traceback" not in capfd.readouterr().err


def test_a_spec_may_have_steps(tmp_path: Path) -> None:
    (tmp_path / "spec.toml").write_text(
        'name = "net"\nlabels = ["a", "b"]\nscores = "probabilities"\n[preprocessing]\nschema = 2\nchannels = "BGR"\n'
        '[[preprocessing.steps]]\nstep = "resize"\nheight = 30\nwidth = 40\n'
        '[[preprocessing.steps]]\nstep = "scale"\ndivisor = 127.5\noffset = -1\n'
    )
    spec = read_spec(tmp_path / "spec.toml", "program")
    assert (spec.name, spec.labels, spec.scores) == ("net", ("a", "b"), "probabilities")
    assert spec.preprocessing == Preprocessing.of_steps([Resize(30, 40), Scale(127.5, -1)], channels="BGR")
    assert spec.image_shape == (3, 30, 40)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = ", "is no TOML"),
        ('name = "net"', r"has no table \[preprocessing\]"),
        ("preprocessing = 5", r"has no table \[preprocessing\]"),
        ("sides = 3\n[preprocessing]\nresize = 3", "unknown keys sides; it may have name, labels"),
        ("[preprocessing]\nresize = 0", "resize is 0, not a whole number"),
        ("[preprocessing]\nschema = 2\nsteps = [{step = 'rotate'}]", "step 1 is 'rotate'"),
        ("[preprocessing]\nresize = 2020-01-01", "resize is '2020-01-01', not a whole number"),
        ("name = '../x'\n[preprocessing]\nresize = 40", "model name '../x'"),
        ("labels = 'absent.txt'\n[preprocessing]\nresize = 40", "absent.txt"),
        ("labels = 5\n[preprocessing]\nresize = 40", "the labels of net are 5: give a list"),
        ("trained = 'no'\n[preprocessing]\nresize = 40", "trained of net is 'no': say true or false"),
    ],
)
def test_nonsense_is_refused(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "spec.toml").write_text(text)
    with pytest.raises(TritonRepoError, match=message):
        read_spec(tmp_path / "spec.toml", "net")


def test_a_spec_may_have_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "spec.toml").write_bytes(b"\xef\xbb\xbfname = 'mine'\r\n[preprocessing]\r\nresize = 40\r\n")
    assert read_spec(tmp_path / "spec.toml", "net").name == "mine"
    (tmp_path / "spec.toml").write_text("name = 'mine'", "utf-16")
    with pytest.raises(UsageError, match=r"--spec .*spec\.toml is UTF-16 text, not UTF-8"):
        read_spec(tmp_path / "spec.toml", "net")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"absent\.toml cannot be read"):
        read_spec(tmp_path / "absent.toml", "net")


def test_a_compiled_package_is_told_from_a_program(described: Path) -> None:
    with pytest.raises(UsageError, match=r"mine\.pt2: is a package that AOTInductor compiled, .*torch\.export\.save"):
        load(package(described.with_name("mine.pt2")), described, None)
