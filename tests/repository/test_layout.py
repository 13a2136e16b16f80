"""What lies where, as Triton reads it."""

from pathlib import Path

import pytest

from tritonrepo.repository import layout
from tritonrepo.repository.errors import ConfigError


def test_versions_are_numbers_without_leading_zeros_that_are_directories(tmp_path: Path) -> None:
    for name in ("10", "2", "01", "0", "-1", "1a", "٣"):
        (tmp_path / name).mkdir()
    (tmp_path / "7").write_text("a file")
    assert layout.version_numbers(tmp_path) == [2, 10]
    assert layout.version_numbers(tmp_path / "7") == []
    assert layout.version_numbers(tmp_path / "nothing") == []


@pytest.mark.parametrize(
    ("name", "found"),
    [
        (str(2**63 - 1), False),
        (str(2**63), True),
        (f"-{2**63}", True),
        (f" +{2**63} and more", True),
        (f"0{2**63}", False),
        ("x" + str(2**63), False),
    ],
)
def test_a_version_beyond_counting(tmp_path: Path, name: str, found: bool) -> None:
    (tmp_path / name).mkdir()
    assert layout.version_beyond_counting(tmp_path) == (name if found else "")


def test_models_are_directories_that_are_not_hidden(tmp_path: Path) -> None:
    for name in ("b", "a", ".hidden"):
        (tmp_path / name).mkdir()
    (tmp_path / "file").touch()
    assert [path.name for path in layout.model_directories(tmp_path)] == ["a", "b"]


def test_a_link_that_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "link").symlink_to(tmp_path)
    assert layout.is_dangling(tmp_path / "dangling")
    assert not layout.is_dangling(tmp_path / "link")
    assert not layout.is_dangling(tmp_path / "nothing")


def test_a_configuration_is_read(tmp_path: Path) -> None:
    (tmp_path / "config.pbtxt").write_text('name: "m" platform: "onnxruntime_onnx" max_batch_size: 3')
    config = layout.read_config(tmp_path)
    assert (config.name, config.max_batch_size) == ("m", 3)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"cannot read .*config\.pbtxt: No such file"),
        (b"max_batch_size: many", r"config\.pbtxt does not parse: 1:17"),
        (b"\xff\xfe\x00", r"config\.pbtxt does not parse: 'utf-8' codec"),
    ],
)
def test_a_configuration_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "config.pbtxt").write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        layout.read_config(tmp_path)


@pytest.mark.parametrize(
    ("text", "backend"),
    [
        ('backend: "onnxruntime"', "onnxruntime"),
        ('platform: "pytorch_libtorch"', "pytorch"),
        ('backend: "python" platform: "tensorrt_plan"', "python"),
        ('platform: "ensemble"', ""),
        ("", ""),
    ],
)
def test_the_backend_is_named_or_follows_from_the_platform(tmp_path: Path, text: str, backend: str) -> None:
    (tmp_path / "config.pbtxt").write_text(text)
    assert layout.backend_of(layout.read_config(tmp_path)) == backend
