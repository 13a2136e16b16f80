"""A shard of the output: its name, which its rows decide, and its parquet file."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from tritonrepo.batch.places import Place
from tritonrepo.batch.work import Share
from tritonrepo.client.results import Result
from tritonrepo.client.text import legible

NAME = re.compile(r"part-\d{6,}-[0-9a-f]{16}\.parquet")
SCHEMA = pa.schema(
    [
        ("image", pa.string()),
        ("error", pa.string()),
        ("index", pa.list_(pa.int32())),
        ("label", pa.list_(pa.string())),
        ("probability", pa.list_(pa.float64())),
        ("model", pa.string()),
        ("version", pa.string()),
    ]
)
_FAILED = b"tritonrepo.failed"


def name_of(share: Share, basis: str) -> str:
    """The file's name.

    Args:
        share: The rows.
        basis: All else that the results depend on: the model, its contract, the options.
    """
    digest = hashlib.sha256(f"{share.digest} {basis}".encode()).hexdigest()[:16]
    return f"part-{share.number:06}-{digest}.parquet"


def as_parquet(results: Sequence[Result]) -> bytes:
    """The file of these results. An error has no predictions, and null lists."""
    columns = [
        [legible(result.image) for result in results],
        [None if result.error is None else legible(result.error) for result in results],
        *(
            [
                None if result.error is not None else [getattr(p, field) for p in result.predictions]
                for result in results
            ]
            for field in ("index", "label", "probability")
        ),
        [result.model for result in results],
        [result.version for result in results],
    ]
    failed = sum(result.error is not None for result in results)
    schema = SCHEMA.with_metadata({_FAILED: str(failed)})
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns, schema), sink, compression="zstd")
    return bytes(sink.getvalue())


def failed_in(place: Place, name: str, images: int) -> int | None:
    """How many images of a shard could not be classified; None where the file is not as it was written.

    Raises:
        MissingError: The place cannot be read.
    """
    with place.open(name) as file:
        try:
            metadata = pq.read_metadata(file)
            kept = (metadata.metadata or {}).get(_FAILED)
        except (pa.ArrowException, OSError):  # of some damage it says the latter
            return None
    return int(kept) if kept is not None and metadata.num_rows == images else None
