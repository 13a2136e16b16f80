"""No default of a library is refused by mistake, and none is another than the contract says."""

import pytest

from tests.sources.every import LIBRARIES, Trial, table, trials

OPEN = {
    "donut-swin": "of its own",  # it pads to the size and never enlarges
    "imagegpt": "of its own",  # it gives the numbers of colours
    "perceiver": "of its own",  # it crops by a share of the picture
    "pp_lcnet": "resizes tensors",
    "shieldgemma2": "of its own",  # it cuts a picture into several
    "siglip2": "of its own",  # it gives patches, more of them for a larger picture
    "textnet": "of its own",  # the size of its tensor follows the picture
    "timm_wrapper": "--model timm:",
}
"""What no contract can say, and why."""


@pytest.fixture(scope="module")
def done() -> list[Trial]:
    return list(trials(True, LIBRARIES))


def test_none_is_refused_but_what_cannot_be_said(done: list[Trial]) -> None:
    refused = {network: trial.refused for trial in done if trial.refused for network in trial.networks}
    assert refused.keys() == OPEN.keys()
    assert [kind for kind, why in OPEN.items() if why not in refused[kind]] == []


def test_what_is_accepted_is_the_librarys_own(done: list[Trial]) -> None:
    assert all(trial.difference <= 1e-6 for trial in done)
    counts = {library: sum(trial.library == library for trial in done) for library in ("timm", "torchvision")}
    assert counts["timm"] > 30
    assert counts["torchvision"] > 15


def test_the_table_counts_them() -> None:
    given = [Trial("a", ("x", "y"), 1e-7), Trial("a", ("z",), refused="no step does that")]
    assert "| a | 3 | 2 | 1 | 1 | 1e-07 |" in table(given)
    assert "- a, z: no step does that" in table(given)
