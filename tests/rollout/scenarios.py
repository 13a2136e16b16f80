"""What may become of a release: it succeeds, or fails in each of the ways that there are. Each says what went wrong."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import suppress

from tests.rollout import artifacts
from tests.rollout.world import Seen, World

Scenario = Callable[[World], list[str]]
_FACTORS = itertools.count(2)
"""No two versions have the same weights."""


def right(world: World) -> list[str]:
    """A sound version is released on all."""
    number = world.stage(artifacts.right_one(float(next(_FACTORS))))
    seen = world.release()
    found = world.problems(seen)
    if seen.released != number or world.current != number:
        found.append(f"version {number} is not released: {seen.reason}")
    return found + _loaded(world, number)


def overlap(world: World) -> list[str]:
    """A sound one, and no server refuses a request for the version before: it goes when nobody asks for it any more."""
    before, number = world.current, world.stage(artifacts.right_one(float(next(_FACTORS))))
    seen = world.release(overlap=True)
    found = world.problems(seen) + [f"refused: {text}" for text in seen.refused(before)]
    if seen.released != number or world.current != number:
        found.append(f"version {number} is not released: {seen.reason}")
    if not any(f"version {before} is given up" in sentence for sentence in seen.told):
        found.append(f"version {before} was not kept: {seen.told}")
    return found + _loaded(world, number)


def wrong(world: World) -> list[str]:
    """A good file with other weights, to all at once."""
    return _undone(world, artifacts.wrong_one(float(next(_FACTORS))), "answers wrongly: class")


def canary(world: World) -> list[str]:
    """The same, to one server first: the others never load it."""
    before, number = world.current, world.stage(artifacts.wrong_one(float(next(_FACTORS))))
    seen = world.release(canary=1)
    found = world.problems(seen) + _failed(world, seen, before, "answers wrongly: class")
    if any(f"version {number}" in sentence for sentence in seen.told):
        found.append(f"more than the canary got version {number}: {seen.told}")
    return found


def unloadable(world: World) -> list[str]:
    """A version whose artifact no server can load."""
    return _undone(world, artifacts.broken_one(float(next(_FACTORS))), "load")


def dies(world: World) -> list[str]:
    """The last server is gone when the canary has answered; it comes back later."""
    last, killed = len(world.servers) - 1, list[str]()

    def kill(sentence: str) -> None:
        if "answers rightly" in sentence and not killed:
            killed.append(sentence)
            world.kill(last)

    before = world.current
    world.stage(artifacts.right_one(float(next(_FACTORS))))
    try:
        seen = world.release(canary=1, disturb=kill)
        found = world.problems(seen) + _failed(world, seen, before, world.mixed[last], [last])
    finally:
        world.revive(last)
    return found + _loaded(world, before)


def _undone(world: World, version: artifacts.Version, reason: str) -> list[str]:
    before = world.current
    world.stage(version)
    seen = world.release()
    return world.problems(seen) + _failed(world, seen, before, reason)


def _failed(world: World, seen: Seen, before: int, reason: str, dead: list[int] | None = None) -> list[str]:
    """What is wrong with a release that had to be undone."""
    found = []
    if seen.released or reason not in seen.reason:
        found.append(f"released: {seen.released}, because of {seen.reason!r}, and {reason!r} was expected")
    if world.current != before:
        found.append(f"the record names version {world.current}, not {before}")
    return found + _loaded(world, before, dead or [])


def _loaded(world: World, version: int, without: list[int] | None = None) -> list[str]:
    """Servers that have something else than this version."""
    with suppress(AssertionError):
        world.await_loaded(version, without or [])
    loaded = world.loaded(without or [])
    return [f"server {number} has {versions}" for number, versions in loaded.items() if versions != [str(version)]]


SCENARIOS: dict[str, Scenario] = {
    "right": right,
    "overlap": overlap,
    "wrong": wrong,
    "canary": canary,
    "unloadable": unloadable,
    "dies": dies,
}
