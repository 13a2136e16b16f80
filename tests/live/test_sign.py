"""A version that is staged, signed and then released is loaded once by a server that polls."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import ShortLived, wait_until
from tests.live.releases import FIRST, MODEL, publish
from tests.repository.keys import make_pair
from tests.repository.manifests import manifest_of
from tritonrepo.repository.candidate import Candidate
from tritonrepo.repository.publish import open_repository
from tritonrepo.repository.signature import check, sign
from tritonrepo.repository.store.local import LocalStore

pytestmark = pytest.mark.live


def add(models: Path, name: str, staging: Path) -> None:
    """The same model under another name, in one step."""
    copy = Path(shutil.copytree(models / MODEL, staging / name))
    config = copy / "config.pbtxt"
    config.write_text(config.read_text().replace(MODEL, name))
    copy.rename(models / name)


def test_stage_sign_release(tmp_path: Path) -> None:
    models, pair, second = tmp_path / "models", make_pair(tmp_path, "key"), replace(FIRST, scale=2.0)
    publish(models, 1, FIRST)
    with ShortLived(models, model_control_mode="poll", repository_poll_secs=1) as server:
        loads = f"TRITONBACKEND_ModelInstanceInitialize: {MODEL}_0_0 "
        with open_repository(models) as repository:
            artifact = repository.workspace(MODEL) / "model.onnx"
            second.write(artifact)
            labels = tuple(second.labels)
            repository.stage([Candidate(MODEL, artifact, second.config(), labels, manifest_of(artifact))])
        sign(LocalStore(models), MODEL, 2, pair.private)
        # Whoever loads these has looked at the signed version too, and the second time has loaded what it then found.
        for name in ("next_onnx", "last_onnx"):
            add(models, name, tmp_path / "staging")
            wait_until(lambda name=name: server.is_ready(name, "1"))  # type: ignore[misc]
        assert server.log().count(loads) == 1
        with open_repository(models) as repository:
            repository.switch(MODEL, 2)
        wait_until(lambda: server.ready_versions()[MODEL] == ["2"])
        assert server.log().count(loads) == 2
    check(LocalStore(models), MODEL, 2, pair.public)
