"""The list of a run's images: a parquet file with a row group for each shard, written and read in parts."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tritonrepo.batch.inputs import Row
from tritonrepo.batch.places import Place
from tritonrepo.client.errors import MissingError

# File names need not be UTF-8.
_SCHEMA = pa.schema([("image", pa.binary()), ("identity", pa.string())])


@dataclass(frozen=True)
class Share:
    """The rows of one shard.

    Attributes:
        number: From 0.
        digest: Of the rows: names and identities.
        images: How many there are.
    """

    number: int
    digest: str
    images: int


def write_list(rows: Iterable[Row], size: int, file: Path) -> list[Share]:
    """Write the list, in the memory of one share.

    Args:
        rows: Names and identities.
        size: Rows of a share; the last has what is left.
        file: Where.
    """
    shares: list[Share] = []
    remaining = iter(rows)
    with pq.ParquetWriter(file, _SCHEMA, compression="zstd") as writer:
        while chosen := list(islice(remaining, size)):
            names = [os.fsencode(row.name) for row in chosen]
            identities = [row.identity for row in chosen]
            writer.write_table(pa.table([names, identities], _SCHEMA), row_group_size=len(chosen))
            shares.append(Share(len(shares), _digest(names, identities), len(chosen)))
    return shares


def _digest(names: Sequence[bytes], identities: Sequence[str]) -> str:
    found = hashlib.sha256()
    for name, identity in zip(names, identities, strict=True):
        found.update(b"%b\0%b\0" % (name, identity.encode()))
    return found.hexdigest()


def digest_of(shares: Sequence[Share]) -> str:
    """That of the whole list."""
    return hashlib.sha256("".join(share.digest for share in shares).encode()).hexdigest()[:16]


class WorkList:
    """A list that is read share by share, until its block ends.

    Args:
        place: Where it lies.
        name: Its file's.

    Raises:
        MissingError: It cannot be read, or is damaged.
    """

    def __init__(self, place: Place, name: str) -> None:
        self._stream = place.open(name)
        try:
            self._file = pq.ParquetFile(self._stream)
        except (pa.ArrowException, OSError) as exc:
            self._stream.close()
            raise MissingError(
                f"{place}: {name}, the list of images, is damaged; remove it, and give the same command again"
            ) from exc

    def __enter__(self) -> WorkList:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._stream.close()

    def names(self, number: int) -> list[str]:
        """The images' names of a share."""
        group = self._file.read_row_group(number, columns=["image"])
        return [os.fsdecode(name) for name in group.column("image").to_pylist()]
