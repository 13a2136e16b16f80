"""`<model>_encoded_dali`: the ensemble whose image files NVIDIA DALI decodes and prepares on a GPU.

Written for Triton's `dali` backend by its documents and examples, and **not run**: DALI needs a GPU. Its decoder and
its resize are not Pillow's, so its pixels are not exactly those that the gate saw; and of the client's limits it has
none. Two models of Triton: `<model>_encoded_dali_decode`, with the pipeline in `dali.py`, which the backend serialises
when it loads it, and the ensemble itself.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tritonclient.grpc.model_config_pb2 import TYPE_UINT8, ModelConfig, ModelInput, ModelInstanceGroup

from tritonrepo.client.encoded import INPUT, STANDS_ON
from tritonrepo.client.errors import UsageError
from tritonrepo.client.preprocess import CHANNELS, Preprocessing
from tritonrepo.client.steps import Crop, Normalise, Resize, Scale, Step
from tritonrepo.repository.candidate import Candidate
from tritonrepo.repository.encoded import (
    DECODE,
    FILE,
    Encoded,
    Member,
    Part,
    Stage,
    candidate,
    ensemble_config,
    write_members,
)

BACKEND = "dali"
FILENAME = "dali.py"
"""What the backend looks for where there is no serialised pipeline."""
NOT_RUN = "not run, and not pixel-exact: DALI decodes and resizes on a GPU, otherwise than Pillow"
"""The parameter `checked`, and what the manifest says instead of the runtime of the gate."""
CHECKED = "checked"
THREADS = 4
_LETTERS = {"RGB": "RGB", "BGR": "BGR", "L": "GRAY"}
_INTERPOLATIONS = {"bilinear": "LINEAR", "bicubic": "CUBIC", "lanczos": "LANCZOS3", "nearest": "NN"}
_TYPES = {"FP32": "FLOAT", "UINT8": "UINT8"}
_PIPELINE = '''"""Image files -> what {model} takes. {not_run}."""

import nvidia.dali as dali
import nvidia.dali.types as types
from nvidia.dali.plugin.triton import autoserialize


@autoserialize
@dali.pipeline_def(batch_size={batch}, num_threads={threads}, device_id=0)
def prepare():
    files = dali.fn.external_source(device="cpu", name="{file}")
    images = dali.fn.decoders.image(files, device="mixed", output_type=types.{letters})
    images = dali.fn.resize(images, {resize}, interp_type=types.INTERP_{interpolation}, antialias=True)
    return dali.fn.crop_mirror_normalize(
        images, crop=({height}, {width}), dtype=types.{dtype}, output_layout="{layout}"{values}
    )
'''


def make_ensemble(encoded: Encoded, part: Part, workspace: Path, stage: Stage) -> None:
    """Stage the step with DALI's pipeline, then the ensemble that names its version and the model's.

    Args:
        encoded: What is asked for.
        part: What it stands on.
        workspace: An empty directory.
        stage: Stages a candidate.

    Raises:
        UsageError: As `write_pipeline`.
    """
    model = part.config
    preprocessing = Preprocessing.from_json(model.parameters["preprocessing"].string_value)
    pipeline = workspace / FILENAME
    pipeline.write_text(write_pipeline(model.name, preprocessing, model.max_batch_size))
    first = _unchecked(candidate(encoded.name + DECODE, pipeline, _decode_config(encoded, part), part))
    decode = stage(first)
    prepared, scores = model.input[0].name, model.output[0].name
    members = [
        Member(first.name, decode, {FILE: FILE}, {prepared: "prepared"}),
        Member(model.name, part.version, {prepared: "prepared"}, {scores: scores}),
    ]
    artifact = write_members(workspace, members)
    config = ensemble_config(encoded.name, part, members, _file(), best=False)
    _label(config)
    stage(_unchecked(candidate(encoded.name, artifact, config, part)))


def write_pipeline(model: str, preprocessing: Preprocessing, batch: int) -> str:
    """The source of DALI's pipeline.

    Args:
        model: Who gets its output.
        preprocessing: What it is to do.
        batch: The largest that there will be.

    Raises:
        UsageError: It is none of the pipelines that are written for DALI.
    """
    resize = _resize(preprocessing)
    height, width = preprocessing.size
    scale, offset = _linear(preprocessing.steps, CHANNELS[preprocessing.channels])
    means, stds = [-low / times for times, low in zip(scale, offset, strict=True)], [1 / times for times in scale]
    changed = any(isinstance(step, (Scale, Normalise)) for step in preprocessing.steps)
    return _PIPELINE.format(
        model=model,
        not_run=NOT_RUN[0].upper() + NOT_RUN[1:],
        batch=batch,
        threads=THREADS,
        file=FILE,
        letters=_LETTERS[preprocessing.channels],
        resize=f"resize_shorter={resize.height}" if resize.fit == "cover" else f"resize_y={height}, resize_x={width}",
        interpolation=_INTERPOLATIONS[resize.interpolation],
        height=height,
        width=width,
        dtype=_TYPES[preprocessing.dtype],
        layout=preprocessing.layout.removeprefix("N"),
        values=f", mean={means}, std={stds}" if changed else "",
    )


def _resize(preprocessing: Preprocessing) -> Resize:
    """The resize of a pipeline that has nothing beside it but a crop inside the picture."""
    match preprocessing.placing:
        case (Resize(fit="exact") as resize,) if resize.interpolation in _INTERPOLATIONS:
            return resize
        case (Resize(fit="cover") as resize, Crop() as crop) if resize.interpolation in _INTERPOLATIONS:
            if resize.height == resize.width >= max(crop.height, crop.width):
                return resize
    raise UsageError(
        "--encoded dali: DALI's pipeline is a resize to a size, or to a short side and a crop inside it, and this "
        f"model wants {preprocessing}; take --encoded without dali"
    )


def _linear(steps: Sequence[Step], channels: int) -> tuple[list[float], list[float]]:
    """What the steps make of a value, for each channel: times the first, plus the second."""
    scale, offset = [1.0] * channels, [0.0] * channels
    for step in steps:
        if isinstance(step, Scale):
            scale = [times / step.divisor for times in scale]
            offset = [low / step.divisor + step.offset for low in offset]
        elif isinstance(step, Normalise):
            scale = [times / std for times, std in zip(scale, step.std, strict=True)]
            offset = [(low - mean) / std for low, mean, std in zip(offset, step.mean, step.std, strict=True)]
    return scale, offset


def _file() -> ModelInput:
    """The bytes of one file; those that are batched have as many as they have."""
    return ModelInput(name=FILE, data_type=TYPE_UINT8, dims=[-1], allow_ragged_batch=True)


def _decode_config(encoded: Encoded, part: Part) -> ModelConfig:
    model = part.config
    config = ModelConfig(name=encoded.name + DECODE, backend=BACKEND, max_batch_size=model.max_batch_size)
    config.input.append(_file())
    config.output.add(name=model.input[0].name, data_type=model.input[0].data_type, dims=model.input[0].dims)
    config.dynamic_batching.CopyFrom(model.dynamic_batching)
    config.instance_group.add(kind=ModelInstanceGroup.KIND_GPU, count=1)
    config.parameters[STANDS_ON].string_value = model.name
    _label(config)
    return config


def _label(config: ModelConfig) -> None:
    config.parameters[INPUT].string_value = BACKEND
    config.parameters[CHECKED].string_value = NOT_RUN


def _unchecked(made: Candidate) -> Candidate:
    """The same, whose manifest does not say that the gate saw it."""
    verification = replace(made.manifest.verification, runtime=NOT_RUN)
    return replace(made, manifest=replace(made.manifest, verification=verification))
