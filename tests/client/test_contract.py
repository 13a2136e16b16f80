"""Choosing a model and reading its promise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tritonrepo.client.contract import choose_model, parse_contract
from tritonrepo.client.errors import ContractError, ModelUnavailableError, UsageError
from tritonrepo.client.preprocess import Preprocessing
from tritonrepo.client.served_labels import read_labels
from tritonrepo.client.steps import Crop, Resize, Scale, Step
from tritonrepo.client.transport import ModelStatus


def ready(*names: str) -> list[ModelStatus]:
    return [ModelStatus(name, "1", "READY") for name in names]


def config(**changes: Any) -> dict[str, Any]:
    """As gRPC gives it: 64-bit integers are strings."""
    return {
        "name": "net_onnx",
        "max_batch_size": 64,
        "input": [{"name": "INPUT__0", "data_type": "TYPE_FP32", "dims": ["3", "224", "224"]}],
        "output": [{"name": "OUTPUT__0", "data_type": "TYPE_FP32", "dims": ["1000"]}],
        "parameters": {"preprocessing": {"string_value": Preprocessing().to_json()}},
        **changes,
    }


def outputs(**labelled: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "data_type": "TYPE_FP32", "dims": [len(name) * 10], "label_filename": file}
        for name, file in labelled.items()
    ]


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["only"], "only"),
        (["net_torchscript", "net_onnx"], "net_onnx"),
        (["net_onnx_fp16", "net_onnx", "net_tensorrt"], "net_tensorrt"),
        (["net_onnx_fp16", "net_torchscript"], "net_torchscript"),
        (["net_torchscript", "net_pt2"], "net_pt2"),
        (["net_pt2", "net_onnx"], "net_onnx"),
    ],
)
def test_the_only_model_is_chosen_in_its_fastest_format(names: list[str], chosen: str) -> None:
    assert choose_model(ready(*names)) == chosen


def test_an_ensemble_that_takes_files_and_its_steps_are_no_choice_unless_named() -> None:
    dali = ("net_encoded_dali", "net_encoded_dali_decode")
    names = ready("net_encoded", "net_encoded_decode", "net_encoded_rank", *dali, "net_onnx")
    assert choose_model(names) == "net_onnx"
    assert choose_model(names, "net_encoded") == "net_encoded"


def files(**changes: Any) -> dict[str, Any]:
    """Of an ensemble that takes image files."""
    parameters = {"stands_on": {"string_value": "net_onnx"}, "input": {"string_value": "encoded"}}
    return config(
        name="net_encoded",
        input=[{"name": "IMAGE", "data_type": "TYPE_STRING", "dims": ["1"]}],
        output=[
            {"name": "BEST", "data_type": "TYPE_STRING", "dims": ["1"]},
            {"name": "OUTPUT__0", "data_type": "TYPE_FP32", "dims": ["1000"], "label_filename": "1/labels.txt"},
        ],
        **{"parameters": {**config()["parameters"], **parameters}, **changes},
    )


def test_the_contract_of_a_model_that_takes_image_files_says_so() -> None:
    contract = parse_contract(files())
    assert contract.encoded
    assert (contract.input.name, contract.input.shape, contract.output.name) == ("IMAGE", (1,), "OUTPUT__0")
    assert contract.array_type is np.object_
    assert not parse_contract(config()).encoded
    other = {**files()["parameters"], "preprocessing": {"string_value": Preprocessing(resize=300).to_json()}}
    assert contract.asks_like(parse_contract(files(parameters=other)))
    assert not contract.asks_like(parse_contract(config()))


@pytest.mark.parametrize("given", [{}, {"input": {"string_value": "dali"}}])
def test_a_model_that_takes_image_files_otherwise_is_refused_with_the_one_to_ask(given: dict[str, Any]) -> None:
    asked = config(name="net_encoded", parameters={"stands_on": {"string_value": "net_onnx"}, **given})
    with pytest.raises(ContractError, match=r"takes image files as they are.*stands on: net_onnx"):
        parse_contract(asked)


def test_a_parameter_of_a_model_that_stands_on_none_is_its_own() -> None:
    parameters = {**config()["parameters"], "input": {"string_value": "encoded"}}
    assert not parse_contract(config(parameters=parameters)).encoded


@pytest.mark.parametrize(("kind", "dims", "maximum"), [("UINT8", [1], 8), ("STRING", [2], 8), ("STRING", [1], 0)])
def test_an_input_that_holds_no_files_is_refused(kind: str, dims: list[int], maximum: int) -> None:
    only = [{"name": "IMAGE", "data_type": f"TYPE_{kind}", "dims": dims}]
    with pytest.raises(ContractError, match=r"IMAGE is .*; one of image files is STRING \[1\], in batches"):
        parse_contract({**files(max_batch_size=maximum), "input": only})


def test_several_models_are_an_open_choice() -> None:
    with pytest.raises(UsageError, match=r"--model: cat_onnx, dog_onnx"):
        choose_model(ready("dog_onnx", "cat_onnx"))


def test_an_unknown_model_lists_those_that_are_there() -> None:
    with pytest.raises(UsageError, match=r"no model named 'lion'.*Ready: cat, dog"):
        choose_model(ready("dog", "cat"), "lion")


def test_a_model_that_is_not_ready_says_why() -> None:
    broken = ModelStatus("broken", "1", "UNAVAILABLE", "no such file")
    with pytest.raises(ModelUnavailableError, match=r"broken is not ready \(no such file\).*Ready: cat"):
        choose_model([broken, *ready("cat")], "broken")
    with pytest.raises(ModelUnavailableError, match=r"no model is ready.*broken"):
        choose_model([broken])
    with pytest.raises(ModelUnavailableError, match="tritonrepo export"):
        choose_model([])


def test_the_contract_is_read_from_the_config() -> None:
    parameters = {
        "preprocessing": {"string_value": Preprocessing().to_json()},
        "trained": {"string_value": "false"},
    }
    contract = parse_contract(config(parameters=parameters))
    assert (contract.name, contract.max_batch_size, contract.batched, contract.classes) == ("net_onnx", 64, True, 1000)
    assert contract.input.shape == (3, 224, 224)
    assert not contract.trained


@pytest.mark.parametrize("scores", ["logits", "probabilities", "log-probabilities", "independent"])
def test_the_contract_says_what_the_scores_are(scores: str) -> None:
    parameters = {**config()["parameters"], "scores": {"string_value": scores}}
    assert parse_contract(config(parameters=parameters)).scores == scores


def test_a_model_that_says_nothing_of_its_scores_gives_logits() -> None:
    assert parse_contract(config()).scores == "logits"


def test_a_model_without_a_batch_axis_takes_one_image_at_once() -> None:
    contract = parse_contract(config(max_batch_size=0))
    assert (contract.max_batch_size, contract.batched) == (1, False)


def test_a_model_with_its_own_batch_axis_is_batched() -> None:
    dims = {"name": "INPUT__0", "data_type": "TYPE_FP32", "dims": [-1, 3, 224, 224]}
    out = {"name": "OUTPUT__0", "data_type": "TYPE_FP32", "dims": [-1, 1000]}
    assert parse_contract(config(max_batch_size=0, input=[dims], output=[out])).batched


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"parameters": {}}, "no `preprocessing` parameter"),
        ({"input": []}, "0 input tensors"),
        ({"input": [{"name": "X", "data_type": "TYPE_FP32", "dims": [3, -1, 200]}]}, r"takes FP32 \[3, 224, 200\]"),
        ({"input": [{"name": "X", "data_type": "TYPE_FP32", "dims": [-1]}]}, r"X has shape \[-1\]"),
        ({"output": [{"name": "Y", "data_type": "TYPE_FP32", "dims": [-1]}]}, r"Y has shape \[-1\]: give its dims"),
        ({"output": [{"name": "Y", "data_type": "TYPE_BF16", "dims": [9]}]}, "Y is BF16, and this client reads"),
        ({"output": []}, "0 output tensors"),
        ({"output": outputs(A="", B="")}, "has the outputs A, B, and 0 of them have labels"),
        ({"output": outputs(A="x.txt", B="y.txt", C="")}, "has the outputs A, B, C, and 2 of them have labels"),
        ({"input": [{"name": "X", "data_type": "TYPE_FP16", "dims": [3, 224, 224]}]}, r"input X takes FP16"),
        ({"input": [{"name": "X", "data_type": "TYPE_FP32", "dims": [224, 224, 3]}]}, r"takes FP32 \[224, 224, 3\]"),
        ({"output": [{"name": "Y", "data_type": "TYPE_FP32", "dims": [10, 10]}]}, r"Y has shape \[10, 10\]"),
        ({"output": [{"name": "Y", "data_type": "TYPE_FP32", "dims": [10, 1, 2]}]}, r"Y has shape \[10, 1, 2\]"),
        (
            {"parameters": {**config()["parameters"], "synsets": {"string_value": "n01440764 n01443537"}}},
            "2 synsets for 1000 classes",
        ),
        (
            {"parameters": {**config()["parameters"], "scores": {"string_value": "margins"}}},
            "its scores are 'margins', and this client knows logits, probabilities",
        ),
    ],
)
def test_a_broken_contract_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ContractError, match=message):
        parse_contract(config(**changes))


def test_imagenets_ids_are_the_clients_own_where_the_contract_names_the_class_set() -> None:
    named = {**config()["parameters"], "class_set": {"string_value": "imagenet-1k"}}
    assert parse_contract(config(parameters=named)).synsets[285] == "n02124075"
    ids = " ".join(f"n{index:08}" for index in range(1000))
    written_out = {**config()["parameters"], "synsets": {"string_value": ids}}
    assert parse_contract(config(parameters=written_out)).synsets[285] == "n00000285"
    later = {**config()["parameters"], "class_set": {"string_value": "imagenet-22k"}}
    assert parse_contract(config(parameters=later)).synsets == ()


def test_a_contract_of_schema_2_is_held_to_the_input() -> None:
    steps: list[Step] = [Resize(96, 160, "contain"), Crop(96, 160, fill=(9, 9, 9)), Scale(127.5, -1.0)]
    parameters = {"preprocessing": {"string_value": Preprocessing.of_steps(steps, channels="BGR").to_json()}}
    wide = {"name": "INPUT__0", "data_type": "TYPE_FP32", "dims": [3, 96, 160]}
    contract = parse_contract(config(parameters=parameters, input=[wide]))
    assert contract.preprocessing.steps == tuple(steps)
    assert contract.input.shape == (3, 96, 160)
    with pytest.raises(ContractError, match=r"the preprocessing gives FP32 \[3, 96, 160\], input INPUT__0 takes FP32"):
        parse_contract(config(parameters=parameters))


def test_of_several_outputs_the_labelled_one_is_the_scores() -> None:
    for given in (outputs(FEATURES="", LOGITS="labels.txt"), outputs(LOGITS="labels.txt", FEATURES="", MASK="")):
        contract = parse_contract(config(output=given))
        assert (contract.output.name, contract.classes) == ("LOGITS", 60)


@pytest.mark.parametrize("dims", [[3, -1, -1], ["3", "-1", "224"], [-1, -1, -1]])
def test_sides_that_the_model_leaves_open_are_the_preprocessings(dims: list[Any]) -> None:
    tensor = {"name": "X", "data_type": "TYPE_FP32", "dims": dims}
    assert parse_contract(config(input=[tensor])).input.shape == (3, 224, 224)


def test_scores_may_have_sides_of_one() -> None:
    tensor = {"name": "Y", "data_type": "TYPE_FP32", "dims": [10, 1, 1]}
    assert parse_contract(config(output=[tensor])).classes == 10


def test_half_precision_at_both_ends_is_read_and_its_labels_are_asked_of_people() -> None:
    parameters = {"preprocessing": {"string_value": Preprocessing(dtype="FP16").to_json()}}
    ends = {
        "input": [{"name": "X", "data_type": "TYPE_FP16", "dims": [3, 224, 224]}],
        "output": [{"name": "Y", "data_type": "TYPE_FP16", "dims": [10]}],
    }
    contract = parse_contract(config(parameters=parameters, **ends))
    assert (contract.input.datatype, contract.output.datatype) == ("FP16", "FP16")
    transport: Any = None  # nobody is asked
    with pytest.raises(ContractError, match=r"answers in FP16.*--labels FILE"):
        read_labels(transport, contract)
