"""NVIDIA's pretrained checkpoints: downloaded once, cached with their SHA-256."""

import fcntl
from pathlib import Path

from tritonrepo.client.download import TransferError, announced, opened
from tritonrepo.client.http_pool import TooLargeError
from tritonrepo.export.errors import DownloadError, WeightsError
from tritonrepo.export.options import Progress
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

DEADLINE_S = 3600.0
"""For all of a download: 170 MB take an hour at 400 kbit/s."""
LIMIT = 1 << 30
"""Most bytes of a checkpoint."""
_CHUNK = 1 << 20
_PAGES = (b"<!doctype", b"<html", b"<?xml")


def fetch(url: str, directory: Path, progress: Progress) -> Path:
    """The file at `url`, from `directory` if it is there whole, else downloaded into it.

    An interrupted download starts again next time. The SHA-256 is written to `NAME.sha256` and checked at every later
    use. One process downloads at a time. The environment's proxies are used.

    Raises:
        DownloadError: The server cannot be reached, sends something else, or the disk refuses.
        WeightsError: The cached file has changed.
    """
    target = directory / url.rsplit("/", 1)[1]
    record = target.with_name(target.name + ".sha256")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with target.with_name(target.name + ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if target.exists() and record.exists():
                _check_cached(target, record)
            else:
                _download(url, target, record, progress)
    except TransferError as exc:
        raise DownloadError(url, str(exc)) from exc
    except OSError as exc:
        raise DownloadError(url, str(exc)) from exc
    return target


def _check_cached(target: Path, record: Path) -> None:
    expected, actual = record.read_text().strip(), sha256(target)
    if actual != expected:
        raise WeightsError(
            f"{target}: the cached file has changed: SHA-256 {actual}, expected {expected}. "
            "Delete it and run again to download it anew"
        )


def _download(url: str, target: Path, record: Path, progress: Progress) -> None:
    part = target.with_name(target.name + ".part")
    with opened(url, DEADLINE_S, LIMIT) as response, part.open("wb") as file:
        packed = "content-encoding" in response.headers
        total, done = None if packed else announced(response), 0
        while chunk := response.read(_CHUNK, decode_content=True):
            done += len(chunk)
            if done > LIMIT:
                raise TooLargeError
            file.write(chunk)
            progress(done, total)
    with part.open("rb") as file:
        head = file.read(100)
    if head.lstrip().lower().startswith(_PAGES):
        raise DownloadError(url, "the answer is a web page, not a file: of a proxy or a login?")
    record.write_text(sha256(part))
    part.replace(target)
