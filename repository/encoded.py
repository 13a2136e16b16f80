"""`<model>_encoded`: an ensemble that takes image files as they are, derived from the model that it stands on.

Three models of Triton: `<model>_encoded_decode` decodes and prepares, the model itself computes, and
`<model>_encoded_rank` names the best classes. The ensemble names the *version* of each. So no picture is prepared or
decoded under another version's contract: where a version is gone, Triton refuses the request instead.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tritonclient.grpc.model_config_pb2 import TYPE_STRING, ModelConfig, ModelInput, ModelInstanceGroup

from tritonrepo.client.encoded import FILES, INPUT, STANDS_ON
from tritonrepo.repository.candidate import Candidate
from tritonrepo.repository.config import to_text
from tritonrepo.repository.digest import sha256_of_tree
from tritonrepo.repository.errors import ConfigError, PublishError
from tritonrepo.repository.labels import from_text
from tritonrepo.repository.layout import (
    CONFIG_FILENAME,
    LABELS_FILENAME,
    MANIFEST_FILENAME,
    parse_config,
)
from tritonrepo.repository.manifest import Artifact, Manifest
from tritonrepo.repository.state import own_configuration, read_state
from tritonrepo.repository.store.seam import Store

SUFFIX, DALI_SUFFIX = "_encoded", "_encoded_dali"
"""After the name of the model: of this ensemble, and of the one whose pictures DALI decodes."""
DECODE, RANK = "_decode", "_rank"
FORMAT = "encoded"
PLATFORM = "ensemble"
FILE, REASON, SCORES, BEST = "IMAGE", "REASON", "SCORES", "BEST"
"""The ensemble's input; why a picture was refused, between the steps; what the model gives; the best classes in JSON.
"""
CODE = "code_sha256"
"""The parameter of a step with the fingerprint of its code."""
IMAGE_PYTHON = (3, 12)
"""The Python of the official images since 24.11, which are made on Ubuntu 24.04. Not looked up in an image here."""
RECORDS = (CONFIG_FILENAME, LABELS_FILENAME, MANIFEST_FILENAME)
"""What a version directory holds beside the code of a step."""
STEPS_FILENAME = "steps.json"
MODEL_FILENAME = "model.py"


Stage = Callable[[Candidate], int]
"""Takes a candidate and returns the version that it will be."""


@dataclass(frozen=True)
class Part:
    """The version of a model that an ensemble stands on.

    Attributes:
        config: Its config.pbtxt.
        version: Its number.
        labels: Of its classes.
        manifest: Of that version.
    """

    config: ModelConfig
    version: int
    labels: tuple[str, ...]
    manifest: Manifest


@dataclass(frozen=True)
class Encoded:
    """An ensemble that is to stand on a model.

    Attributes:
        name: `<model>_encoded`, or `<model>_encoded_dali`.
        part: The model, `<model>_<format>`.
        code: A directory with the code of the steps, `decode/` and `rank/`, each with its model.py; DALI's needs none.
    """

    name: str
    part: str
    code: Path | None = None


@dataclass(frozen=True)
class Member:
    """A step as an ensemble names it.

    Attributes:
        model: Its name.
        version: Its number.
        inputs: The step's own tensor -> that of the ensemble.
        outputs: In the same way.
    """

    model: str
    version: int
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]


def find_followers(store: Store, part: str) -> list[str]:
    """The ensembles of a repository, made by the exporter, that stand on a model."""
    names = (name for name in store.models() if name.endswith((SUFFIX, DALI_SUFFIX)))
    return [name for name in names if part_of(store, name) == part]


def part_of(store: Store, model: str) -> str | None:
    """The model that an ensemble, or the step of one, says it stands on; None if this is neither."""
    record = store.record(model)
    if record is None:
        return None
    try:
        config = parse_config(record.text, model)
    except ConfigError:
        return None
    return str(config.parameters[STANDS_ON].string_value) if STANDS_ON in config.parameters else None


def make_ensemble(encoded: Encoded, part: Part, workspace: Path, stage: Stage) -> None:
    """Stage the two steps, then the ensemble that names their versions.

    Args:
        encoded: What is asked for.
        part: What it stands on.
        workspace: An empty directory.
        stage: Stages a candidate.
    """
    first = _step(encoded, part, "decode", _decode_config(encoded, part))
    last = _step(encoded, part, "rank", _rank_config(encoded, part))
    decode, rank = stage(first), stage(last)
    prepared, scores = part.config.input[0].name, part.config.output[0].name
    members = [
        Member(first.name, decode, {FILE: FILE}, {prepared: "prepared", REASON: "reason"}),
        Member(part.config.name, part.version, {prepared: "prepared"}, {scores: "raw"}),
        Member(last.name, rank, {SCORES: "raw", REASON: "reason"}, {BEST: BEST, scores: scores}),
    ]
    artifact = write_members(workspace, members)
    taken = ModelInput(name=FILE, data_type=TYPE_STRING, dims=[1])
    config = ensemble_config(encoded.name, part, members, taken, best=True)
    config.parameters[INPUT].string_value = FILES
    config.parameters["preprocessing"].string_value = part.config.parameters["preprocessing"].string_value
    stage(candidate(encoded.name, artifact, config, part))


def write_members(workspace: Path, members: Sequence[Member]) -> Path:
    """The artifact of an ensemble: which versions it stands on."""
    artifact = workspace / STEPS_FILENAME
    steps = [{"model": member.model, "version": member.version} for member in members]
    artifact.write_text(json.dumps(steps, indent=2) + "\n")
    return artifact


def fetch_code(store: Store, ensemble: str, workspace: Path) -> Path | None:
    """Bring the code of an ensemble's steps, in the versions that are served; where it is. DALI's is made anew."""
    if ensemble.endswith(DALI_SUFFIX):
        return None
    for step in (DECODE, RANK):
        model = ensemble + step
        version = read_state(store, model).current
        for name in store.files(model, version):
            if name not in RECORDS:
                store.fetch(f"{model}/{version}/{name}", workspace / step.removeprefix("_") / name)
    return workspace


def read_part(store: Store, model: str, version: int) -> Part:
    """What a version of a model says of itself.

    Raises:
        ConfigError: Its configuration cannot be read.
        ManifestError: Its manifest cannot.
        PublishError: It has no contract.
    """
    text = own_configuration(store, read_state(store, model), version)
    labels, manifest = (store.read(f"{model}/{version}/{name}") or b"" for name in (LABELS_FILENAME, MANIFEST_FILENAME))
    return part_from_text(text, version, from_text(labels.decode()), Manifest.from_json(manifest.decode()))


def part_from_text(text: str, version: int, labels: tuple[str, ...], manifest: Manifest) -> Part:
    """What a candidate for a version says of itself. Raises `PublishError`."""
    config = parse_config(text, f"{manifest.model}/{CONFIG_FILENAME}")
    if "preprocessing" not in config.parameters or len(config.input) != 1 or len(config.output) != 1:
        raise PublishError(
            f"{manifest.model}/{CONFIG_FILENAME}: does not say how to prepare its images, so nothing can prepare them "
            "for it"
        )
    return Part(config, version, labels, manifest)


def _step(encoded: Encoded, part: Part, step: str, config: ModelConfig) -> Candidate:
    assert encoded.code is not None
    tree = encoded.code / step
    # The code counts like the configuration: other code is another version.
    config.parameters[CODE].string_value = sha256_of_tree(tree)
    return candidate(config.name, tree / MODEL_FILENAME, config, part, tree)


def candidate(name: str, artifact: Path, config: ModelConfig, part: Part, tree: Path | None = None) -> Candidate:
    """A step or an ensemble, with what the manifest of the model says of the network."""
    manifest = replace(
        part.manifest, model=name, format=FORMAT, artifact=Artifact.of(artifact), conversion=None, golden=None
    )
    return Candidate(name, artifact, to_text(config), part.labels, manifest, tree)


def _python(name: str, part: Part) -> ModelConfig:
    """A step: on the CPU, one process that batches as the model does."""
    config = ModelConfig(
        name=name,
        backend="python",
        default_model_filename=MODEL_FILENAME,
        max_batch_size=part.config.max_batch_size,
    )
    config.dynamic_batching.CopyFrom(part.config.dynamic_batching)
    config.instance_group.add(kind=ModelInstanceGroup.KIND_CPU, count=1)
    config.parameters[STANDS_ON].string_value = part.config.name
    return config


def _decode_config(encoded: Encoded, part: Part) -> ModelConfig:
    config, model = _python(encoded.name + DECODE, part), part.config
    config.input.add(name=FILE, data_type=TYPE_STRING, dims=[1])
    prepared = model.input[0]
    config.output.add(name=prepared.name, data_type=prepared.data_type, dims=prepared.dims)
    config.output.add(name=REASON, data_type=TYPE_STRING, dims=[1])
    config.parameters["preprocessing"].string_value = model.parameters["preprocessing"].string_value
    return config


def _rank_config(encoded: Encoded, part: Part) -> ModelConfig:
    config, scores = _python(encoded.name + RANK, part), part.config.output[0]
    config.input.add(name=SCORES, data_type=scores.data_type, dims=scores.dims)
    config.input.add(name=REASON, data_type=TYPE_STRING, dims=[1])
    config.output.add(name=BEST, data_type=TYPE_STRING, dims=[1])
    config.output.add(name=scores.name, data_type=scores.data_type, dims=scores.dims, label_filename=LABELS_FILENAME)
    if "scores" in part.config.parameters:
        config.parameters["scores"].string_value = part.config.parameters["scores"].string_value
    return config


def ensemble_config(name: str, part: Part, members: Sequence[Member], taken: ModelInput, *, best: bool) -> ModelConfig:
    """Of an ensemble.

    Args:
        name: The ensemble's.
        part: The model on which it stands.
        members: Its steps.
        taken: Its input.
        best: Whether it names the best classes too.
    """
    model = part.config
    scores = model.output[0]
    config = ModelConfig(name=name, platform=PLATFORM, max_batch_size=model.max_batch_size)
    config.input.append(taken)
    if best:
        config.output.add(name=BEST, data_type=TYPE_STRING, dims=[1])
    config.output.add(name=scores.name, data_type=scores.data_type, dims=scores.dims, label_filename=LABELS_FILENAME)
    for member in members:
        step = config.ensemble_scheduling.step.add(model_name=member.model, model_version=member.version)
        step.input_map.update(member.inputs)
        step.output_map.update(member.outputs)
    for key in ("trained", "weights", "class_set", "synsets", "scores"):
        if key in model.parameters:
            config.parameters[key].string_value = model.parameters[key].string_value
    config.parameters[STANDS_ON].string_value = model.name
    return config
