"""What both stand-ins read from a configuration, by the official backends' rules."""

from pathlib import Path
from typing import Any

import pytest

from tests.serve.models import configuration, parameters, tensor
from tritonrepo.serve.backends.settings import (
    ConfigurationError,
    find_model_file,
    read_bool,
    read_int,
    refuse_unsupported,
)


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), ("ON", True), ("1", True), ("False", False), ("off", False), ("0", False)]
)
def test_booleans_are_read_as_triton_reads_them(text: str, value: bool) -> None:
    assert read_bool(configuration(parameters=parameters(K=text)), "K", not value) is value


def test_absent_parameters_have_their_default() -> None:
    assert read_bool(configuration(), "K", True) is True
    assert read_int(configuration(), "K", 7) == 7


@pytest.mark.parametrize("text", ["two", "", "2.5", "2 threads", "0x2", "1_000", "\N{ARABIC-INDIC DIGIT THREE}"])
def test_what_is_no_integer_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match=f"model 'm', parameter K: failed to convert '{text}' to an integer"):
        read_int(configuration(parameters=parameters(K=text)), "K")


@pytest.mark.parametrize("text", ["99999999999", "2147483648", "-2147483649", "9" * 5000])
def test_numbers_that_end_the_official_server_are_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"model 'm', parameter K: '.{10,30}' is beyond 32 bits"):
        read_int(configuration(parameters=parameters(K=text)), "K")


@pytest.mark.parametrize(("text", "value"), [("2147483647", 2**31 - 1), (" +3", 3), ("-1", -1), ("007", 7)])
def test_integers_are_read_as_triton_reads_them(text: str, value: int) -> None:
    assert read_int(configuration(parameters=parameters(K=text)), "K") == value


def test_what_is_no_boolean_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="model 'm', parameter K: failed to convert 'maybe' to a boolean"):
        read_bool(configuration(parameters=parameters(K="maybe")), "K", True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sequence_batching": {"direct": {}}}, "needs sequence_batching"),
        ({"batch_input": [{}]}, "needs batch_input"),
        ({"input": [tensor("X", [3], allow_ragged_batch=True)]}, "needs allow_ragged_batch"),
        ({"output": [tensor("Y", [3], "TYPE_STRING")]}, "needs TYPE_STRING"),
        ({"input": []}, "must specify at least one input"),
        ({"output": []}, "must specify at least one output"),
    ],
)
def test_what_the_stand_ins_cannot_do_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        refuse_unsupported(configuration(**changes))


def test_the_artifact_is_found_by_its_name_or_the_default(tmp_path: Path) -> None:
    (tmp_path / "3").mkdir()
    (tmp_path / "3" / "model.onnx").touch()
    (tmp_path / "3" / "other.onnx").touch()
    args = {"model_repository": str(tmp_path), "model_version": "3"}
    assert find_model_file(args, configuration(), "model.onnx").name == "model.onnx"
    other = configuration(default_model_filename="other.onnx")
    assert find_model_file(args, other, "model.onnx").name == "other.onnx"
    with pytest.raises(ConfigurationError, match=r"unable to find '.*/3/model\.pt' for model 'm'"):
        find_model_file(args, configuration(), "model.pt")
