"""`python -m export doctor`: what this machine has, and what in a repository would fail to load. It changes nothing."""

import importlib.util
import json
import platform
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from tritonclient.grpc.model_config_pb2 import ModelConfig

import tritonrepo
from tritonrepo.client.errors import UsageError
from tritonrepo.repository.artifacts import AGAIN, IN_IMAGE, Level, answer, examine, gpus
from tritonrepo.repository.digest import sha256
from tritonrepo.repository.errors import ConfigError
from tritonrepo.repository.formats import FORMATS
from tritonrepo.repository.layout import (
    BACKEND_FILENAMES,
    CONFIG_FILENAME,
    LARGEST_VERSION,
    MANIFEST_FILENAME,
    backend_of,
    is_dangling,
    model_directories,
    read_config,
    version_beyond_counting,
    version_numbers,
)

DOT_ENV = Path(tritonrepo.__file__).resolve().parents[2] / ".env"

WITHOUT_FILE = ("ensemble", "identity")


@dataclass(frozen=True)
class Finding:
    """One line: about what, how it stands, and what mends it. Only `fail` means that something would not load."""

    level: Level
    subject: str
    text: str
    remedy: str = ""


def pinned_release(dot_env: Path = DOT_ENV) -> str:
    """The Triton release that .env pins. Raises `UsageError` if the file names none."""
    text = dot_env.read_text(encoding="utf-8") if dot_env.is_file() else ""
    found = re.search(r"^TRITON_RELEASE=(\d\d\.\d\d)\s*$", text, re.MULTILINE)
    if found is None:
        raise UsageError(f"{dot_env}: pins no TRITON_RELEASE; name the release with --triton-release YY.MM")
    return found[1]


def examine_host() -> list[Finding]:
    """What is here, and which formats can be exported with it. Nothing that is missing is a failure by itself."""
    packages = ("torch", "onnx", "onnxruntime", "tritonclient", "nvidia-pytriton")
    gpu = gpus("name,driver_version,compute_cap")
    tensorrt = [name for name in ("tensorrt", "tensorrt_bindings") if importlib.util.find_spec(name) is not None]
    return [
        Finding("ok", "python", platform.python_version()),
        *(_package(name) for name in packages),
        _present("onnxruntime providers", _providers(), "pip install '.[export]'"),
        _present("NVIDIA GPU", "; ".join(gpu), "a GPU host builds and serves engines; a CPU does the rest"),
        _present("TensorRT", _version("tensorrt", *(f"tensorrt-cu{n}-bindings" for n in (12, 13))), IN_IMAGE),
        _present(
            "TensorRT for RTX",
            _version("tensorrt-rtx-cu12-bindings"),
            "for compile checks: pip install '.[tensorrt-check]'",
        ),
        _present(
            "Docker daemon",
            answer("docker", "version", "--format", "{{.Server.Version}}"),
            "without Docker, serve with: python -m serve",
        ),
        *_formats(bool(gpu and tensorrt)),
    ]


def _formats(engines: bool) -> Iterator[Finding]:
    """What each format needs, and whether it is here."""
    for format in FORMATS.values():
        needs = {"torchscript": ("torch",), "tensorrt": ("torch", "onnxscript")}
        missing = [name for name in needs.get(format.name, ("torch", "onnxscript", "onnxruntime")) if not _has(name)]
        subject = f"format {format.name}"
        if missing:
            yield Finding("note", subject, f"needs {', '.join(missing)}", "pip install '.[export]'")
        elif format.backend != "tensorrt" or engines:
            yield Finding("ok", subject, "can be exported here")
        elif _has("tensorrt_rtx_bindings"):
            yield Finding("note", subject, "can be compiled here, not published: it needs a GPU", IN_IMAGE)
        else:
            yield Finding("note", subject, "needs a GPU with TensorRT", IN_IMAGE)


def _package(name: str) -> Finding:
    return _present(name, _version(name), "pip install '.[export,serve]'")


def _present(subject: str, text: str, remedy: str) -> Finding:
    return Finding("ok", subject, text) if text else Finding("note", subject, "not here", remedy)


def _has(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _version(*packages: str) -> str:
    for package in packages:
        try:
            return version(package)
        except PackageNotFoundError:
            continue
    return ""


def _providers() -> str:
    if not _has("onnxruntime"):
        return ""
    import onnxruntime

    return ", ".join(onnxruntime.get_available_providers())


def examine_repository(root: Path, release: str) -> list[Finding]:
    """Examine every model of a repository that Triton `release` is to serve.

    Raises `UsageError` if it is no repository, or `release` no release.
    """
    if not re.fullmatch(r"\d\d\.(0[1-9]|1[0-2])", release, re.ASCII):
        raise UsageError(f"--triton-release {release!r}: name a release as YY.MM, such as 26.07")
    if not root.is_dir():
        raise UsageError(f"--repository {root}: is not a directory; make one with: python -m export")
    models = model_directories(root)
    found = [finding for model in models for finding in _readable(model, release)]
    if not models:
        found.append(Finding("note", str(root), "holds no model", "python -m export"))
    return [*_dangling(root), *found]


def _dangling(root: Path) -> Iterator[Finding]:
    """Links that lead nowhere: Triton then cannot list the repository, whatever their names."""
    for path in sorted(root.iterdir()):
        if is_dangling(path):
            text = "is a link that leads nowhere, and Triton cannot list a repository with one"
            yield Finding("fail", path.name, text, f"remove it: {path}")


def _readable(directory: Path, release: str) -> list[Finding]:
    try:
        return _model(directory, release)
    except OSError as exc:
        text = f"{exc.filename or directory} cannot be read: {exc.strerror or exc}"
        return [Finding("fail", directory.name, text, "let Triton's user (uid 1000 in the image) read it")]


def _model(directory: Path, release: str) -> list[Finding]:
    """What is wrong with a model, or one line that nothing is."""
    try:
        config = read_config(directory)
    except ConfigError as exc:
        return [Finding("fail", directory.name, str(exc), AGAIN)]
    if beyond := version_beyond_counting(directory):
        text = f"the version {beyond} is beyond {LARGEST_VERSION}, at which Triton aborts, with every model"
        return [Finding("fail", directory.name, text, "rename that directory")]
    versions = version_numbers(directory)
    served = _served(config, versions)
    found = [*_config(directory, config, versions, served), *_labels(directory, config)]
    for number in versions:
        findings = _version_directory(directory / str(number), config, release)
        found += findings if number in served else map(_idle, findings)
    if all(finding.level != "fail" for finding in found):
        numbers = ", ".join(map(str, versions))
        found.insert(0, Finding("ok", directory.name, f"{config.backend or config.platform}, version {numbers}"))
    return found


def _served(config: ModelConfig, versions: Sequence[int]) -> list[int]:
    """The versions that Triton would load."""
    policy = config.version_policy
    match policy.WhichOneof("policy_choice"):
        case "all":
            return [*versions]
        case "specific":
            return [number for number in versions if number in policy.specific.versions]
        case _:
            newest = policy.latest.num_versions if policy.HasField("latest") else 1
            return [*versions[max(len(versions) - newest, 0) :]]


def _idle(finding: Finding) -> Finding:
    """A finding about a version that is not served: it keeps nothing from loading."""
    return replace(finding, level="note", text=f"{finding.text}; the version policy leaves this version out")


def _config(directory: Path, config: ModelConfig, versions: Sequence[int], served: Sequence[int]) -> Iterator[Finding]:
    if config.name and config.name != directory.name:
        yield Finding("fail", directory.name, f"{CONFIG_FILENAME} names the model {config.name}", AGAIN)
    if not versions:
        yield Finding("fail", directory.name, "has no version directory", AGAIN)
    absent = sorted(set(config.version_policy.specific.versions) - set(versions))
    if versions and not served:
        asked = f" asks for {', '.join(map(str, absent))}" if absent else " takes none"
        text = f"the version policy{asked}, there is {', '.join(map(str, versions))}"
        yield Finding("fail", directory.name, text, f"let it take a version that is there, or {AGAIN}")
    elif absent:
        text = f"the version policy also asks for {', '.join(map(str, absent))}, which is not there"
        yield Finding("note", directory.name, text, f"take it out of {CONFIG_FILENAME}")


def _labels(directory: Path, config: ModelConfig) -> Iterator[Finding]:
    for output in config.output:
        if not output.label_filename:
            continue
        path, classes = directory / output.label_filename, output.dims[-1] if output.dims else 0
        if not path.is_file():
            yield Finding("fail", directory.name, f"{path.name} is missing", AGAIN)
            continue
        # Lines as C++'s getline counts them; Python would also split at a form feed or U+2028.
        labels = len(path.read_bytes().removesuffix(b"\n").split(b"\n")) if path.stat().st_size else 0
        if labels != classes:
            text = f"{path.name} has {labels} labels for the {classes} classes of {output.name}"
            yield Finding("fail", directory.name, text, "give one label a line, or " + AGAIN)


def _version_directory(directory: Path, config: ModelConfig, release: str) -> Iterator[Finding]:
    subject = f"{directory.parent.name}/{directory.name}"
    manifest = _manifest(directory)
    backend, filename = _backend(config, directory), config.default_model_filename
    format = FORMATS.get(str(manifest.get("format")))
    if format is not None and format.backend != backend:
        text = f"{CONFIG_FILENAME} names the backend {backend!r}, the artifact is for {format.backend!r}"
        yield Finding("fail", subject, text, f'write backend: "{format.backend}", or {AGAIN}')
        filename = format.filename
    filename = filename or BACKEND_FILENAMES.get(backend, "")
    if backend in WITHOUT_FILE or not filename:
        if backend not in WITHOUT_FILE:
            yield Finding("note", subject, f"whether the backend {backend!r} finds what it needs cannot be told", AGAIN)
        return
    artifact = directory / filename
    if artifact.is_dir() and backend == "onnxruntime":  # Its external data may lie beside it.
        artifact /= BACKEND_FILENAMES[backend]
    if not artifact.is_file():
        held = ", ".join(sorted(path.name for path in directory.glob("model.*"))) or "no artifact"
        yield Finding("fail", subject, f"{backend} needs {filename}, the version holds {held}", AGAIN)
        return
    yield from _hash(subject, artifact, manifest)
    for fault in examine(artifact, backend, config, _section(manifest, "conversion"), release):
        yield Finding(fault.level, subject, fault.text, fault.remedy)


def _backend(config: ModelConfig, version: Path) -> str:
    """The backend that Triton takes: named, or by the old name of its platform, or by the file that is there."""
    if named := backend_of(config) or str(config.platform):
        return named
    held = (backend for backend, filename in BACKEND_FILENAMES.items() if (version / filename).exists())
    return next(held, "")


def _manifest(directory: Path) -> dict[str, Any]:
    """The manifest, or nothing if there is none that can be read."""
    try:
        manifest = json.loads((directory / MANIFEST_FILENAME).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return manifest if isinstance(manifest, dict) else {}


def _section(manifest: dict[str, Any], key: str) -> dict[str, Any]:
    section = manifest.get(key)
    return section if isinstance(section, dict) else {}


def _hash(subject: str, artifact: Path, manifest: dict[str, Any]) -> Iterator[Finding]:
    if not manifest:
        text = f"no {MANIFEST_FILENAME} that can be read: whether {artifact.name} is whole cannot be told"
        yield Finding("note", subject, text, AGAIN)
        return
    recorded = _section(manifest, "artifact")
    size, digest = artifact.stat().st_size, recorded.get("sha256")
    if size != recorded.get("bytes"):
        yield Finding(
            "fail", subject, f"{artifact.name} has {size} bytes, the manifest says {recorded.get('bytes')}", AGAIN
        )
    elif sha256(artifact) != digest:
        yield Finding("fail", subject, f"{artifact.name} is not what was published: its SHA-256 is another", AGAIN)
