"""Modules that users bring, and the labels of a model."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests import factories
from tritonrepo.client.errors import MissingError, UsageError
from tritonrepo.export import models, network, weights
from tritonrepo.export.errors import WeightsError
from tritonrepo.export.options import Notice, Options, Watcher
from tritonrepo.export.sources.loaded import Loaded, Origins
from tritonrepo.repository.spec import ModelSpec


def load(model: str, source: str | None = None, notice: Notice = lambda _: None, **more: Any) -> Loaded:
    return models.load(Options(model, source, (), Path(), **more), Watcher(notice))


def test_a_factory_may_import_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "neighbour_of_the_test.py").write_text("from tests.factories import network\n")
    (tmp_path / "mine.py").write_text("from neighbour_of_the_test import network\ndef build(): return network(3)\n")
    loaded = load(f"{tmp_path}/mine.py:build")
    assert loaded.spec == ModelSpec("build")
    assert loaded.weights.source == "factory mine.py:build"
    assert loaded.weights.trained
    assert not loaded.module.training


def test_the_hash_of_a_factory_is_of_its_tensors() -> None:
    first, again, other = (load(f"tests/factories.py:{name}").weights for name in ("tiny", "tiny", "other_weights"))
    assert first == again
    assert first.sha256 != other.sha256
    assert first.trained is False


def test_a_name_that_is_no_module_is_refused_with_what_was_returned() -> None:
    expected = r"returned a tuple \(Sequential, ModelSpec, int\), expected .* a tritonrepo\.export\.ModelSpec"
    with pytest.raises(UsageError, match=expected):
        load("tests/factories.py:triple")


def test_a_spec_keeps_its_own_name() -> None:
    spec = load("tests/factories.py:tiny").spec
    assert spec == replace(factories.spec(), name="tiny")


@pytest.fixture
def _defaults() -> Iterator[None]:
    yield
    torch.set_default_dtype(torch.float32)
    torch.set_default_device("cpu")


@pytest.mark.usefixtures("_defaults")
@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("torch.set_default_dtype(torch.float64)", "torch's default dtype to torch.float64; float32 is taken instead"),
        ("torch.set_default_device('meta')", "torch's default device to meta; cpu is taken instead"),
    ],
)
def test_defaults_that_a_file_sets_are_not_the_servers(line: str, said: str, tmp_path: Path) -> None:
    """What the module makes on the way would be of that dtype, which no server gives it."""
    code = f"import torch\nfrom tests.factories import network\ndef build():\n    module = network()\n    {line}\n"
    (tmp_path / "mine.py").write_text(f"{code}    return module\n")
    notices: list[str] = []
    module = load(f"{tmp_path}/mine.py:build", notice=notices.append).module
    assert any(said in notice for notice in notices)
    assert (torch.zeros(1).dtype, torch.zeros(1).device.type) == (torch.float32, "cpu")
    assert module(torch.zeros(1, 3, 32, 32)).dtype == torch.float32


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16"])
def test_parameters_of_another_precision_are_made_float32_and_it_is_said(dtype: str, tmp_path: Path) -> None:
    code = "import torch\nfrom tests.factories import network\n"
    (tmp_path / "mine.py").write_text(f"{code}def build(): return network().to(torch.{dtype})\n")
    notices: list[str] = []
    module = load(f"{tmp_path}/mine.py:build", notice=notices.append).module
    assert notices == [f"parameters of torch.{dtype} are made float32, in which every model is exported"]
    assert {parameter.dtype for parameter in module.parameters()} == {torch.float32}


def test_a_program_of_torch_export_has_one_mode_only(tmp_path: Path) -> None:
    """It refuses `eval`."""
    made = "torch.export.export(network(), (torch.zeros(2, 3, 32, 32),)).module()"
    code = "import torch\nfrom tests.factories import network\n"
    (tmp_path / "mine.py").write_text(f"{code}def build(): return {made}\n")
    loaded = load(f"{tmp_path}/mine.py:build")
    wanted = factories.network()
    assert loaded.weights.sha256 == weights.of_module(wanted, "", True).sha256
    example = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(loaded.module(example), wanted(example))


def test_a_factory_may_be_in_a_module_by_its_name() -> None:
    loaded = load("tests.factories:tiny")
    assert loaded.weights.source == "factory tests.factories:tiny"
    assert loaded.weights.sha256 == load("tests/factories.py:tiny").weights.sha256


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("tests.factories:nothing", "the module defines no function 'nothing'"),
        ("tests.no_such_module:build", "there is no module tests.no_such_module; networks of libraries are timm:NAME"),
        ("nonsense", r"unknown; take one of resnet50, .* timm:NAME or timm:DIR, torchvision:NAME, hf:DIR"),
        ("timm:", "unknown; take one of"),
        ("nowhere.pt2", "say how images are prepared; do it with --spec FILE.toml"),
    ],
)
def test_what_is_no_model_is_refused_by_its_name(model: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load(model)


def test_a_spec_is_for_programs_alone(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="describes an exported program, and --model resnet50 is none"):
        load("resnet50", spec=tmp_path / "spec.toml")


@pytest.mark.parametrize("name", ["timm", "transformers"])
def test_a_library_that_is_missing_is_named_with_its_extra(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)  # as Python marks what cannot be imported
    monkeypatch.delitem(sys.modules, f"tritonrepo.export.sources.of_{name}", raising=False)
    word = {"timm": "timm", "transformers": "hf"}[name]
    with pytest.raises(MissingError, match=rf"the package {name} is not installed: pip install .*\[sources\]"):
        load(f"{word}:anything")


def test_where_a_factorys_spec_came_from_is_known() -> None:
    assert load("tests/factories.py:tiny").origins == Origins("the ModelSpec of tiny", "the ModelSpec of tiny")
    assert "module_alone returns no ModelSpec" in load("tests/factories.py:module_alone").origins.preprocessing


@pytest.mark.parametrize(
    ("model", "weights", "more", "message"),
    [
        ("tests/factories.py:tiny", None, {"classes": 7}, "let that of --model .*:tiny return a network of 7 classes"),
        ("tests/factories.py:tiny", None, {"ema": True}, "--ema: takes the averaged weights of a checkpoint"),
        ("mine.pt2", None, {"classes": 7}, r"the head of an exported program is fixed; export mine.pt2 from"),
        ("mine.pt2", None, {"ema": True}, "--ema: takes the averaged weights of a checkpoint"),
        ("resnet50", None, {"classes": 7}, "NVIDIA's checkpoint of resnet50 has 1000 classes; give another"),
        ("resnet50", "auto", {"ema": True}, "--ema: takes the averaged weights of a checkpoint"),
        ("resnet50", "seeded", {"ema": True}, "--ema: takes the averaged weights of a checkpoint"),
    ],
)
def test_what_a_source_cannot_do_is_refused_with_the_reason(
    model: str, weights: str | None, more: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        load(model, weights, **more)


def test_nvidias_networks_take_the_head_of_a_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    source = network.build("resnet50", 7)
    torch.save({"model_ema": source.state_dict(), "model": network.build("resnet50", 7).state_dict()}, path)
    loaded = load("resnet50", str(path), ema=True)
    assert loaded.origins.classes == "those of the head in a.pth"
    assert torch.equal(loaded.module.state_dict()["fc.weight"], source.fc.weight)
    with pytest.raises(WeightsError, match=r"fc.weight is \[7, 2048\], expected \[9, 2048\]"):
        load("resnet50", str(path), classes=9)
