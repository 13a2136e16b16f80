"""`python -m export doctor`: what this machine has, and what in a repository would fail to load. It changes nothing."""

import importlib.util
import json
import platform
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

import onnx
from google.protobuf import text_format
from google.protobuf.message import DecodeError
from tritonclient.grpc.model_config_pb2 import ModelConfig

from export.digest import sha256
from export.errors import UsageError
from export.publish import CONFIG_FILENAME, MANIFEST_FILENAME, version_numbers
from export.spec import FORMATS

DOT_ENV = Path(__file__).parent.parent / ".env"
AGAIN = "export it again"
IN_IMAGE = "build it in the image that serves: make export-gpu"

ONNXRUNTIME_OF_TRITON = {"26.07": (1, 27)}
"""From Triton's release notes. A later release carries the same or a newer ONNX Runtime."""
OLDEST_ONNXRUNTIME = (1, 17)
ONNX_LIMITS = {(1, 17): (20, 9), (1, 18): (21, 10), (1, 23): (23, 11)}
"""Newest operator set and IR version that an ONNX Runtime reads, from its compatibility table; later ones read more."""

PLAN_TAG = b"ftrt"
RTX_PLAN_TAG = b"vtrt"
PLAN_VERSION = slice(24, 28)
"""Where a plan holds the four numbers of the TensorRT that built it, as trtexec --getPlanVersionOnly reads it."""

Level = Literal["ok", "note", "fail"]


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
    gpu = _gpus("name,driver_version,compute_cap")
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
            _answer("docker", "version", "--format", "{{.Server.Version}}"),
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


def _gpus(fields: str) -> list[str]:
    """The fields of each GPU, as nvidia-smi lists them; empty without a GPU."""
    return _answer("nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader").splitlines()


def _answer(*command: str) -> str:
    """What a program prints, or nothing if it is not there or fails."""
    if shutil.which(command[0]) is None:
        return ""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def examine_repository(root: Path, release: str) -> list[Finding]:
    """Examine every model of a repository that Triton `release` is to serve. Raises `UsageError` if it is none."""
    if not root.is_dir():
        raise UsageError(f"--repository {root}: is not a directory; make one with: python -m export")
    models = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not models:
        return [Finding("note", str(root), "holds no model", "python -m export")]
    return [finding for model in models for finding in _readable(model, release)]


def _readable(directory: Path, release: str) -> list[Finding]:
    try:
        return _model(directory, release)
    except OSError as exc:
        text = f"{exc.filename or directory} cannot be read: {exc.strerror or exc}"
        return [Finding("fail", directory.name, text, "let Triton's user (uid 1000 in the image) read it")]


def _model(directory: Path, release: str) -> list[Finding]:
    """What is wrong with a model, or one line that nothing is."""
    try:
        config = text_format.Parse((directory / CONFIG_FILENAME).read_text(encoding="utf-8"), ModelConfig())
    except (OSError, UnicodeDecodeError, text_format.ParseError) as exc:
        return [Finding("fail", directory.name, f"{CONFIG_FILENAME}: {' '.join(str(exc).split())}", AGAIN)]
    versions = version_numbers(directory)
    found = [*_config(directory, config, versions), *_labels(directory, config)]
    for number in versions:
        found += _version_directory(directory / str(number), config, release)
    if all(finding.level != "fail" for finding in found):
        numbers = ", ".join(map(str, versions))
        found.insert(0, Finding("ok", directory.name, f"{config.backend or config.platform}, version {numbers}"))
    return found


def _config(directory: Path, config: ModelConfig, versions: Sequence[int]) -> Iterator[Finding]:
    if config.name and config.name != directory.name:
        yield Finding("fail", directory.name, f"{CONFIG_FILENAME} names the model {config.name}", AGAIN)
    if not versions:
        yield Finding("fail", directory.name, "has no version directory", AGAIN)


def _labels(directory: Path, config: ModelConfig) -> Iterator[Finding]:
    for output in config.output:
        if not output.label_filename:
            continue
        path, classes = directory / output.label_filename, output.dims[-1] if output.dims else 0
        if not path.is_file():
            yield Finding("fail", directory.name, f"{path.name} is missing", AGAIN)
            continue
        labels = len(path.read_text(encoding="utf-8", errors="replace").splitlines())
        if labels != classes:
            text = f"{path.name} has {labels} labels for the {classes} classes of {output.name}"
            yield Finding("fail", directory.name, text, "give one label a line, or " + AGAIN)


def _version_directory(directory: Path, config: ModelConfig, release: str) -> Iterator[Finding]:
    subject = f"{directory.parent.name}/{directory.name}"
    backends = {format.backend: format.filename for format in FORMATS.values()}
    artifact = directory / (config.default_model_filename or backends.get(config.backend, ""))
    manifest = _manifest(directory)
    format = FORMATS.get(str(manifest.get("format")))
    if format is not None and format.backend != config.backend:
        text = f"{CONFIG_FILENAME} names the backend {config.backend!r}, the artifact is for {format.backend!r}"
        yield Finding("fail", subject, text, f'write backend: "{format.backend}", or {AGAIN}')
        artifact = directory / format.filename
    if artifact == directory or not artifact.is_file():
        held = ", ".join(sorted(path.name for path in directory.glob("model.*"))) or "no artifact"
        text = f"{config.backend or config.platform} needs {artifact.name if artifact != directory else 'a file'}"
        yield Finding("fail", subject, f"{text}, the version holds {held}", AGAIN)
        return
    yield from _hash(subject, artifact, manifest)
    examine = _EXAMINATIONS.get(artifact.suffix, _nothing)
    yield from examine(subject, artifact, manifest, release)


def _manifest(directory: Path) -> dict[str, Any]:
    """The manifest, or nothing if there is none that can be read."""
    try:
        manifest = json.loads((directory / MANIFEST_FILENAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
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


def _onnx(subject: str, artifact: Path, manifest: dict[str, Any], release: str) -> Iterator[Finding]:
    try:
        model = onnx.load(artifact, load_external_data=False)
    except (DecodeError, ValueError) as exc:
        yield Finding("fail", subject, f"{artifact.name} cannot be read: {exc}", AGAIN)
        return
    runtime = max((v for r, v in ONNXRUNTIME_OF_TRITON.items() if r <= release), default=OLDEST_ONNXRUNTIME)
    opset_limit, ir_limit = max(limits for known, limits in ONNX_LIMITS.items() if known <= runtime)
    name = f"ONNX Runtime {runtime[0]}.{runtime[1]} (Triton {release})"
    opset = max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)
    for what, actual, limit in (("opset", opset, opset_limit), ("IR version", model.ir_version, ir_limit)):
        if actual > limit:
            text = f"{what} {actual} is newer than {limit}, the newest that {name} is known to read"
            yield Finding("fail", subject, text, AGAIN)


def _plan(subject: str, artifact: Path, manifest: dict[str, Any], release: str) -> Iterator[Finding]:
    with artifact.open("rb") as file:
        header = file.read(PLAN_VERSION.stop)
    if header[:4] == RTX_PLAN_TAG:
        yield Finding("fail", subject, "was built by TensorRT for RTX; Triton serves TensorRT engines alone", IN_IMAGE)
        return
    if header[:4] != PLAN_TAG or len(header) < PLAN_VERSION.stop:
        yield Finding("fail", subject, f"{artifact.name} is not a TensorRT engine", IN_IMAGE)
        return
    built_by = ".".join(map(str, header[PLAN_VERSION]))
    engine = _section(manifest, "conversion")
    if _three(str(engine.get("tensorrt"))) != _three(built_by):
        text = f"was built by TensorRT {built_by}, the manifest says {engine.get('tensorrt')}"
        yield Finding("fail", subject, text, IN_IMAGE)
    elif engine.get("triton_release") is None:
        text = (
            f"was built by TensorRT {built_by} outside Triton's image: whether {release} carries it cannot be told here"
        )
        yield Finding("note", subject, text, IN_IMAGE)
    elif engine["triton_release"] != release:
        text = f"was built by TensorRT {built_by} of Triton {engine['triton_release']}, .env pins {release}"
        yield Finding("fail", subject, text, IN_IMAGE)
    here = _gpus("compute_cap")
    built_for = engine.get("compute_capability")
    if here and built_for not in here and not engine.get("hardware_compatible"):
        text = f"was built for compute capability {built_for}, the GPU here has {', '.join(here)}"
        yield Finding("fail", subject, text, "build it on this GPU, or with --hardware-compatible: make export-gpu")


def _three(version: str) -> list[str]:
    """Major, minor and patch: the fourth number counts builds, and bindings have another than their library."""
    return version.split(".")[:3]


def _nothing(subject: str, artifact: Path, manifest: dict[str, Any], release: str) -> Iterator[Finding]:
    return iter(())


_EXAMINATIONS: dict[str, Callable[[str, Path, dict[str, Any], str], Iterator[Finding]]] = {
    ".onnx": _onnx,
    ".plan": _plan,
}
