"""Leases in an object store: one release of a model at a time.

`.MODEL.lease` at the root of the repository, which servers pass over, says who has it. The holder writes it anew every
half a minute. One that nobody has written for five minutes was left by a process that was killed, or that its machine
took along, and goes to whoever comes next. Of a process of this machine it is known at once.
"""

import json
import os
import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta, timezone

from tritonrepo.repository.errors import StoreError
from tritonrepo.repository.store.bucket import Bucket
from tritonrepo.repository.store.processes import has_ended, process_of
from tritonrepo.repository.store.seam import BusyError

BEAT = timedelta(seconds=30)
STALE = timedelta(minutes=5)
"""Ten beats: clocks of two machines may differ by minutes, and a store be away for as long."""
END_SECONDS = 5.0
"""For which a holder that is done waits for its last beat."""


@dataclass(frozen=True)
class Holder:
    """What a lease says.

    Attributes:
        process: As `process_of` names it.
        lease: Of this time, and no other.
        host: The machine's name, for people.
        since: When it was taken, for people.
        beat: How often it was written, so that each time has a tag of its own.
    """

    process: str
    lease: str
    host: str
    since: str
    beat: int = 0

    def to_bytes(self) -> bytes:
        """The object."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> "Holder | None":
        """The holder; None if the object is something else."""
        try:
            found = cls(**json.loads(content))
            return found if len(found.process.split()) == 3 else None
        except (ValueError, TypeError, AttributeError):
            return None


def lease_name(model: str) -> str:
    """The name of the object."""
    return f".{model}.lease"


@contextmanager
def leased(bucket: Bucket, model: str, beat: timedelta = BEAT, stale: timedelta = STALE) -> Iterator[None]:
    """Have the lease of a model while the block lasts.

    Args:
        bucket: Where the repository is.
        model: The model's name.
        beat: Between two writings.
        stale: After which nobody has one that was not written.

    Raises:
        BusyError: Somebody else has it.
        StoreError: The store fails.
    """
    holder = _this_process()
    tag = _take(bucket, model, holder, stale)
    ended = threading.Event()
    beats = threading.Thread(target=_keep, args=(bucket, model, holder, tag, beat, ended), daemon=True)
    beats.start()
    try:
        yield
    finally:
        ended.set()
        beats.join(END_SECONDS)
        with suppress(StoreError):  # then it goes stale
            _give_up(bucket, model, holder)


def _this_process() -> Holder:
    now = f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M:%S} UTC"
    return Holder(process_of(os.getpid()), str(uuid.uuid4()), socket.gethostname(), now)


def _take(bucket: Bucket, model: str, holder: Holder, stale: timedelta) -> str:
    """Take the lease; its tag."""
    name = lease_name(model)
    if (tag := bucket.put(name, holder.to_bytes(), None)) is not None:
        return tag
    found = bucket.get(name)
    written = bucket.look().objects.get(name)  # after it, so that no new holder is taken for an old one
    if found is None:  # given up meanwhile
        tag = bucket.put(name, holder.to_bytes(), None)
    elif _is_abandoned(Holder.from_bytes(found.content), written[1] if written else None, stale):
        tag = bucket.put(name, holder.to_bytes(), found.tag)
    if tag is None:
        raise _busy(bucket, model, Holder.from_bytes(found.content) if found else None, stale)
    return tag


def _is_abandoned(holder: Holder | None, written: datetime | None, stale: timedelta) -> bool:
    if holder is not None and has_ended(holder.process):
        return True
    return written is not None and datetime.now(timezone.utc) - written > stale


def _busy(bucket: Bucket, model: str, holder: Holder | None, stale: timedelta) -> BusyError:
    who = f", by process {holder.process.split()[1]} of {holder.host} since {holder.since}" if holder else ""
    remedy = f", or {stale.total_seconds() / 60:g} minutes after it was killed"
    return BusyError(f"{bucket.address}/{model}", who, remedy)


def _keep(bucket: Bucket, model: str, holder: Holder, tag: str, beat: timedelta, ended: threading.Event) -> None:
    """Write the lease anew, beat by beat, until it is given up or somebody else has taken it."""
    current: str | None = tag
    while current is not None and not ended.wait(beat.total_seconds()):
        holder = replace(holder, beat=holder.beat + 1)
        with suppress(StoreError):  # the next beat may come through
            written = bucket.put(lease_name(model), holder.to_bytes(), current)
            current = written or _find_own(bucket, model, holder)  # a beat may be written, and its answer be lost


def _find_own(bucket: Bucket, model: str, holder: Holder) -> str | None:
    """The tag of the lease; None if it is somebody else's by now."""
    found = bucket.get(lease_name(model))
    there = Holder.from_bytes(found.content) if found else None
    return found.tag if found and there and there.lease == holder.lease else None


def _give_up(bucket: Bucket, model: str, holder: Holder) -> None:
    if _find_own(bucket, model, holder):
        bucket.delete([lease_name(model)])
