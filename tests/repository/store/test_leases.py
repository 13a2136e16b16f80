"""Leases in an object store: kept by beats, lost by silence."""

from __future__ import annotations

import os
from datetime import timedelta

import pytest

from tests.conftest import wait_until
from tests.objectstore import put
from tritonrepo.repository.store.address import Address
from tritonrepo.repository.store.bucket import Bucket
from tritonrepo.repository.store.leases import STALE, Holder, lease_name, leased
from tritonrepo.repository.store.processes import process_of
from tritonrepo.repository.store.seam import BusyError

pytestmark = pytest.mark.live
ELSEWHERE = Holder("another:1 17 4711", "theirs", "ci-7", "2026-11-26 12:00:00 UTC")
SOON = timedelta(milliseconds=500)
LATER = timedelta(seconds=2)
"""A store tells the time of a writing to the second: what was written just now may look a second old."""


@pytest.fixture
def ours(bucket: Address) -> Bucket:
    return Bucket(bucket, 10)


def read(bucket: Bucket) -> Holder | None:
    found = bucket.get(lease_name("net"))
    return Holder.from_bytes(found.content) if found else None


def write(bucket: Bucket, content: bytes) -> None:
    """As another machine does it."""
    put(f"{bucket.address.endpoint}/{bucket.address.bucket}/{bucket.address.prefix}/{lease_name('net')}", content)


def take(bucket: Bucket, stale: timedelta = STALE) -> None:
    with leased(bucket, "net", stale=stale):
        pass


def takes(bucket: Bucket, stale: timedelta) -> bool:
    try:
        take(bucket, stale)
    except BusyError:
        return False
    return True


def test_one_that_beats_is_kept_for_longer_than_it_takes_to_go_stale(ours: Bucket) -> None:
    beat = SOON / 5
    with leased(ours, "net", beat=beat):
        wait_until(lambda: (read(ours) or ELSEWHERE).beat * beat > 1.2 * LATER)
        with pytest.raises(BusyError, match=f"by process {os.getpid()} of .* since 20"):
            take(ours, LATER)
    assert read(ours) is None


@pytest.mark.parametrize("content", [ELSEWHERE.to_bytes(), b"something else"])
def test_one_that_nobody_writes_goes_to_the_next(ours: Bucket, content: bytes) -> None:
    write(ours, content)
    with pytest.raises(BusyError, match=r"and nothing was changed; .*or 5 minutes after it was killed"):
        take(ours)
    wait_until(lambda: takes(ours, SOON))
    assert ours.get(lease_name("net")) is None


def test_that_of_a_process_that_has_ended_goes_at_once(ours: Bucket) -> None:
    machine = process_of(os.getpid()).split()[0]
    write(ours, Holder(f"{machine} 999999999 1", "theirs", "here", "now").to_bytes())
    take(ours)
    assert ours.get(lease_name("net")) is None


def test_who_has_lost_it_leaves_it_to_the_next(ours: Bucket) -> None:
    with leased(ours, "net", beat=SOON / 5):
        ours.delete([lease_name("net")])
        write(ours, ELSEWHERE.to_bytes())
    assert read(ours) == ELSEWHERE
