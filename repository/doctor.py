"""What in a repository Triton would fail to load. It changes nothing, and loads nothing into a framework."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import prod
from pathlib import Path

from tritonclient.grpc.model_config_pb2 import ModelConfig

from tritonrepo.client.errors import UsageError
from tritonrepo.client.install import install_command
from tritonrepo.repository.config import hands_over
from tritonrepo.repository.ensemble import examine_steps
from tritonrepo.repository.errors import ConfigError
from tritonrepo.repository.findings import AGAIN, Finding
from tritonrepo.repository.host import has, import_fault
from tritonrepo.repository.labels import count_labels
from tritonrepo.repository.layout import (
    CONFIG_FILENAME,
    LARGEST_VERSION,
    backend_of,
    is_dangling,
    model_directories,
    read_config,
    served_versions,
    serves_nothing,
    version_beyond_counting,
    version_numbers,
)
from tritonrepo.repository.on_openvino import ACCELERATOR
from tritonrepo.repository.release import check_release
from tritonrepo.repository.store.mirror import mirrored
from tritonrepo.repository.store.seam import Store
from tritonrepo.repository.version import NOTHING, examine_version, find_backend

INTER_OP = "INTER_OP_THREAD_COUNT"


def examine_store(store: Store, release: str) -> list[Finding]:
    """Examine every model of an object store that Triton `release` is to serve.

    Large artifacts stay where they are: the store knows their size and, of those that were published, the SHA-256.

    Raises:
        UsageError: `release` is no release.
        MissingError: The store fails.
    """
    check_release(release)
    with mirrored(store) as mirror:
        found, here = examine_repository(mirror.root, release, mirror.left), str(mirror.root)
    return [
        replace(one, subject=one.subject.replace(here, store.address), text=one.text.replace(here, store.address))
        for one in found
    ]


def examine_repository(root: Path, release: str, left: Mapping[Path, str | None] = NOTHING) -> list[Finding]:
    """Examine every model of a repository that Triton `release` is to serve.

    Args:
        root: The repository.
        release: Of Triton.
        left: Files that are here by name and size alone, with their SHA-256.

    Raises:
        UsageError: `root` is no repository, or `release` no release.
    """
    check_release(release)
    if not root.is_dir():
        raise UsageError(f"--repository {root}: is not a directory; make one with: tritonrepo export")
    models = model_directories(root)
    found = [finding for model in models for finding in _readable(model, release, left)]
    if not models:
        found.append(Finding("note", str(root), "holds no model", "tritonrepo export"))
    return [*_dangling(root), *_unread(root), *found]


def _dangling(root: Path) -> Iterator[Finding]:
    for path in sorted(root.iterdir()):
        if is_dangling(path):
            text = "is a link that leads nowhere, and Triton cannot list a repository with one"
            yield Finding("fail", path.name, text, f"remove it: {path}")


def _unread(root: Path) -> Iterator[Finding]:
    """What cannot be looked into here, for want of a package."""
    if any(root.glob("*/*/*.onnx")) and (fault := import_fault("onnx")):
        yield Finding("note", "onnx", f"{fault}: the ONNX artifacts were not looked into", install_command("export"))


def _readable(directory: Path, release: str, left: Mapping[Path, str | None]) -> list[Finding]:
    try:
        return _model(directory, release, left)
    except OSError as exc:
        text = f"{exc.filename or directory} cannot be read: {exc.strerror or exc}"
        return [Finding("fail", directory.name, text, "let Triton's user (uid 1000 in the image) read it")]


def _model(directory: Path, release: str, left: Mapping[Path, str | None]) -> list[Finding]:
    """What is wrong with a model, or one line that nothing is."""
    try:
        config = read_config(directory)
    except ConfigError as exc:
        return [Finding("fail", directory.name, str(exc), AGAIN)]
    if beyond := version_beyond_counting(directory):
        text = f"the version {beyond} is beyond {LARGEST_VERSION}, at which Triton aborts, with every model"
        return [Finding("fail", directory.name, text, "rename that directory")]
    versions = version_numbers(directory)
    served = served_versions(config, versions)
    found = [
        *_config(directory, config),
        *_policy(directory, config, versions, served),
        *_threads(directory, config, versions),
        *_queue(directory, config),
        *_accelerators(directory, config),
        *_labels(directory, config),
        *examine_steps(directory, config),
    ]
    for number in versions:
        own = config if number in served else _own(directory, number, config)
        findings = examine_version(directory / str(number), own, release, left)
        found += findings if number in served else map(_idle, findings)
    if all(finding.level != "fail" for finding in found):
        found.insert(0, Finding("ok", directory.name, _summary(config, versions, served)))
    return found


def _own(directory: Path, version: int, config: ModelConfig) -> ModelConfig:
    """The configuration by which a version would be served; that of the model where it has none of its own."""
    try:
        return read_config(directory / str(version))
    except ConfigError:
        return config


def _summary(config: ModelConfig, versions: Sequence[int], served: Sequence[int]) -> str:
    idle = [number for number in versions if number not in served]
    beside = f"; {', '.join(map(str, idle))} not served" if idle else ""
    return f"{config.backend or config.platform}, version {', '.join(map(str, served)) or 'none'}{beside}"


def _idle(finding: Finding) -> Finding:
    """A finding about a version that is not served: it keeps nothing from loading."""
    return replace(finding, level="note", text=f"{finding.text}; the version policy leaves this version out")


def _config(directory: Path, config: ModelConfig) -> Iterator[Finding]:
    if config.name and config.name != directory.name:
        yield Finding("fail", directory.name, f"{CONFIG_FILENAME} names the model {config.name}", AGAIN)


def _policy(directory: Path, config: ModelConfig, versions: Sequence[int], served: Sequence[int]) -> Iterator[Finding]:
    if not versions:
        yield Finding("fail", directory.name, "has no version directory", AGAIN)
    absent = sorted(set(config.version_policy.specific.versions) - set(versions))
    if versions and serves_nothing(config):
        yield Finding(
            "note", directory.name, "has no version that was released", f"tritonrepo release {directory.name}"
        )
    elif versions and not served:
        asked = f" asks for {', '.join(map(str, absent))}" if absent else " takes none"
        text = f"the version policy{asked}, there is {', '.join(map(str, versions))}"
        yield Finding("fail", directory.name, text, f"let it take a version that is there, or {AGAIN}")
    elif absent:
        text = f"the version policy also asks for {', '.join(map(str, absent))}, which is not there"
        yield Finding("note", directory.name, text, f"take it out of {CONFIG_FILENAME}")


def _threads(directory: Path, config: ModelConfig, versions: Sequence[int]) -> Iterator[Finding]:
    """PyTorch lets a process set this number once, and aborts it the second time: at the next model, or a reload."""
    backends = {backend_of(config), *(find_backend(config, directory / str(number)) for number in versions)}
    if INTER_OP in config.parameters and "pytorch" in backends:
        text = f"{CONFIG_FILENAME} sets {INTER_OP}, with which Triton aborts when it loads a second model or this again"
        yield Finding("fail", directory.name, text, f"take that parameter out of {CONFIG_FILENAME}, or {AGAIN}")


def _queue(directory: Path, config: ModelConfig) -> Iterator[Finding]:
    if not hands_over(config):
        text = (
            "bounds or orders its queue (max_queue_size, a timeout, priority_levels): Triton then leaves an instance "
            "idle for up to 500 ms while requests wait"
        )
        remedy = f"take these out of {CONFIG_FILENAME}, unless overload is worse: docs/serving.md, A bounded queue"
        yield Finding("note", directory.name, text, remedy)


def _accelerators(directory: Path, config: ModelConfig) -> Iterator[Finding]:
    """The official backend brings its OpenVINO; where the embedded server runs, it is a package."""
    asked = config.optimization.execution_accelerators.cpu_execution_accelerator
    if any(one.name == ACCELERATOR for one in asked) and not has(ACCELERATOR):
        text = "asks for OpenVINO on the CPU, and the package openvino is not here: tritonrepo serve cannot load it"
        yield Finding("note", directory.name, text, install_command("openvino"))


def _labels(directory: Path, config: ModelConfig) -> Iterator[Finding]:
    for output in config.output:
        if not output.label_filename:
            continue
        path, classes = directory / output.label_filename, _classes(output.dims)
        if path.is_dir():
            text = f"{output.label_filename} is a directory, at which Triton aborts"
            yield Finding("fail", directory.name, text, AGAIN)
        elif not path.is_file():
            yield Finding("fail", directory.name, f"{output.label_filename} is missing", AGAIN)
        elif classes and (labels := count_labels(path)) != classes:
            # Triton loads it: it names a class without a label by its number, and reads no label beyond the classes.
            text = f"{output.label_filename} has {labels} labels for the {classes} classes of {output.name}"
            yield Finding("note", directory.name, text, "give one label a line, or " + AGAIN)


def _classes(dims: Sequence[int]) -> int:
    """How many an output of this shape scores; 0 where any number may come. `[10, 1, 1]` scores ten."""
    return prod(dims) if dims and min(dims) > 0 else 0
