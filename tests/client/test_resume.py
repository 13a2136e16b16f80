"""What of a result file still holds: another model, version, contract, option or picture is seen."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.client.kept import NOW, result, write
from tritonrepo.client.basis import Basis
from tritonrepo.client.errors import UsageError
from tritonrepo.client.options import Options
from tritonrepo.client.result_file import drop, read_done
from tritonrepo.client.resume import Present, outdated, said
from tritonrepo.client.sources import Source

OTHER_CONTRACT: dict[str, Any] = {"version": "2", "basis": Basis(NOW.basis.settings, "decaf", "12-34")}


@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
@pytest.mark.parametrize(
    ("changes", "why"),
    [
        (OTHER_CONTRACT, "by another contract or other labels"),
        ({"error": "NaN", "predictions": (), "version": "2"}, "that another version than 1 could not classify"),
    ],
)
def test_what_is_asked_for_again_leaves_the_file(
    tmp_path: Path, suffix: str, changes: dict[str, Any], why: str
) -> None:
    path = tmp_path / f"results.{suffix}"
    results = [result("a.png"), result("b.png", **changes), result("c.png"), result("last.png")]
    write(path, results)
    done = read_done(path)
    again = outdated(path, done, dataclasses.replace(NOW, redo=True))
    assert {record.image: reason for record, reason in again.items()} == {"b.png": why}
    assert said(path, 4, again.values()) == f"{path}: 1 of its 4 results are done again: 1 {why}"
    drop(path, done.size, again)
    kept = read_done(path)
    assert kept.images == Counter(["a.png", "c.png", "last.png"] if suffix == "jsonl" else ["a.png"])
    if suffix == "csv":  # the last image's rows may not all have been there, so it was cut off
        assert done.size < len(write(tmp_path / "whole.csv", results))


@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
@pytest.mark.parametrize("version", ["1", "2"])
def test_another_contracts_results_are_refused_with_each_remedy_that_there_is(
    tmp_path: Path, suffix: str, version: str
) -> None:
    path = tmp_path / f"results.{suffix}"
    data = write(path, [result("a.png"), result("b.png", **(OTHER_CONTRACT | {"version": version})), result("c.png")])
    with pytest.raises(UsageError, match=f"results of version {version} of net by another .*--redo") as refusal:
        outdated(path, read_done(path), NOW)
    assert ("--version 2" in str(refusal.value)) == (version == "2")
    assert path.read_bytes() == data


@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
def test_what_another_version_said_by_the_same_contract_stands(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"results.{suffix}"
    write(path, [result("a.png"), result("b.png", version="2"), result("c.png")])
    assert outdated(path, read_done(path), NOW) == {}


@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
def test_a_picture_that_changed_is_done_again_and_one_that_was_deleted_is_not(tmp_path: Path, suffix: str) -> None:
    path, pictures = tmp_path / f"results.{suffix}", [tmp_path / f"{name}.png" for name in "abc"]
    for picture in pictures:
        picture.write_bytes(b"one")
    kept = [Source(str(p), p).identity() for p in pictures]
    results = [
        result(str(p), basis=dataclasses.replace(NOW.basis, file=identity))
        for p, identity in zip(pictures, kept, strict=True)
    ]
    write(path, [*results, result("https://example.org/x.png", basis=NOW.basis), result("last.png")])
    assert outdated(path, read_done(path), NOW) == {}
    pictures[0].write_bytes(b"other")
    pictures[1].unlink()
    assert {r.image: why for r, why in outdated(path, read_done(path), NOW).items()} == {
        str(pictures[0]): "whose picture has changed"
    }


@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
def test_an_address_that_gave_no_picture_is_asked_again(tmp_path: Path, suffix: str) -> None:
    """The network may have been down; a file that is damaged stays so until it changes."""
    path = tmp_path / f"results.{suffix}"
    far, bad = "https://example.org/x.png", result("bad.png", 2)
    failed = result(far, error="not fetched: refused", version="", predictions=(), basis=NOW.basis)
    write(path, [bad, failed, result("https://example.org/y.png", basis=NOW.basis), result("last.png")])
    again = {record.image: why for record, why in outdated(path, read_done(path), NOW).items()}
    assert again == {far: "that gave no picture when their addresses were asked"}


@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
@pytest.mark.parametrize(
    "now",
    [
        dataclasses.replace(NOW, model="other"),
        *(
            dataclasses.replace(NOW, basis=Basis.of(options, "c0ffee", ""))
            for options in (
                Options(decode="fast"),
                Options(orient=False),
                Options(top=3),
                Options(server_top=True),
                Options(threshold=0.5),
            )
        ),
    ],
)
def test_another_models_file_or_other_options_are_refused(tmp_path: Path, suffix: str, now: Present) -> None:
    path = tmp_path / f"results.{suffix}"
    data = write(path, [result("a.png"), result("b.png")])
    with pytest.raises(UsageError, match=r"holds results of net .*this run would add those of .*Give it another file"):
        outdated(path, read_done(path), now)
    assert path.read_bytes() == data
