"""The state machine of the models' health, fed with answers and faults."""

from tritonrepo.serve.health import CALM, LOST, UNKNOWN, Health


def make_health() -> Health:
    """Models a (versions 1 and 2) and b, looked at every 5 s; an answer holds for 20 s."""
    health = Health(interval=5, lately=20)
    health.expect({"a": ["1", "2"], "b": ["1"]}, ["a", "b"], now=0)
    return health


def test_every_model_is_asked_at_once_and_then_at_the_interval() -> None:
    health = make_health()
    assert health.take_due(0) == ["a", "b"]
    assert health.take_due(100) == []  # Somebody is at both.
    assert not health.answered("a", 1)
    assert health.take_due(5.9) == []
    assert health.take_due(6) == ["a"]


def test_a_model_is_missing_until_it_answers_and_when_it_has_not_for_long() -> None:
    health = make_health()
    assert health.missing(0) == {"a": UNKNOWN, "b": UNKNOWN}
    health.answered("a", 1)
    health.answered("b", 9)
    assert health.missing(20) == {}
    assert health.missing(25) == {"a": "has not answered for 24 s"}


def test_a_first_fault_is_mended_at_once() -> None:
    health = make_health()
    health.answered("a", 1)
    health.answered("b", 1)
    assert health.suffers("a", "died", 2)
    assert health.missing(2) == {"a": "died"}
    assert health.answered("a", 4)
    assert health.missing(4) == {}
    assert (health.models["a"].recoveries, health.models["a"].all_faults) == (1, 1)


def test_a_model_that_dies_again_and_again_waits_longer_each_time() -> None:
    health = make_health()
    now, delays = 0.0, []
    assert health.suffers("a", "died", now)
    for _ in range(6):
        health.answered("a", now)
        assert not health.suffers("a", "died", now)
        delays.append(health.models["a"].next_look - now)
        now += 10
        assert "a" in health.take_due(now)
    assert delays == [1, 2, 4, 8, 8, 8]


def test_a_long_calm_forgives() -> None:
    health = make_health()
    health.suffers("a", "died", 0)
    health.answered("a", 1)
    health.answered("a", 1 + CALM - 1)
    assert health.models["a"].faults == 1
    health.answered("a", 1 + CALM + 1)
    assert health.suffers("a", "died", 70)


def test_what_could_not_be_mended_is_tried_later() -> None:
    health = make_health()
    health.take_due(0)
    health.suffers("a", "died", 0)
    health.failed("a", "cannot be loaded", 3)
    assert health.missing(3)["a"] == "cannot be loaded"
    assert health.take_due(3.9) == []
    assert health.take_due(4) == ["a"]


def test_a_dead_stub_lets_its_model_be_asked_at_once() -> None:
    health = make_health()
    health.take_due(0)
    health.answered("a", 1)
    health.hurry("a", 2)
    health.hurry("nobody", 2)
    assert health.take_due(2) == ["a"]


def test_a_model_that_was_unloaded_is_forgotten_and_one_that_could_not_be_loaded_again_is_not() -> None:
    health = make_health()
    for name in health.take_due(0):
        health.answered(name, 1)
    health.take_due(6)
    health.suffers("b", "died", 6)
    health.failed("b", "cannot be loaded", 7)
    health.answered("a", 7)
    health.expect({}, ["a", "b"], now=8)
    assert list(health.models) == ["b"]
    health.expect({}, ["a"], now=9)
    assert list(health.models) == []
    assert not health.answered("b", 10)


def test_a_new_server_has_answered_nothing_and_the_counts_go_on() -> None:
    health = make_health()
    health.suffers("a", "died", 0)
    health.answered("a", 1)
    health.restart(2)
    assert health.missing(2) == {"a": UNKNOWN, "b": UNKNOWN}
    assert health.models["a"].recoveries == 1
    assert health.take_due(2) == ["a", "b"]


def test_a_model_that_the_next_server_has_not_is_to_be_mended_and_one_that_left_the_repository_is_forgotten() -> None:
    health = make_health()
    health.expect({"a": ["1"], "b": ["1"], "c": ["1"]}, ["a", "b", "c"], 0)
    health.restart(1)
    assert health.expect({"a": ["1"]}, ["a", "b"], 2) == ["b"]
    assert health.missing(2) == {"a": UNKNOWN, "b": LOST}
    assert health.take_due(2) == ["a", "b"]
    assert health.expect({"a": ["1"]}, ["a", "b"], 4) == []


def test_a_model_that_was_unloaded_on_purpose_is_left_alone() -> None:
    health = make_health()
    assert health.expect({"a": ["1"]}, ["a", "b"], 2) == []
    assert set(health.models) == {"a"}


def test_a_model_that_could_not_be_asked_has_no_fault_and_is_asked_again() -> None:
    health = make_health()
    assert "a" in health.take_due(0)
    health.unheard("a", 5)
    assert health.models["a"].fault == ""
    assert health.take_due(5.9) == []
    assert health.take_due(6) == ["a"]
