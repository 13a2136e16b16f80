"""What a served model promises, read from the server: tensors, preprocessing, labels, trained or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tritonrepo.client.class_sets import synsets
from tritonrepo.client.decode import SCORES, Scores
from tritonrepo.client.encoded import takes_files, wants_files
from tritonrepo.client.errors import ContractError, ModelUnavailableError, UsageError
from tritonrepo.client.preprocess import Preprocessing
from tritonrepo.client.transport import ModelStatus, Transport

# Fastest first, and what rounds to INT8 last: it is taken where it is asked for.
# An engine is served only where there is a GPU for it.
FORMAT_PREFERENCE = ("tensorrt", "onnx", "pt2", "torchscript", "onnx_fp16", "tensorrt_int8", "onnx_int8")
# A model without a maximum says nothing about how much it takes at once.
UNBOUNDED_BATCH = 64
# Types that numpy has not, or that are no scores.
_UNREADABLE = ("BF16", "STRING", "BYTES", "BOOL")


@dataclass(frozen=True)
class Tensor:
    """A tensor of the model.

    Attributes:
        name: As requests name it.
        datatype: Triton's, such as FP32.
        shape: Of one image, without the batch axis.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class ModelContract:
    """What a model promises.

    Attributes:
        name: The model's.
        max_batch_size: Most images in one request.
        batched: Whether the tensors have a batch axis at all.
        input: The images, or the files where `encoded`.
        output: A score for each class.
        preprocessing: How images become `input`, or what the server makes of the files.
        trained: False when the weights are untrained, so that labels mean nothing.
        synsets: WordNet ids by class index, empty where the classes have none.
        scores: What the values of `output` are.
        encoded: It takes image files as they are, and decodes and prepares them in the server.
    """

    name: str
    max_batch_size: int
    batched: bool
    input: Tensor
    output: Tensor
    preprocessing: Preprocessing
    trained: bool
    synsets: tuple[str, ...] = ()
    scores: Scores = "logits"
    encoded: bool = False

    @property
    def classes(self) -> int:
        """How many there are."""
        return self.output.shape[0]

    @property
    def array_type(self) -> type[np.generic]:
        """The type of the array that a request brings: of numbers, or of files."""
        return np.object_ if self.encoded else self.preprocessing.numpy_dtype

    def asks_like(self, other: ModelContract) -> bool:
        """Whether a request that was made for the other model, or version, is one for this too."""
        same = (self.input, self.output.name, self.batched) == (other.input, other.output.name, other.batched)
        return same and (self.encoded or self.preprocessing == other.preprocessing)


def choose_model(models: Sequence[ModelStatus], wanted: str | None = None) -> str:
    """The model to use: the wanted one, else the only one that is ready and takes prepared images.

    One model served in several formats counts as one, and the first of FORMAT_PREFERENCE is taken.

    Raises:
        UsageError: The name is unknown, or the choice is open.
        ModelUnavailableError: The model, or all of them, are not ready.
    """
    if wanted is not None:
        return _wanted(models, wanted)
    ready = [name for name in ready_models(models) if not takes_files(name)] or ready_models(models)
    families = {_family(name) for name in ready}
    if len(families) > 1:
        raise UsageError(f"several models are ready, choose one with --model: {', '.join(ready)}")
    return min(ready, key=_preference)


def ready_models(models: Sequence[ModelStatus]) -> list[str]:
    """The names of the models with a version that is ready.

    Raises:
        ModelUnavailableError: There are none.
    """
    ready = sorted({status.name for status in models if status.ready})
    if not ready:
        raise ModelUnavailableError(f"no model is ready on this server. {_explain(models)}")
    return ready


def _wanted(models: Sequence[ModelStatus], wanted: str) -> str:
    ready = sorted({status.name for status in models if status.ready})
    if wanted in ready:
        return wanted
    versions = [status for status in models if status.name == wanted]
    if versions:
        raise ModelUnavailableError(f"{_explain(versions)} Ready: {', '.join(ready) or 'none'}.")
    raise UsageError(f"no model named {wanted!r} is ready on this server. Ready: {', '.join(ready) or 'none'}.")


def _explain(models: Sequence[ModelStatus]) -> str:
    if not models:
        return "Export one with `tritonrepo export`, or look in the server's log why none was loaded."
    return " ".join(f"{m.name} is not ready ({m.reason or m.state.lower()})." for m in models if not m.ready)


def _format(name: str) -> str | None:
    """The longest format that ends the name: `x_onnx_fp16` is onnx_fp16."""
    return next((f for f in sorted(FORMAT_PREFERENCE, key=len, reverse=True) if name.endswith(f"_{f}")), None)


def _family(name: str) -> str:
    format_ = _format(name)
    return name.removesuffix(f"_{format_}") if format_ else name


def _preference(name: str) -> int:
    format_ = _format(name)
    return FORMAT_PREFERENCE.index(format_) if format_ else len(FORMAT_PREFERENCE)


def read_contract(transport: Transport, model: str, version: str = "") -> ModelContract:
    """Ask the server for the model's config, that of the version which answers now if none is named.

    Raises:
        ContractError: It is no image classifier's.
        MissingError: As `Transport`.
    """
    config = transport.config(model, version)
    try:
        return parse_contract(config)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as exc:
        raise ContractError(f"{model}: its config is not as Triton gives it: {type(exc).__name__}: {exc}") from exc


def parse_contract(config: dict[str, Any]) -> ModelContract:
    """Read a model's config, as the server gives it in JSON.

    Raises:
        ContractError: Something is missing or wrong; the message names it.
    """
    name = str(config.get("name", "?"))
    parameters = {key: str(value.get("string_value", "")) for key, value in config.get("parameters", {}).items()}
    encoded = wants_files(name, parameters)
    if "preprocessing" not in parameters:
        raise ContractError(
            f"{name} does not say how to prepare its images: its config.pbtxt has no `preprocessing` parameter. "
            "Models made by `tritonrepo export` have one."
        )
    maximum = int(config.get("max_batch_size", 0))
    preprocessing = Preprocessing.from_json(parameters["preprocessing"])
    input_, input_batched = _files(name, config, maximum) if encoded else _images(name, config, maximum, preprocessing)
    output, _ = _tensor(name, _labelled_output(name, config), maximum, rank=1)
    contract = ModelContract(
        name=name,
        max_batch_size=maximum or (UNBOUNDED_BATCH if input_batched else 1),
        batched=input_batched,
        input=input_,
        output=output,
        preprocessing=preprocessing,
        trained=parameters.get("trained", "true").lower() != "false",
        synsets=_synsets(parameters),
        scores=_scores(name, parameters.get("scores", "logits")),
        encoded=encoded,
    )
    _check(contract)
    return contract


def _scores(model: str, declared: str) -> Scores:
    """What the output's values are; models without the parameter give logits."""
    for kind in SCORES:
        if kind == declared:
            return kind
    raise ContractError(
        f"{model}: its scores are {declared!r}, and this client knows {', '.join(SCORES)}; install a later release"
    )


def _synsets(parameters: Mapping[str, str]) -> tuple[str, ...]:
    """Those of the class set that is named; else the ids themselves, as earlier releases wrote ImageNet's."""
    return synsets(parameters.get("class_set", "")) or tuple(parameters.get("synsets", "").split())


def _images(model: str, config: dict[str, Any], maximum: int, preprocessing: Preprocessing) -> tuple[Tensor, bool]:
    """The input of prepared pictures, and whether it has a batch axis."""
    found, batched = _tensor(model, _only_input(model, config), maximum, rank=3)
    wanted = replace(found, shape=_filled(found.shape, preprocessing.shape))
    if preprocessing.shape != wanted.shape or preprocessing.dtype != wanted.datatype:
        raise ContractError(
            f"{model}: the preprocessing gives {preprocessing.dtype} {list(preprocessing.shape)}, "
            f"input {wanted.name} takes {wanted.datatype} {list(wanted.shape)}"
        )
    return wanted, batched


def _files(model: str, config: dict[str, Any], maximum: int) -> tuple[Tensor, bool]:
    """The input of image files, in batches: a string for each."""
    only = _only_input(model, config)
    kind, dims = str(only.get("data_type", "")).removeprefix("TYPE_"), [int(side) for side in only.get("dims", [])]
    if (kind, dims) != ("STRING", [1]) or maximum < 1:
        raise ContractError(f"{model}: {only['name']} is {kind} {dims}; one of image files is STRING [1], in batches")
    return Tensor(only["name"], kind, (1,)), True


def _only_input(model: str, config: dict[str, Any]) -> dict[str, Any]:
    inputs: list[dict[str, Any]] = config.get("input", [])
    if len(inputs) != 1:
        raise ContractError(f"{model} has {len(inputs)} input tensors; an image classifier has one")
    return inputs[0]


def _labelled_output(model: str, config: dict[str, Any]) -> dict[str, Any]:
    """The only output, or the one that has a label file."""
    outputs: list[dict[str, Any]] = config.get("output", [])
    if not outputs:
        raise ContractError(f"{model} has 0 output tensors; an image classifier has one")
    labelled = [output for output in outputs if output.get("label_filename")]
    if len(outputs) == 1 or len(labelled) == 1:
        return (labelled or outputs)[0]
    names = ", ".join(str(output.get("name", "?")) for output in outputs)
    raise ContractError(
        f"{model} has the outputs {names}, and {len(labelled)} of them have labels; give the one that scores the "
        "classes, and no other, a `label_filename` in config.pbtxt"
    )


def _tensor(model: str, tensor: dict[str, Any], maximum: int, rank: int) -> tuple[Tensor, bool]:
    """The tensor, and whether it has a batch axis. Scores may have sides of 1 after the classes."""
    name, shape = tensor["name"], tuple(int(side) for side in tensor.get("dims", []))
    batched = maximum > 0
    if not batched and len(shape) > rank and shape[0] == -1:
        batched, shape = True, shape[1:]
    if rank == 1 and set(shape[1:]) <= {1}:
        shape = shape[:1]
    if len(shape) != rank:
        sides = "channels and two sides" if rank == 3 else "a value for each class"
        raise ContractError(f"{model}: {name} has shape {list(shape)}, an image classifier's has {sides}")
    if rank == 1 and shape[0] < 1:
        raise ContractError(f"{model}: output {name} has shape {list(shape)}: give its dims the number of classes")
    datatype = str(tensor.get("data_type", "")).removeprefix("TYPE_")
    if datatype in _UNREADABLE:
        raise ContractError(f"{model}: {name} is {datatype}, and this client reads and sends no {datatype}")
    return Tensor(name, datatype, shape), batched


def _filled(shape: tuple[int, ...], prepared: tuple[int, ...]) -> tuple[int, ...]:
    """The input's shape, with the preprocessing's sides where the model takes any."""
    return tuple(given if side == -1 else side for side, given in zip(shape, prepared, strict=True))


def _check(contract: ModelContract) -> None:
    if contract.synsets and len(contract.synsets) != contract.classes:
        raise ContractError(f"{contract.name}: {len(contract.synsets)} synsets for {contract.classes} classes")
