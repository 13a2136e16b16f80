"""What an earlier evaluation found out, and what of it counts today."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from tritonrepo.client.basis import Basis
from tritonrepo.client.datasets import Example
from tritonrepo.client.earlier import read_outcomes, settle
from tritonrepo.client.errors import UsageError
from tritonrepo.client.evaluate import Outcome
from tritonrepo.client.options import Options
from tritonrepo.client.resume import Present
from tritonrepo.client.sources import Source

NOW = Present("net", "1", Basis.of(Options(), "c0ffee", ""))


def example(path: Path, truth: int) -> Example:
    return Example(Source(path.name, path), truth)


def kept(path: Path, truth: int = 0, best: tuple[int, ...] = (3, 0), **changes: object) -> Outcome:
    """What an earlier run wrote of a picture as it is now."""
    basis = str(dataclasses.replace(NOW.basis, file=Source(path.name, path).identity()))
    found = Outcome(path.name, "net", truth, best[0], 0.25, best.index(truth) + 1, None, "1", best, basis)
    return dataclasses.replace(found, **changes)  # type: ignore[arg-type]


def write(path: Path, *outcomes: Outcome) -> Path:
    path.write_text("".join(f"{one.as_json()}\n" for one in outcomes))
    return path


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    found = [tmp_path / f"{name}.png" for name in "abcd"]
    for path in found:
        path.write_bytes(b"picture")
    return found


def test_outcomes_survive_a_torn_file(tmp_path: Path) -> None:
    path = tmp_path / "outcomes.jsonl"
    whole = kept(tmp_path / "caf\udce9.png")
    path.write_text(whole.as_json() + "\n" + '{"image": "torn')
    ((record, outcome),) = read_outcomes(path).items()
    assert outcome == whole
    assert record.span == (0, len(whole.as_json()) + 1)
    assert read_outcomes(tmp_path / "missing.jsonl") == {}


def test_another_file_is_refused_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "outcomes.jsonl"
    path.write_text('{"images": 3}\n')
    with pytest.raises(UsageError, match="not written by"):
        read_outcomes(path)
    write(path, kept(tmp_path / "a.png", basis=None))
    with pytest.raises(UsageError, match=r"written by an earlier release.*Move it away"):
        read_outcomes(path)


def test_the_truth_is_todays_and_what_left_the_data_set_does_not_count(tmp_path: Path, pictures: list[Path]) -> None:
    path = write(tmp_path / "outcomes.jsonl", *(kept(picture) for picture in pictures))
    settled = settle(path, read_outcomes(path), [example(pictures[0], 3), example(pictures[1], 0)], NOW)
    assert [(one.image, one.truth, one.rank) for one in settled.kept] == [("a.png", 3, 1), ("b.png", 0, 2)]
    assert (settled.again, settled.strange) == ({}, 2)


def test_a_picture_twice_in_the_data_set_needs_two_outcomes(tmp_path: Path, pictures: list[Path]) -> None:
    path = write(tmp_path / "outcomes.jsonl", kept(pictures[0]))
    settled = settle(path, read_outcomes(path), [example(pictures[0], 0)] * 2, NOW)
    assert (len(settled.kept), settled.strange) == (1, 0)


def test_what_no_longer_holds_is_done_again(tmp_path: Path, pictures: list[Path]) -> None:
    basis = Basis(NOW.basis.settings, "decaf", Source("c.png", pictures[2]).identity())
    outcomes = (
        kept(pictures[0]),
        kept(pictures[1], version="2"),
        kept(pictures[2], basis=str(basis)),
        kept(pictures[3]),
    )
    path = write(tmp_path / "outcomes.jsonl", *outcomes)
    pictures[3].write_bytes(b"another picture")
    chosen = [example(picture, 0) for picture in pictures]
    with pytest.raises(UsageError, match="--redo"):
        settle(path, read_outcomes(path), chosen, NOW)
    settled = settle(path, read_outcomes(path), chosen, dataclasses.replace(NOW, redo=True))
    assert [one.image for one in settled.kept] == ["a.png"]
    assert {record.image: why for record, why in settled.again.items()} == {
        "b.png": "by another version of the model than 1",
        "c.png": "by another contract or other labels",
        "d.png": "whose picture has changed",
    }


@pytest.mark.parametrize("options", [Options(decode="fast"), Options(orient=False)])
def test_outcomes_of_other_options_are_refused(tmp_path: Path, pictures: list[Path], options: Options) -> None:
    path = write(tmp_path / "outcomes.jsonl", kept(pictures[0]))
    now = dataclasses.replace(NOW, basis=Basis.of(options, "c0ffee", ""))
    with pytest.raises(UsageError, match="Give it another file"):
        settle(path, read_outcomes(path), [example(pictures[0], 0)], now)


def test_another_models_outcomes_are_its_own(tmp_path: Path, pictures: list[Path]) -> None:
    path = write(tmp_path / "outcomes.jsonl", kept(pictures[0], model="other"))
    settled = settle(path, read_outcomes(path), [example(pictures[0], 0)], NOW)
    assert (settled.kept, settled.again, settled.strange) == ([], {}, 0)
