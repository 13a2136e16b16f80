"""Modules that users bring, and the labels of a model."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests import factories
from tritonrepo.client.errors import UsageError
from tritonrepo.export import models
from tritonrepo.repository.spec import ModelSpec

SPEC = ModelSpec("net", labels=("a", "b"), synsets=("n1", "n2"))
BARE = ModelSpec("net")


def load(model: str, source: str | None = None) -> models.Loaded:
    return models.load(model, source, lambda *_: None, lambda _: None)


def test_a_factory_may_import_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "neighbour_of_the_test.py").write_text("from tests.factories import network\n")
    (tmp_path / "mine.py").write_text("from neighbour_of_the_test import network\ndef build(): return network(3)\n")
    module, spec, weights = load(f"{tmp_path}/mine.py:build")
    assert spec == ModelSpec("build")
    assert weights.source == "factory mine.py:build"
    assert weights.trained
    assert not module.training


def test_the_hash_of_a_factory_is_of_its_tensors() -> None:
    first, again, other = (load(f"tests/factories.py:{name}")[2] for name in ("tiny", "tiny", "other_weights"))
    assert first == again
    assert first.sha256 != other.sha256
    assert first.trained is False


def test_a_name_that_is_no_module_is_refused_with_what_was_returned() -> None:
    expected = r"returned a tuple \(Sequential, ModelSpec, int\), expected .* a tritonrepo\.export\.ModelSpec"
    with pytest.raises(UsageError, match=expected):
        load("tests/factories.py:triple")


def test_a_spec_keeps_its_own_name() -> None:
    _, spec, _ = load("tests/factories.py:tiny")
    assert spec == replace(factories.spec(), name="tiny")
