"""Reading a model repository before any server does."""

import os
import sys
from pathlib import Path

import pytest

from tritonrepo.repository.errors import RepositoryError
from tritonrepo.serve.models import (
    RepositoryModel,
    find_logged_reason,
    find_overflow,
    read_model,
    read_repository,
    refuse_obstacles,
    tidy_reason,
)


def add(repository: Path, name: str, config: str) -> None:
    (repository / name).mkdir()
    (repository / name / "config.pbtxt").write_text(config)


def test_models_are_read_by_name(tmp_path: Path) -> None:
    add(tmp_path, "b", 'backend: "pytorch" max_batch_size: 4')
    add(tmp_path, "a", 'platform: "onnxruntime_onnx"')
    add(tmp_path, "c", 'platform: "ensemble"')
    (tmp_path / ".staging").mkdir()
    (tmp_path / "README").touch()
    assert read_repository(tmp_path) == [
        RepositoryModel("a", "onnxruntime", 0),
        RepositoryModel("b", "pytorch", 4),
        RepositoryModel("c"),
    ]
    assert [model.left_out for model in read_repository(tmp_path)] == ["", "", ""]


def test_an_empty_repository_has_no_models(tmp_path: Path) -> None:
    assert read_repository(tmp_path) == []


def test_a_repository_must_be_a_directory(tmp_path: Path) -> None:
    with pytest.raises(RepositoryError, match=r"there is no model repository at .*; make one with: tritonrepo export"):
        read_repository(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(RepositoryError, match="is not a directory"):
        read_repository(tmp_path / "file")


@pytest.mark.parametrize(
    ("config", "fault"),
    [
        (b"max_batch_size: many", "does not parse: 1:17"),
        (b"colour: 'red'", 'no field named "colour"'),
        (b"\xff\xfe\x00", "does not parse: 'utf-8' codec"),
        (None, "config.pbtxt: No such file or directory"),
    ],
)
def test_a_config_that_cannot_be_read(tmp_path: Path, config: bytes | None, fault: str) -> None:
    if config is not None:
        (tmp_path / "config.pbtxt").write_bytes(config)
    model = read_model(tmp_path)
    assert fault in model.fault
    assert model.left_out == ""


@pytest.mark.parametrize("config", ['backend: "tensorrt"', 'platform: "tensorrt_plan"'])
def test_tensorrt_is_left_out(tmp_path: Path, config: str) -> None:
    add(tmp_path, "m", config)
    (model,) = read_repository(tmp_path)
    assert model.left_out == ("the embedded Triton has no backend tensorrt; serve this model with the official image")


def test_an_ensemble_is_left_out_with_a_step(tmp_path: Path) -> None:
    for name, config in {
        "net_dali": 'platform: "ensemble" ensemble_scheduling { step { model_name: "net_dali_decode" } }',
        "net_dali_decode": 'backend: "dali"',
        "net_onnx": 'backend: "onnxruntime"',
        "net_two": 'platform: "ensemble" ensemble_scheduling { step { model_name: "net_onnx" } }',
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.pbtxt").write_text(config)
    assert {model.name: model.left_out for model in read_repository(tmp_path)} == {
        "net_dali": "its step net_dali_decode is left out",
        "net_dali_decode": "the embedded Triton has no backend dali; serve this model with the official image",
        "net_onnx": "",
        "net_two": "",
    }


def test_a_backend_without_its_package_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert RepositoryModel("m", "pytorch").left_out.startswith(
        "the backend pytorch needs the package torch; install it"
    )


def test_names_that_are_not_utf_8_are_left_out(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9")).mkdir()
    (model,) = read_repository(tmp_path)
    assert model.name == "caf\N{REPLACEMENT CHARACTER}"
    assert "needs a name of ASCII letters, digits" in model.left_out


LOG = """I1124 model_lifecycle.cc:472] "loading: good:1"
E1124 model_repository_manager.cc:1460] "Poll failed for model directory 'a': first"
E1124 model_repository_manager.cc:1460] "Poll failed for model directory 'a': name 'x' must be "y""
E1124 model_repository_manager.cc:724] "failed to load model 'a.b': at least one version"
"""


def test_reasons_are_found_in_the_log() -> None:
    assert find_logged_reason("a", LOG) == "name 'x' must be \"y\""
    assert find_logged_reason("a.b", LOG) == "at least one version"
    assert find_logged_reason("good", LOG) == "Triton did not load it and gave no reason"


def test_reasons_are_tidied() -> None:
    reason = "Internal: ConfigurationError: unable to load\n\nAt:\n  /tmp/model.py(3): initialize\n"
    assert tidy_reason(reason) == "unable to load"
    assert tidy_reason("Internal: failed to open") == "Internal: failed to open"


@pytest.mark.parametrize("name", ["9223372036854775808", "99999999999999999999", "9" * 20 + "x", "-" + "9" * 20])
def test_a_model_with_a_version_that_triton_cannot_count_to_is_left_out(tmp_path: Path, name: str) -> None:
    add(tmp_path, "m", 'backend: "onnxruntime"')
    (tmp_path / "m" / name).mkdir()
    (model,) = read_repository(tmp_path)
    assert model.left_out == f"Triton aborts, with every model, at the version {name}; rename it to less than 2**63"
    refuse_obstacles(tmp_path, polling=False)
    with pytest.raises(RepositoryError, match=f"m' cannot be polled: Triton aborts at its version {name}"):
        refuse_obstacles(tmp_path, polling=True)


@pytest.mark.parametrize("name", ["1", "9223372036854775807", "0" + "9" * 20, "x" + "9" * 20])
def test_a_version_that_triton_can_count_to_or_ignores_is_none_to_fear(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / ("9" * 20)).touch()
    assert find_overflow(tmp_path) == ""


@pytest.mark.parametrize("name", ["old", ".old"])
def test_a_link_that_leads_nowhere_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).symlink_to("nowhere")
    with pytest.raises(RepositoryError, match=rf"/{name}' is a link that leads nowhere.*; remove it"):
        refuse_obstacles(tmp_path, polling=False)


def test_a_directory_whose_name_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"file\xe9")).touch()
    refuse_obstacles(tmp_path, polling=True)
    (tmp_path / os.fsdecode(b"caf\xe9")).mkdir()
    with pytest.raises(RepositoryError, match=r"caf\\udce9' is not UTF-8.*; rename it"):
        refuse_obstacles(tmp_path, polling=False)


@pytest.mark.parametrize("name", ["x;touch harm", ".x;touch harm", "$(touch harm)", "two words", "a\nb"])
def test_a_name_that_a_shell_would_read_is_not_polled(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    refuse_obstacles(tmp_path, polling=False)
    with pytest.raises(RepositoryError, match=r"harm|two words|a\\nb") as raised:
        refuse_obstacles(tmp_path, polling=True)
    assert "cannot be polled: the embedded Triton needs a name of ASCII letters" in str(raised.value)


def test_plain_names_are_polled(tmp_path: Path) -> None:
    for name in ("model-1.0", ".git"):
        (tmp_path / name).mkdir()
    (tmp_path / "read me").touch()
    refuse_obstacles(tmp_path, polling=True)
