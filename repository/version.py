"""The examination of one version of a model: its artifact, and what its manifest says of that."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from tritonclient.grpc.model_config_pb2 import ModelConfig

from tritonrepo.repository import encoded_dali
from tritonrepo.repository.artifacts import plan, pt2, torchscript
from tritonrepo.repository.digest import sha256
from tritonrepo.repository.ensemble import examine_code
from tritonrepo.repository.errors import ManifestError
from tritonrepo.repository.findings import AGAIN, Fault, Finding
from tritonrepo.repository.formats import FORMATS, PT2
from tritonrepo.repository.host import import_fault
from tritonrepo.repository.layout import BACKEND_FILENAMES, CONFIG_FILENAME, backend_of
from tritonrepo.repository.manifest import Artifact, EngineFacts, Manifest, read_manifest

WITHOUT_FILE = ("ensemble", "identity")


NOTHING: Mapping[Path, str | None] = MappingProxyType({})


def examine_version(
    directory: Path, config: ModelConfig, release: str, left: Mapping[Path, str | None] = NOTHING
) -> list[Finding]:
    """What is wrong with a version directory that Triton `release` is to load.

    Args:
        directory: The version.
        config: The configuration by which it would be served.
        release: Of Triton.
        left: Files whose bytes are elsewhere and cannot be looked into, with their SHA-256; here they are hollow.

    Raises:
        OSError: It cannot be read.
    """
    subject = f"{directory.parent.name}/{directory.name}"
    faults = _faults(directory, config, release, left)
    return [Finding(fault.level, subject, fault.text, fault.remedy) for fault in faults]


def find_backend(config: ModelConfig, version: Path) -> str:
    """The backend that Triton takes: named, or by the old name of its platform, or by the file that is there."""
    if named := backend_of(config) or str(config.platform):
        return named
    held = (name for name, files in BACKEND_FILENAMES.items() if any((version / file).exists() for file in files))
    return next(held, "")


def _faults(directory: Path, config: ModelConfig, release: str, left: Mapping[Path, str | None]) -> Iterator[Fault]:
    manifest = _manifest(directory)
    backend, filename = find_backend(config, directory), config.default_model_filename
    if config.platform == PT2.platform:
        filename = filename or PT2.filename
    format = FORMATS.get(manifest.format) if isinstance(manifest, Manifest) else None
    if format is not None and format.backend != backend:
        text = f"{CONFIG_FILENAME} names the backend {backend!r}, the artifact is for {format.backend!r}"
        yield Fault(text, f'write backend: "{format.backend}", or {AGAIN}')
        filename = format.filename
    elif format is not None and (format is PT2) != (config.platform == PT2.platform):
        text = f"{CONFIG_FILENAME} says platform: {config.platform!r}, the artifact is for {format.platform!r}"
        yield Fault(text, f'write platform: "{format.platform}", or {AGAIN}')
        return
    artifact = _artifact(directory, backend, filename)
    if isinstance(artifact, Fault):
        yield artifact
    elif artifact is not None:
        yield from _changes(artifact, manifest, left.get(artifact))
        if artifact in left:
            yield Fault(f"{artifact.name} stays in the store, and was not looked into", level="note", remedy="")
            return
        engine = manifest.conversion if isinstance(manifest, Manifest) else None
        yield from _content(artifact, backend, config, engine, release)


def _manifest(directory: Path) -> Manifest | ManifestError:
    try:
        return read_manifest(directory)
    except ManifestError as exc:
        return exc


def _artifact(directory: Path, backend: str, filename: str) -> Path | Fault | None:
    """The file that the backend loads; None if it needs none."""
    if backend in WITHOUT_FILE:
        return None
    defaults = BACKEND_FILENAMES.get(backend, ())
    filenames = (filename,) if filename else defaults
    if not filenames:
        return Fault(f"whether the backend {backend!r} finds what it needs cannot be told", level="note")
    for artifact in (directory / name for name in filenames):
        if artifact.is_dir() and backend == "onnxruntime":  # Its external data may lie beside it.
            artifact /= defaults[0]
        if artifact.is_file():
            return artifact
    held = ", ".join(sorted(path.name for path in directory.glob("model.*"))) or "no artifact"
    return Fault(f"{backend} needs {' or '.join(filenames)}, the version holds {held}")


def _content(
    artifact: Path, backend: str, config: ModelConfig, engine: EngineFacts | None, release: str
) -> Iterator[Fault]:
    """What the backend would object to."""
    if backend == "onnxruntime" and not import_fault("onnx"):
        from tritonrepo.repository.artifacts import onnx

        yield from onnx.examine(artifact, config, release)
    elif backend == "pytorch" and config.platform == PT2.platform:
        yield from pt2.examine(artifact, config, release)
    elif backend == "pytorch" and artifact.suffix != ".py":
        yield from torchscript.examine(artifact)
    elif backend == "python":
        yield from examine_code(artifact.parent, config)
    elif backend == "tensorrt":
        yield from plan.examine(artifact, engine, release)
    elif backend == encoded_dali.BACKEND:
        yield Fault(
            "needs Triton's dali backend and a GPU, which the official image has and tritonrepo serve has not; "
            f"{encoded_dali.NOT_RUN}",
            "serve the model itself, or export with --encoded alone",
            level="note",
        )


def _changes(artifact: Path, manifest: Manifest | ManifestError, known: str | None) -> Iterator[Fault]:
    """Whether the artifact, whose SHA-256 may be known already, and what a release asks are what was published."""
    if isinstance(manifest, ManifestError):
        yield Fault(f"{manifest}; so whether {artifact.name} is whole cannot be told", level="note")
        return
    yield from _change(artifact, manifest.artifact, known)
    if manifest.golden:
        yield from _change(artifact.with_name(manifest.golden.file.file), manifest.golden.file)


def _change(file: Path, recorded: Artifact, known: str | None = None) -> Iterator[Fault]:
    if not file.is_file():
        yield Fault(f"{file.name} is gone, which the manifest names; a release needs it", AGAIN)
        return
    size = file.stat().st_size
    if size != recorded.bytes:
        yield Fault(f"{file.name} has {size} bytes, the manifest says {recorded.bytes}")
    elif (known or sha256(file)) != recorded.sha256:
        yield Fault(f"{file.name} is not what was published: its SHA-256 is another")
