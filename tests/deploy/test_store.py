"""Where pods read a repository."""

from __future__ import annotations

import pytest

from tritonrepo.client.errors import UsageError
from tritonrepo.deploy.store import Store, read_store


@pytest.mark.parametrize(
    ("url", "store"),
    [
        ("s3://models", Store("s3://models", "s3", "s3://models")),
        ("s3://models/a/b/", Store("s3://models/a/b/", "s3", "s3://models/a/b")),
        ("s3://minio:9000/models", Store("s3://minio:9000/models", "s3", "s3://minio:9000/models", endpoint=True)),
        (
            "s3://http://10.0.0.1:9000/m/p",
            Store("s3://http://10.0.0.1:9000/m/p", "s3", "s3://http://10.0.0.1:9000/m/p", endpoint=True),
        ),
        ("pvc://models", Store("pvc://models", "volume", "/models", "models")),
        ("pvc://team-a/x/y/", Store("pvc://team-a/x/y/", "volume", "/models/x/y", "team-a")),
    ],
)
def test_stores(url: str, store: Store) -> None:
    assert read_store(url) == store


@pytest.mark.parametrize(
    "url",
    [
        "model_repository",
        "gs://models",
        "s3://",
        "s3://key:secret@models/a",
        "s3://models/$(TRITON_KEY)",
        "s3://models/a b",
        "pvc://",
        "pvc://Models",
        "pvc://models/../other",
        "pvc://models//a",
    ],
)
def test_what_is_no_store_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(UsageError, match="--repository: pods read") as caught:
        read_store(url)
    assert "secret" not in str(caught.value)
