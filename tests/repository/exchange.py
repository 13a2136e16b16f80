"""A repository as the releases before commit records left it, which exchanged whole model directories."""

from pathlib import Path

from tests.repository.manifests import manifest_of
from tests.repository.releases import NAME

POLICY = "version_policy { latest { num_versions: 1 } }\n"


def configuration(largest_batch: int) -> str:
    """With a label file beside the versions."""
    output = 'output { name: "OUTPUT__0" data_type: TYPE_FP32 dims: [ 2 ] label_filename: "labels.txt" }'
    return f"{POLICY}max_batch_size: {largest_batch}\n{output}\n"


def write(models: Path, numbers: list[int], withdrawn: int = 0, *, with_own: bool = True) -> None:
    """Versions whose artifact, largest batch and labels tell their number; the last is served.

    Args:
        models: The repository.
        numbers: Of the versions.
        withdrawn: What `withdrawn.txt` says, if it is not 0.
        with_own: Whether each has its own configuration and labels, as all but the earliest releases left them.
    """
    model = models / NAME
    for number in numbers:
        version = model / str(number)
        version.mkdir(parents=True)
        (version / "model.onnx").write_bytes(b"%d" % number)
        (version / "manifest.json").write_text(manifest_of(version / "model.onnx").to_json())
        for directory in (model, version) if with_own else (model,):
            (directory / "config.pbtxt").write_text(configuration(number))
            (directory / "labels.txt").write_text(f"a {number}\nb {number}\n")
    if withdrawn:
        (model / "withdrawn.txt").write_text(f"{withdrawn}\n")
