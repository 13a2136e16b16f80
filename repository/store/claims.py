"""Claims on version numbers in an object store: objects at its root, which servers pass over.

`.MODEL.NUMBER.claim` says that somebody is uploading this version, and who. Whoever was killed leaves it there; it is
cleared, with what was uploaded, by the next publisher on the same machine, or on another one after a day.
"""

import os
import re
import uuid
from datetime import datetime, timedelta, timezone

from tritonrepo.repository.errors import StoreError
from tritonrepo.repository.store.bucket import NEVER, Bucket
from tritonrepo.repository.store.processes import has_ended, process_of

STALE = timedelta(days=1)
_NAME = re.compile(r"\.(?P<model>.+)\.(?P<version>[1-9]\d*)\.claim", re.ASCII)


def claim_name(model: str, version: int) -> str:
    """The name of the object."""
    return f".{model}.{version}.claim"


def read_claims(bucket: Bucket, model: str) -> dict[int, datetime]:
    """The versions of a model that are claimed, and since when. Raises `StoreError`."""
    found = ((_NAME.fullmatch(name), made) for name, (_, made) in bucket.look().objects.items())
    return {int(one["version"]): made for one, made in found if one and one["model"] == model}


def claim(bucket: Bucket, model: str, version: int) -> bool:
    """Claim a version; False if somebody else has.

    Raises:
        StoreError: The store fails, or would let two publishers overwrite each other.
    """
    name = claim_name(model, version)
    if bucket.put(name, f"{process_of(os.getpid())} {uuid.uuid4()}\n".encode(), None) is None:
        return False
    # A store that does not know conditions would take these two as well.
    if not all(bucket.put(name, b"", expected) is None for expected in (None, NEVER)):
        bucket.delete([name])
        raise StoreError(
            f"{bucket.address}: the store ignores If-Match and If-None-Match, so that of two publishers one would "
            "overwrite the other; use one that knows conditional writes"
        )
    return True


def find_dead(bucket: Bucket, model: str) -> list[int]:
    """The claimed versions of a model whose publishers are no more. Raises `StoreError`."""
    oldest = datetime.now(timezone.utc) - STALE
    claims = read_claims(bucket, model).items()
    return [version for version, made in claims if made < oldest or _is_dead(bucket, model, version)]


def _is_dead(bucket: Bucket, model: str, version: int) -> bool:
    """Whether a claim is of a process of this machine that has ended."""
    found = bucket.get(claim_name(model, version))
    words = found.content.decode(errors="replace").split() if found else []
    return len(words) == 4 and has_ended(" ".join(words[:3]))
