"""Where a run took place: the machine, its GPUs, the server and the models, as far as they can be read from here."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Sequence
from importlib.metadata import version
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import psutil

from tritonrepo.client.contract import ModelContract
from tritonrepo.client.transport import Transport
from tritonrepo.compare.report import Machine, ServedModel, Server

_LIBRARIES = ("triton-repository-builder", "tritonclient", "numpy", "pillow")
_MIB = 2**20


def describe_machine() -> Machine:
    """This machine."""
    return Machine(
        system=platform.platform(),
        cpu=_cpu_model(),
        cores=psutil.cpu_count(logical=False) or os.cpu_count() or 1,
        threads=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory=round(psutil.virtual_memory().total / 2**30, 1),
        gpus=_gpus(),
        python=platform.python_version(),
        libraries={name: version(name) for name in _LIBRARIES},
    )


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _gpus() -> tuple[str, ...]:
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    query = [program, "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=30)
    except subprocess.TimeoutExpired:
        return ()
    return tuple(answer.stdout.strip().splitlines()) if answer.returncode == 0 else ()


def describe_server(transport: Transport) -> Server:
    """What the server says of itself.

    Raises:
        TritonRepoError: What the transport raises.
    """
    said = transport.server()
    return Server(said.get("name"), said.get("version"), tuple(said.get("extensions", ())))


def describe_model(transport: Transport, contract: ModelContract, repository: Path | None) -> ServedModel:
    """The model's versions and what its config says; with the server's repository at hand, their manifests too.

    Raises:
        TritonRepoError: What the transport raises.
    """
    versions = sorted({s.version for s in transport.models() if s.name == contract.name and s.ready and s.version})
    config = transport.config(contract.name)
    parameters = {key: value.get("string_value", "") for key, value in config.get("parameters", {}).items()}
    return ServedModel(
        name=contract.name,
        versions=tuple(versions),
        backend=config.get("backend") or config.get("platform", ""),
        instances=tuple(config.get("instance_group", ())),
        dynamic_batching=config.get("dynamic_batching") is not None,
        max_batch_size=contract.max_batch_size,
        trained=contract.trained,
        weights=_json_or_text(parameters.get("weights", "")),
        preprocessing=json.loads(contract.preprocessing.to_json()),
        manifests={number: _manifest(repository, contract.name, number) for number in versions},
    )


def _manifest(repository: Path | None, model: str, number: str) -> Any:
    if repository is None:
        return None
    try:
        return json.loads((repository / model / number / "manifest.json").read_text())
    except (OSError, ValueError, RecursionError):
        return None


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text or None


def is_local(address: str) -> bool:
    """Whether HOST:PORT is this machine, by its loopback addresses."""
    host = address.rsplit(":", 1)[0].strip("[]")
    try:
        return ip_address(host if host != "localhost" else "127.0.0.1").is_loopback
    except ValueError:
        return False


def server_memory_reader(address: str) -> Callable[[], float | None]:
    """How to read the memory of the server at HOST:PORT with all its processes, in MiB; None where it cannot be read.

    Shared pages count once (proportional set size). It needs to be a process on this machine, of this user.
    """
    pid = _listener(address) if is_local(address) else None
    if pid is None:
        return lambda: None
    server = psutil.Process(pid)

    def read() -> float | None:
        try:
            return _resident([server, *server.children(recursive=True)]) / _MIB
        except psutil.Error:
            return None

    return read


def _resident(processes: Sequence[psutil.Process]) -> float:
    total = 0.0
    for process in processes:
        memory = process.memory_full_info()
        total += getattr(memory, "pss", memory.rss)
    return total


def _listener(address: str) -> int | None:
    port = int(address.rsplit(":", 1)[1].split("/", 1)[0])
    try:
        connections = psutil.net_connections("tcp")
    except psutil.Error:
        return None
    listening = (c.pid for c in connections if c.status == psutil.CONN_LISTEN and c.laddr and c.laddr.port == port)
    return next((pid for pid in listening if pid is not None), None)
