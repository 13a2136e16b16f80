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


def test_given_labels_come_before_the_specs_own() -> None:
    assert models.with_labels(SPEC, 2, ("x", "y")).labels == ("x", "y")
    assert models.with_labels(SPEC, 2, None) == SPEC


def test_labels_of_another_source_say_nothing_of_the_synsets() -> None:
    assert models.with_labels(SPEC, 2, ("x", "y")).synsets == ()
    assert models.with_labels(SPEC, 2, SPEC.labels).synsets == SPEC.synsets


def test_a_thousand_classes_are_imagenets_and_others_are_numbered() -> None:
    assert models.with_labels(BARE, 1000, None).labels[285] == "Egyptian cat"
    assert models.with_labels(BARE, 1000, None).synsets[285] == "n02124075"
    assert models.with_labels(BARE, 2, None).labels == ("class 0", "class 1")


@pytest.mark.parametrize(
    ("spec", "given", "where"), [(SPEC, None, "the spec of net: 2 labels"), (BARE, ("x",), "--labels: 1 labels")]
)
def test_one_label_for_each_class(spec: ModelSpec, given: tuple[str, ...] | None, where: str) -> None:
    with pytest.raises(UsageError, match=where):
        models.with_labels(spec, 3, given)


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
