"""What the embedded Triton refuses in a configuration is handed to it in its own words."""

import json
import os
from pathlib import Path

import pytest

from tritonrepo.repository import translation
from tritonrepo.serve.backends import settings
from tritonrepo.serve.models import loaded_later, read_model, read_repository
from tritonrepo.serve.translation import load_request, state

PACKAGE = 'backend: "pytorch" platform: "torch_aoti" max_batch_size: 4 input { name: "INPUT__0" dims: [ 3, 8, 8 ] }'


def write(model: Path, config: str) -> Path:
    (model / "1").mkdir(parents=True)
    (model / "1" / "model.pt2").write_text("package")
    (model / "config.pbtxt").write_text(config)
    return model


@pytest.mark.parametrize("config", [PACKAGE, PACKAGE.replace('backend: "pytorch"', "")])
def test_a_platform_goes_along_as_a_parameter(config: str, tmp_path: Path) -> None:
    said = json.loads(json.loads(load_request(write(tmp_path / "m", config)))["parameters"]["config"])
    assert said == {
        "backend": "pytorch",
        "default_model_filename": "model.pt2",
        "max_batch_size": 4,
        "input": [{"name": "INPUT__0", "dims": ["3", "8", "8"]}],
        "parameters": {"platform": {"string_value": "torch_aoti"}},
    }


@pytest.mark.parametrize("config", ['backend: "pytorch"', 'platform: "pytorch_libtorch"', "no config"])
def test_every_other_configuration_is_read_by_the_server_itself(config: str, tmp_path: Path) -> None:
    assert load_request(write(tmp_path / "m", config)) == b"{}"
    assert not read_model(tmp_path / "m").translated


def test_only_what_is_translated_is_loaded_later(tmp_path: Path) -> None:
    write(tmp_path / "a", PACKAGE)
    write(tmp_path / "b", 'backend: "pytorch"')
    write(tmp_path / "white space", PACKAGE)
    assert loaded_later(read_repository(tmp_path)) == ["a"]


def test_a_model_changes_with_its_configuration_and_its_versions(tmp_path: Path) -> None:
    model = write(tmp_path / "m", PACKAGE)
    states = [state(model)]
    assert state(model) == states[0]
    (model / "2").mkdir()
    (model / "2" / "model.pt2").write_text("another")
    states.append(state(model))
    os.utime(model / "config.pbtxt", ns=(1, 1))
    states.append(state(model))
    assert len(set(states)) == 3
    (model / "config.pbtxt").unlink()
    assert state(model) == ()


def test_the_backend_finds_the_platform_where_it_is_written() -> None:
    """The backends' code lies alone in a server's directory, and imports nothing of ours."""
    assert settings.PLATFORM == translation.PLATFORM
