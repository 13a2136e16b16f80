"""When an output directory is gone on with, when it is refused, and what is done again."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tritonrepo.batch.inputs import Row
from tritonrepo.batch.places import Directory
from tritonrepo.batch.plan import PLAN, Plan, State, settle
from tritonrepo.batch.service import Present
from tritonrepo.batch.shards import SCHEMA, as_parquet
from tritonrepo.batch.work import WorkList, write_list
from tritonrepo.client.decode import Prediction
from tritonrepo.client.errors import MissingError, UsageError
from tritonrepo.client.options import Options
from tritonrepo.client.results import Result

PRESENT = Present("net_onnx", "1", "c0ffee", None)
OPTIONS = Options()
ROWS = [Row(name, "1") for name in "abcdefgh"]


class Output:
    """An output directory, and runs over it in shards of three."""

    def __init__(self, folder: Path) -> None:
        self.place = Directory(folder / "out")
        self._list = folder / "list"

    def settle(
        self,
        rows: list[Row] = ROWS,
        present: Present = PRESENT,
        options: Options = OPTIONS,
        size: int = 3,
        redo: bool = False,
    ) -> State:
        shares = write_list(rows, size, self._list)
        with self.place.claim():
            return settle(self.place, Plan.of(present, options, shares, size), shares, self._list, redo)

    def write(self, state: State, count: int) -> None:
        """Finish so many shards; each first image is an error."""
        (listed,) = (path for path in self.place.path.glob("_images-*"))
        with WorkList(self.place, listed.name) as work:
            for shard in state.pending[:count]:
                first, *others = work.names(shard.number)
                good = [Result(name, "net_onnx", "1", (Prediction(3, "cat", 0.5, 1.0),)) for name in others]
                self.place.write(shard.name, as_parquet([Result(first, "net_onnx", error="torn"), *good]))

    def names(self) -> list[str]:
        return [path.name for path in self.place.path.glob("part-*")]


@pytest.fixture
def output(tmp_path: Path) -> Output:
    return Output(tmp_path)


def test_a_run_goes_on_where_it_was_killed(output: Output) -> None:
    begun = output.settle()
    assert ([shard.number for shard in begun.pending], begun.images) == ([0, 1, 2], 0)
    output.write(begun, 2)
    (output.place.path / f".{begun.pending[2].name}.0.partial").write_bytes(b"PAR1")
    later = output.settle()
    assert later == State(begun.pending[2:], 6, 2)
    assert not list(output.place.path.glob(".*.partial"))
    output.write(later, 1)
    assert output.settle() == State((), 8, 3)
    table = pq.read_table(output.place.path)  # which passes over what begins with _
    assert sorted(table.column("image").to_pylist()) == list("abcdefgh")
    assert table.schema.equals(SCHEMA)


def test_a_damaged_shard_is_done_again(output: Output) -> None:
    begun = output.settle()
    output.write(begun, 3)
    (output.place.path / begun.pending[0].name).write_bytes(b"PAR1")
    (output.place.path / begun.pending[1].name).write_bytes((output.place.path / begun.pending[2].name).read_bytes())
    assert output.settle() == State(begun.pending[:2], 2, 1)


def test_another_version_of_the_same_contract_goes_on(output: Output) -> None:
    output.write(output.settle(), 1)
    assert output.settle(present=replace(PRESENT, version="2")).images == 3


CHANGES = {
    "more images": ({"rows": [*ROWS, Row("i", "1")]}, "8 then, 9 now", 6),
    "a changed image": ({"rows": [*ROWS[:7], Row("h", "2")]}, "8 then, 8 now, or some have changed", 6),
    "an image before the others": ({"rows": [Row("0", "1"), *ROWS]}, "8 then, 9 now", 0),
    "another contract": ({"present": replace(PRESENT, version="2", contract="7ea")}, "--version 1 goes on", 0),
    "shards of another size": ({"size": 4}, "give --shard-size 3", 0),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_has_changed_is_refused_and_redone_on_demand(output: Output, change: str) -> None:
    changed, sentence, kept = CHANGES[change]
    output.write(output.settle(), 3)
    before = sorted(output.names())
    with pytest.raises(UsageError, match=sentence) as refusal:
        output.settle(**changed)  # type: ignore[arg-type]
    assert "--redo" in str(refusal.value)
    assert "another --output" in str(refusal.value)
    assert sorted(output.names()) == before
    state = output.settle(**changed, redo=True)  # type: ignore[arg-type]
    assert state.images == kept
    assert len(output.names()) == kept // 3
    output.write(state, 9)
    assert output.settle(**changed).pending == ()  # type: ignore[arg-type]
    assert len(list(output.place.path.glob("_images-*"))) == 1


@pytest.mark.parametrize("other", [{"present": replace(PRESENT, model="other")}, {"options": Options(top=3)}])
def test_another_model_or_other_options_belong_elsewhere(output: Output, other: dict[str, object]) -> None:
    output.write(output.settle(), 1)
    for redo in (False, True):
        with pytest.raises(UsageError, match="Give another --output, or the same model and options"):
            output.settle(**other, redo=redo)  # type: ignore[arg-type]
    assert len(output.names()) == 1


def test_a_directory_of_something_else_is_left_alone(output: Output) -> None:
    output.place.path.mkdir()
    (output.place.path / "thesis.parquet").touch()
    with pytest.raises(UsageError, match=r"holds thesis\.parquet, and is no output of this command"):
        output.settle(redo=True)
    assert [path.name for path in output.place.path.glob("[!.]*")] == ["thesis.parquet"]


def test_a_run_that_was_killed_before_its_record_was_written_goes_on(output: Output) -> None:
    begun = output.settle()
    (output.place.path / PLAN).unlink()
    assert output.settle() == begun
    output.write(begun, 3)


def test_a_damaged_list_is_named_and_made_anew_once_it_is_removed(output: Output) -> None:
    begun = output.settle()
    (listed,) = output.place.path.glob("_images-*")
    listed.write_bytes(listed.read_bytes()[:-20])
    with pytest.raises(MissingError, match=rf"{listed.name}, the list of images, is damaged; remove it"):
        output.write(begun, 1)
    listed.unlink()
    output.write(output.settle(), 3)
    assert output.settle().pending == ()


@pytest.mark.parametrize("kept", ["", "[]", '{"model": "x"}', "[" * 100_000], ids=["empty", "list", "other", "deep"])
def test_a_record_of_something_else_is_refused(output: Output, kept: str) -> None:
    output.settle()
    (output.place.path / PLAN).write_text(kept)
    with pytest.raises(UsageError, match=r"_batch\.json is not this command's"):
        output.settle()


def test_a_later_releases_output_is_refused(output: Output) -> None:
    output.settle()
    path = output.place.path / PLAN
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema": 2, "new": 1}))
    with pytest.raises(UsageError, match="written by a later release"):
        output.settle()


def test_one_run_at_a_time_and_a_killed_one_is_none(output: Output) -> None:
    output.settle()
    script = (
        "import sys\nfrom pathlib import Path\nfrom tritonrepo.batch.places import Directory\n"
        f"with Directory(Path({str(output.place.path)!r})).claim():\n    print('claimed', flush=True)\n"
        "    sys.stdin.read()"
    )
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "claimed\n"
        with pytest.raises(UsageError, match="another run writes to"):
            output.settle()
        other.kill()
        other.communicate()
    output.settle()


def test_names_that_are_no_utf8_are_kept_and_shown(output: Output) -> None:
    name = b"caf\xe9.jpg".decode("utf-8", "surrogateescape")
    state = output.settle([Row(name, "1")])
    (listed,) = output.place.path.glob("_images-*")
    with WorkList(output.place, listed.name) as work:
        assert work.names(0) == [name]
    output.write(state, 1)
    assert pq.read_table(output.place.path).column("image").to_pylist() == ["caf\\xe9.jpg"]
