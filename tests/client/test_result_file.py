"""Result files: wherever they are cut, nothing is lost and nothing is there twice."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from tests.client.kept import NAMES, RESULTS, result, write
from tritonrepo.client.errors import UsageError
from tritonrepo.client.records import RESUMED_COLUMNS, as_csv, as_json, csv_header
from tritonrepo.client.result_file import format_of, open_to_go_on, read_done
from tritonrepo.client.resume import skip_done
from tritonrepo.client.sources import Source


@pytest.mark.slow
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


@pytest.mark.parametrize(
    ("name", "content"),
    [
        *(("a.jsonl", "[1]\n"), ("a.jsonl", "words\n"), ("a.csv", "a,b\n1,2\n")),
        pytest.param("a.jsonl", "[" * 100_000 + "\n", id="deep"),
        pytest.param("a.csv", 'a,"' + "x" * 200_000 + '"\n', id="long cell"),
    ],
)
def test_another_programs_file_is_not_touched(tmp_path: Path, name: str, content: str) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(UsageError, match="not a result file"):
        read_done(path)
    assert path.read_text() == content


@pytest.mark.parametrize("error", [None, "empty file"])
def test_a_file_of_evaluate_holds_no_predictions(tmp_path: Path, error: str | None) -> None:
    """Its pictures counted as done, and nobody ever classified them."""
    path = tmp_path / "outcomes.jsonl"
    line = {
        "image": "a.png",
        "model": "net",
        "truth": 0,
        "error": error,
        "version": "1",
        "basis": "settings= contract= file=",
    }
    path.write_text(json.dumps({key: value for key, value in line.items() if value is not None}) + "\n")
    with pytest.raises(UsageError, match="`evaluate --resume` wrote it"):
        read_done(path)


def test_the_name_says_the_format(tmp_path: Path) -> None:
    assert (format_of(tmp_path / "a.JSONL"), format_of(tmp_path / "a.csv")) == ("json", "csv")
    with pytest.raises(UsageError, match="ends in"):
        format_of(tmp_path / "a.txt")


@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
def test_an_earlier_releases_file_is_refused_with_the_remedy(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"results.{suffix}"
    old = result("a.png", basis=None)
    path.write_text(f"{as_json(old)}\n" if suffix == "jsonl" else f"{csv_header()}\n{as_csv(old)}\n")
    with pytest.raises(UsageError, match=r"written by an earlier release.*Move it away"):
        read_done(path)
