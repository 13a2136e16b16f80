"""A release for each version number, so that whoever has the number has the right answer."""

from functools import cache
from pathlib import Path

from tests.live.releases import Release

WORDS = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta")
PADDING = 4_000_000
"""Bytes of an artifact: so many that a kill can hit the middle of its copy."""


def release_of(version: int) -> Release:
    """It differs from those beside it in labels, classes, preprocessing, shape of the input, and weights."""
    return Release(
        side=(32, 24)[version % 2],
        mean=0.1 + 0.06 * (version % 7),
        labels=tuple(f"{word} {version}" for word in WORDS[: 4 + version % 3]),
        scale=1 + 0.2 * (version % 5),
        padding=PADDING,
    )


def prepare(directory: Path, version: int) -> None:
    """Write this version's artifact, configuration and labels for the publisher."""
    release = release_of(version)
    if (directory / "config.pbtxt").exists() and (directory / "config.pbtxt").read_text() == release.config():
        return
    release.write(directory / "model.onnx")
    (directory / "config.pbtxt").write_text(release.config())
    (directory / "labels.txt").write_text("".join(f"{label}\n" for label in release.labels))


@cache
def expected(version: int, picture: Path) -> dict[str, float]:
    """The score of each label."""
    return release_of(version).expected(picture)
