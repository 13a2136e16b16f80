"""NVIDIA's pretrained checkpoints: downloaded once, cached with their SHA-256."""

import fcntl
from pathlib import Path

import pooch

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

TIMEOUT_S = 20.0
"""The longest silence of the server."""
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
    except OSError as exc:  # the root of requests' errors too
        raise DownloadError(url, _reason(exc)) from exc
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
    get = pooch.HTTPDownloader(progressbar=_Bar(progress), chunk_size=_CHUNK, timeout=TIMEOUT_S)
    get(url, str(part), None)
    with part.open("rb") as file:
        head = file.read(100)
    if head.lstrip().lower().startswith(_PAGES):
        raise ConnectionError("the answer is a web page, not a file: of a proxy or a login?")
    record.write_text(sha256(part))
    part.replace(target)


class _Bar:
    """What pooch takes for tqdm's bar."""

    total = 0

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._done = 0

    def update(self, count: int) -> None:
        """Count some more bytes; pooch calls the last chunk as long as the others."""
        self._done = min(self._done + count, self.total or self._done + count)
        self._progress(self._done, self.total or None)

    def reset(self) -> None:
        """Start again from nothing, as pooch does before it counts the whole file once more."""
        self._done = 0

    def close(self) -> None:
        """There is nothing to close."""


def _reason(exc: OSError) -> str:
    """What went wrong at the bottom: requests' own words wrap it three times."""
    response = getattr(exc, "response", None)
    if response is not None:
        response.close()  # which pooch leaves to chance
        return f"the server answers {response.status_code} {response.reason}"
    inner: BaseException = exc
    while inner.__context__ is not None:
        inner = inner.__context__
    return str(inner) or type(inner).__name__
