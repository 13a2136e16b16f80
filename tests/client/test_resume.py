"""Result files: wherever they are cut, nothing is lost and nothing is there twice."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tritonrepo.client.basis import Basis
from tritonrepo.client.decode import Prediction
from tritonrepo.client.errors import UsageError
from tritonrepo.client.options import Options
from tritonrepo.client.records import RESUMED_COLUMNS, as_csv, as_json, csv_header
from tritonrepo.client.results import Result
from tritonrepo.client.resume import Present, drop, format_of, open_to_go_on, outdated, read_done, said, skip_done
from tritonrepo.client.sources import Source

NAMES = (
    "plain.png",
    "with, comma.png",
    'quo"te.png',
    "new\nline.png",
    "ret\rurn.png",
    "caf\udce9.png",
    "=1+2.png",
    "'=1.png",
    "'plain'.png",
    "again.png",
    "again.png",
)
PREDICTIONS = (Prediction(285, "Egyptian cat", 0.6, 4.0), Prediction(281, "tabby, tabby cat", 0.4, 3.5))
NOW = Present("net", "1", Basis.of(Options(), "c0ffee", ""))


def result(name: str, number: int = 0, **changes: Any) -> Result:
    """One that holds now, of a file that is not there: an error if its number is 2."""
    basis = dataclasses.replace(NOW.basis, file="12-34")
    if number == 2:
        found = Result(name, "net", error="torn,\nvery", basis=dataclasses.replace(basis, contract=""))
    else:
        found = Result(name, "net", "1", PREDICTIONS, basis=basis)
    return dataclasses.replace(found, **changes)


RESULTS = [result(name, number) for number, name in enumerate(NAMES)]


def write(path: Path, results: list[Result]) -> bytes:
    header = [] if path.suffix == ".jsonl" else [csv_header(RESUMED_COLUMNS)]
    lines = header + [as_csv(r) if header else as_json(r) for r in results]
    data = "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")
    path.write_bytes(data)
    return data


@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
def test_a_file_cut_at_any_byte_is_completed_to_the_same_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"results.{suffix}"
    whole = write(path, RESULTS)
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        done = read_done(path)
        left = [source.name for source in skip_done((Source(name, Path(name)) for name in NAMES), done.images)]
        remaining = RESULTS[len(RESULTS) - len(left) :]
        assert [result.image for result in remaining] == left
        with open_to_go_on(path, done.size) as file:
            header = [csv_header(RESUMED_COLUMNS)] if suffix == "csv" and not done.size else []
            lines = header + [as_json(r) if suffix == "jsonl" else as_csv(r) for r in remaining]
            file.write("".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape"))
        assert path.read_bytes() == whole, f"cut at {cut}"


def test_errors_in_the_file_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    write(path, RESULTS)
    done = read_done(path)
    assert done.images == Counter(NAMES)
    assert done.failed == 1


@pytest.mark.parametrize(("name", "content"), [("a.jsonl", "[1]\n"), ("a.jsonl", "words\n"), ("a.csv", "a,b\n1,2\n")])
def test_another_programs_file_is_not_touched(tmp_path: Path, name: str, content: str) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(UsageError, match="not a result file"):
        read_done(path)
    assert path.read_text() == content


def test_the_name_says_the_format(tmp_path: Path) -> None:
    assert (format_of(tmp_path / "a.JSONL"), format_of(tmp_path / "a.csv")) == ("json", "csv")
    with pytest.raises(UsageError, match="ends in"):
        format_of(tmp_path / "a.txt")


@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"version": "2"}, "by another version of the model than 1"),
        ({"basis": Basis(NOW.basis.settings, "decaf", "12-34")}, "by another contract or other labels"),
        ({"error": "NaN", "predictions": (), "version": "2"}, "by another version of the model than 1"),
    ],
)
def test_what_another_version_said_is_done_again(
    tmp_path: Path, suffix: str, changes: dict[str, Any], why: str
) -> None:
    path = tmp_path / f"results.{suffix}"
    results = [result("a.png"), result("b.png", **changes), result("c.png"), result("last.png")]
    write(path, results)
    done = read_done(path)
    again = outdated(path, done, NOW)
    assert {record.image: reason for record, reason in again.items()} == {"b.png": why}
    assert said(path, 4, again.values()) == f"{path}: 1 of its 4 results are done again: 1 {why}"
    drop(path, done.size, again)
    kept = read_done(path)
    assert kept.images == Counter(["a.png", "c.png", "last.png"] if suffix == "jsonl" else ["a.png"])
    if suffix == "csv":  # the last image's rows may not all have been there, so it was cut off
        assert done.size < len(write(tmp_path / "whole.csv", results))


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
@pytest.mark.parametrize(
    "now",
    [
        dataclasses.replace(NOW, model="other"),
        *(
            dataclasses.replace(NOW, basis=Basis.of(options, "c0ffee", ""))
            for options in (Options(decode="fast"), Options(orient=False), Options(top=3), Options(server_top=True))
        ),
    ],
)
def test_another_models_file_or_other_options_are_refused(tmp_path: Path, suffix: str, now: Present) -> None:
    path = tmp_path / f"results.{suffix}"
    data = write(path, [result("a.png"), result("b.png")])
    with pytest.raises(UsageError, match=r"holds results of net .*this run would add those of .*Give it another file"):
        outdated(path, read_done(path), now)
    assert path.read_bytes() == data


@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
def test_an_earlier_releases_file_is_refused_with_the_remedy(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"results.{suffix}"
    old = result("a.png", basis=None)
    path.write_text(f"{as_json(old)}\n" if suffix == "jsonl" else f"{csv_header()}\n{as_csv(old)}\n")
    with pytest.raises(UsageError, match=r"written by an earlier release.*Move it away"):
        read_done(path)
