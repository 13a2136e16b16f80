"""The winner in the repository: a new version of the same artifact, which says how it was found."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from tests.compare.tuning.outcomes import NOW, TUNED
from tests.compare.tuning.subjects import CONFIG
from tests.repository.releases import contents, release
from tritonrepo.client.errors import MissingError
from tritonrepo.compare.tuning.knobs import Knobs, read_knobs
from tritonrepo.compare.tuning.scratch import open_scratch
from tritonrepo.compare.tuning.space import Arm
from tritonrepo.compare.tuning.subjects import Subject, find_subjects
from tritonrepo.compare.tuning.tune import TuningTask, conclude, tune
from tritonrepo.compare.tuning.verdict import Verdict
from tritonrepo.compare.tuning.writing import write
from tritonrepo.repository.errors import PublishError
from tritonrepo.repository.layout import read_config, version_numbers
from tritonrepo.repository.manifest import Manifest, read_manifest
from tritonrepo.repository.tuning import Speed, Tuning

FOUND = Tuning(
    created=datetime(2026, 11, 26, tzinfo=timezone.utc),
    from_version=1,
    machine="EPYC",
    threads=2,
    concurrency=4,
    p95_limit_ms=None,
    budget_seconds=600.0,
    candidates=17,
    before=Speed(10.0, 9.5, 10.5, 400.0),
    after=Speed(20.0, 19.5, 20.5, 210.0),
)
BEST = Arm("net_onnx", Knobs(2, 1, 1000, (4,)))


def inodes_of(root: Path) -> list[tuple[int, ...]]:
    found = (path.stat() for path in sorted(root.rglob("*")))
    return [(one.st_ino, one.st_nlink, one.st_mtime_ns, one.st_ctime_ns) for one in found]


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    release(tmp_path / "models", b"one", CONFIG)
    ((found,), left_out) = find_subjects(tmp_path / "models", "net")
    assert left_out == {}
    return found


def test_the_winner_is_a_version_with_the_measurement(subject: Subject) -> None:
    assert write(subject, BEST, FOUND) == 2
    assert read_knobs(read_config(subject.directory)) == BEST.knobs
    assert version_numbers(subject.directory) == [1, 2]
    manifest = read_manifest(subject.directory / "2")
    assert manifest == replace(subject.manifest, tuning=FOUND)
    assert Manifest.from_json(manifest.to_json()) == manifest
    assert (subject.directory / "2" / "model.onnx").read_bytes() == b"one"


@pytest.mark.parametrize("words", [{"dry_run": True}, {"verdict": Verdict(False, "no better")}, {"challenger": NOW}])
def test_nothing_is_written_where_nothing_is_to_be(subject: Subject, words: dict[str, Any]) -> None:
    task = TuningTask("net_onnx", subject.directory.parent, 60.0, dry_run=words.pop("dry_run", False))
    before = contents(task.repository)
    assert conclude(task, subject, replace(TUNED, **words)) is None
    assert contents(task.repository) == before


def test_what_is_better_is_written_as_it_was_measured(subject: Subject) -> None:
    assert conclude(TuningTask("net_onnx", subject.directory.parent, 60.0), subject, TUNED) == 2
    tuning = read_manifest(subject.directory / "2").tuning
    assert tuning is not None
    assert (tuning.budget_seconds, tuning.candidates, tuning.from_version, tuning.threads >= 1) == (60.0, 4, 1, True)
    assert (tuning.before.images_per_second, tuning.after.p95_ms) == pytest.approx((10.0, 100.0))


def test_the_winner_can_be_tuned_again(subject: Subject) -> None:
    write(subject, BEST, FOUND)
    ((again,), _) = find_subjects(subject.directory.parent, "net_onnx")
    assert (again.version, again.knobs) == (2, BEST.knobs)
    assert write(again, Arm("net_onnx", Knobs()), FOUND) == 3
    assert read_knobs(read_config(subject.directory)) == Knobs()


def test_what_was_changed_meanwhile_stays(subject: Subject) -> None:
    release(subject.directory.parent, b"two", CONFIG.replace("max_batch_size: 8", "max_batch_size: 4"))
    before = contents(subject.directory.parent)
    with pytest.raises(PublishError, match="was changed while its configurations were measured"):
        write(subject, BEST, FOUND)
    assert contents(subject.directory.parent) == before


def test_candidates_are_links_beside_the_repository(subject: Subject) -> None:
    root = subject.directory.parent
    before, inodes = contents(root), inodes_of(root)
    with open_scratch(root) as scratch:
        name = scratch.add(subject, BEST)
        directory = scratch.root / name
        assert scratch.root.parent == root.parent
        assert (directory / "1" / "model.onnx").samefile(subject.directory / "1" / "model.onnx")
        assert inodes_of(root) == inodes, "a polling server would load it again"
        config = read_config(directory)
        assert (config.name, read_knobs(config)) == (name, BEST.knobs)
        assert list(config.version_policy.specific.versions) == [1]
        scratch.remove(name)
        assert list(scratch.root.iterdir()) == []
        assert inodes_of(root) == inodes
    assert contents(root) == before
    assert not scratch.root.exists()


def test_what_a_killed_search_left_is_cleared_and_what_runs_is_not(tmp_path: Path) -> None:
    left = tmp_path / ".models.tuning-left"
    (left / "net_onnx-1").mkdir(parents=True)
    with open_scratch(tmp_path / "models") as first, open_scratch(tmp_path / "models") as second:
        assert sorted(tmp_path.iterdir()) == sorted([first.root, second.root])
    assert list(tmp_path.iterdir()) == []


def test_formats_of_other_weights_are_left_out(subject: Subject, tmp_path: Path) -> None:
    release(tmp_path / "other", b"two", CONFIG)
    other = tmp_path / "other" / "net_onnx"
    other.rename(subject.directory.with_name("net_torchscript"))
    moved = subject.directory.with_name("net_torchscript")
    for path in moved.rglob("manifest.json"):
        path.write_text(path.read_text().replace("1" * 64, "2" * 64))
    found, left_out = find_subjects(subject.directory.parent, "net")
    assert [one.name for one in found] == ["net_onnx"]
    assert left_out == {"net_torchscript": "it was exported from other weights than net_onnx"}


def test_what_cannot_be_written_is_said_before_the_search(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    """And no server is started for it. Who runs this may be root, for whom all can be written."""
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(MissingError, match="net_onnx cannot be written; mend its permissions, or say --dry-run"):
        tune(TuningTask("net_onnx", subject.directory.parent, 60.0), lambda root: pytest.fail("no server"))
