"""NVIDIA's pretrained checkpoints: downloaded once, resumed after an interruption, cached with their SHA-256."""

import fcntl
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path

from tritonrepo.client.errors import MissingError
from tritonrepo.export.errors import WeightsError
from tritonrepo.repository.digest import sha256

_MODELS = "https://api.ngc.nvidia.com/v2/models/nvidia"
CHECKPOINTS = {
    "resnet50": f"{_MODELS}/resnet50_pyt_amp/versions/20.06.0/files/nvidia_resnet50_200821.pth.tar",
    "resnext101_32x4d": (
        f"{_MODELS}/resnext101_32x4d_pyt_amp/versions/20.06.0/files/nvidia_resnext101-32x4d_200821.pth.tar"
    ),
    "se_resnext101_32x4d": (
        f"{_MODELS}/seresnext101_32x4d_pyt_amp/versions/20.06.0/files/nvidia_se-resnext101-32x4d_200821.pth.tar"
    ),
}
"""The checkpoints that NVIDIA's torch.hub entry points load."""

TIMEOUT_S = 20.0
_CHUNK = 1 << 20

Progress = Callable[[int, int | None], None]
"""Called with the bytes on disk so far, and the bytes in all where the server tells."""


def cache_directory() -> Path:
    """`$XDG_CACHE_HOME/triton-repository-builder`, by default below ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "triton-repository-builder"


def fetch(url: str, directory: Path, progress: Progress) -> Path:
    """The file at `url`, from `directory` if it is there whole, else downloaded into it.

    An interrupted download leaves `NAME.part` and goes on from there next time, if the server still has the same
    file (its ETag); else it starts again. The SHA-256 is written to `NAME.sha256` and checked at every later use.

    One process downloads at a time. Raises `MissingError` when the server cannot be reached, and `WeightsError` for a
    cached file that has changed.
    """
    target = directory / url.rsplit("/", 1)[1]
    record = target.with_name(target.name + ".sha256")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with target.with_name(target.name + ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if target.exists() and record.exists():
                _check_cached(target, record)
                return target
            part = _download(url, target, progress)
            _write(record, sha256(part))
            part.replace(target)
    except (OSError, HTTPException) as exc:
        raise MissingError(
            f"cannot download {url}: {reason(exc)}. Download it on another machine and pass --weights PATH, "
            "or use --weights seeded for an untrained network"
        ) from exc
    return target


def _check_cached(target: Path, record: Path) -> None:
    expected, actual = record.read_text().strip(), sha256(target)
    if actual != expected:
        raise WeightsError(
            f"{target}: the cached file has changed: SHA-256 {actual}, expected {expected}. "
            "Delete it and run again to download it anew"
        )


def _download(url: str, target: Path, progress: Progress) -> Path:
    part, etag = target.with_name(target.name + ".part"), target.with_name(target.name + ".etag")
    headers = {}
    if part.exists() and etag.exists():
        # A changed file answers If-Range with 200 and all of itself, an unchanged one with 206 and the rest.
        headers = {"Range": f"bytes={part.stat().st_size}-", "If-Range": etag.read_text()}
    with _open(url, headers) as response:
        kind = response.headers.get_content_type()
        if kind.startswith("text/"):
            raise ConnectionError(f"the answer is {kind}, not a file: a page of a proxy or a login?")
        resumed = response.status == 206
        done = part.stat().st_size if resumed else 0
        length = response.headers.get("Content-Length")
        total = done + int(length) if length else None
        if not resumed:
            part.unlink(missing_ok=True)
            _write(etag, response.headers.get("ETag", ""))
        with part.open("ab") as file:
            while chunk := response.read(_CHUNK):
                file.write(chunk)
                done += len(chunk)
                progress(done, total)
            file.flush()
            os.fsync(file.fileno())
    if total is not None and done != total:
        raise ConnectionError(f"the connection ended after {done} of {total} bytes; run again to go on from there")
    etag.unlink(missing_ok=True)
    return part


def _open(url: str, headers: dict[str, str]):  # type: ignore[no-untyped-def]  # urlopen's response has no public type
    try:
        return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT_S)
    except urllib.error.HTTPError as exc:
        if exc.code == 416 and headers:  # the part is as long as the file, or longer: start again
            return urllib.request.urlopen(url, timeout=TIMEOUT_S)
        raise


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(path.name + ".new")
    temporary.write_text(text)
    temporary.replace(path)


def reason(exc: BaseException | None) -> str:
    """What went wrong with a download, without urllib's wrapping."""
    if isinstance(exc, urllib.error.HTTPError):
        exc.close()
        return str(exc)
    return str(getattr(exc, "reason", "") or exc) or type(exc).__name__
