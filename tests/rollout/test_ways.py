"""The ways in which a server comes by what is released, and what stands on it."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException

from tests import azurite
from tests.cli.test_serve import serving
from tests.conftest import CLOUDS, ShortLived, beside
from tests.live.releases import FIRST, MODEL, OTHERS, draw_pictures
from tests.rollout import artifacts
from tests.rollout.artifacts import Version
from tests.rollout.world import World
from tritonrepo.cli.main import main
from tritonrepo.client import Classifier
from tritonrepo.client.errors import UsageError
from tritonrepo.export.encoded.code import lay_out
from tritonrepo.repository.encoded import Encoded
from tritonrepo.repository.publish import open_repository
from tritonrepo.repository.rollout.errors import ReleaseError
from tritonrepo.repository.store.address import Address

pytestmark = pytest.mark.live
ENCODED = "net_encoded"
OTHER = OTHERS["resize"]


def test_serve_takes_a_release_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Through the guard in front of HTTP, beside the supervisor; what polls leaves a version on trial alone."""
    root = tmp_path / "models"
    artifacts.publish(root, artifacts.right_one(1.0))
    with serving(root, "--poll", "1") as command:
        found = re.search(r"^HTTP +(\S+)$", command.output, re.MULTILINE)
        assert found is not None
        words = ["--repository", str(root), "--server", found[1]]
        assert artifacts.stage(root, artifacts.right_one(2.0)) == 2
        assert main(["release", MODEL, *words]) == 0
        assert artifacts.stage(root, artifacts.wrong_one(3.0)) == 3
        assert main(["release", MODEL, *words]) == 1
        assert "The record names version 2; answering from it: " in " ".join(capsys.readouterr().err.split())
        status, output, errors = command.end(signal.SIGINT)
    assert (status, errors) == (0, "")
    told = [line for line in output.splitlines() if line.startswith(MODEL) and "loaded again" not in line]
    assert told == [
        f"{MODEL}: version 2 took over from 1",
        f"{MODEL}: version 3 took over from 2",
        f"{MODEL}: version 2 took over from 3",
    ]


def test_the_first_version_of_all_is_staged_served_and_released(tmp_path: Path) -> None:
    """A server over a repository in which nothing was released yet waits for the release."""
    root = tmp_path / "models"
    assert artifacts.stage(root, artifacts.right_one(1.0)) == 1
    with serving(root) as command:
        assert f"no version of it was released yet; tritonrepo release {MODEL}" in " ".join(command.output.split())
        found = re.search(r"^gRPC +(\S+)$", command.output, re.MULTILINE)
        assert found is not None
        assert main(["release", MODEL, "--repository", str(root), "--server", found[1]]) == 0
        with Classifier(found[1], MODEL) as classifier:
            assert classifier.contract.name == MODEL
        status, _, errors = command.end(signal.SIGINT)
    assert (status, errors) == (0, "")


@pytest.mark.parametrize("kind", ["s3", *(["gs", "as"] if azurite.DISGUISED in os.environ else [])])
def test_a_release_from_an_object_store(kind: str, request: pytest.FixtureRequest) -> None:
    """Azure's store and Google's too in the disguise of `make stores`."""
    bucket: Address = request.getfixturevalue(CLOUDS[kind])
    assert artifacts.publish(bucket, artifacts.right_one(1.0)) == 1
    with ShortLived(bucket) as server:
        one = World(bucket, [server], [], {})
        with one.rollout(one.urls("grpc"), print) as rollout:
            wrong = one.stage(artifacts.wrong_one(2.0))
            with pytest.raises(ReleaseError, match=f"version {wrong} is not released: .* answers wrongly"):
                rollout.release(MODEL)
            one.await_loaded(1)
            number = one.stage(artifacts.right_one(3.0))
            assert rollout.release(MODEL) == number == one.current
            one.await_loaded(number)


def scores(one: World, picture: Path) -> list[float]:
    """What the ensemble says of an image file."""
    with triton.InferenceServerClient(one.servers[0].grpc_url) as client:
        tensor = triton.InferInput("IMAGE", [1, 1], "BYTES")
        tensor.set_data_from_numpy(np.array([[picture.read_bytes()]], object))
        found: list[float] = client.infer(ENCODED, [tensor]).as_numpy("OUTPUT__0")[0].tolist()
    return found


@contextmanager
def asking(one: World, picture: Path) -> Iterator[list[str]]:
    """Ask the ensemble all the time, for whatever version it has; why requests were refused.

    One or two may be in any switch: Triton 2.51 chooses the version, and asks it when it has just been unloaded.
    """
    refused, done = list[str](), threading.Event()

    def ask() -> None:
        while not done.wait(0.02):
            try:
                scores(one, picture)
            except InferenceServerException as error:
                refused.append(str(error))

    with beside(ask, done):
        yield refused


@pytest.mark.slow
def test_an_ensemble_goes_with_the_model_on_which_it_stands(tmp_path: Path) -> None:
    """Its preprocessing is another with each version; a wrong version leaves it as it was."""
    root = tmp_path / "models"
    (tmp_path / "pictures").mkdir()
    picture = draw_pictures(tmp_path / "pictures", 1)[0]
    with open_repository(root) as repository:
        code = lay_out(repository.workspace("code"), lambda _: None)
        made = artifacts.candidate(repository, Version(FIRST, FIRST))
        repository.publish([made], 9, [Encoded(ENCODED, MODEL, code)])
    with ShortLived(root) as server:
        one = World(root, [server], [picture], {1: FIRST})
        with one.rollout(one.urls("grpc"), print) as rollout:
            with pytest.raises(UsageError, match=f"follows {MODEL}; release that"):
                rollout.release(ENCODED)
            assert scores(one, picture) == pytest.approx(list(FIRST.expected(picture).values()), abs=2e-3)
            one.stage(artifacts.wrong_one(2.0))
            with pytest.raises(ReleaseError, match="answers wrongly"):
                rollout.release(MODEL)
            assert scores(one, picture) == pytest.approx(list(FIRST.expected(picture).values()), abs=2e-3)
            number = one.stage(Version(OTHER, OTHER))
            assert rollout.release(MODEL) == number
            assert scores(one, picture) == pytest.approx(list(OTHER.expected(picture).values()), abs=2e-3)
            with open_repository(root) as repository:
                assert repository.roll_back([MODEL]) == {MODEL: 1}
            rollout.take(MODEL)
            assert scores(one, picture) == pytest.approx(list(FIRST.expected(picture).values()), abs=2e-3)
            beside = artifacts.right_one(4.0)
            number = one.stage(beside)
            with asking(one, picture) as refused:
                assert rollout.release(MODEL, overlap=True) == number
            assert len(refused) <= 2, refused
            assert scores(one, picture) == pytest.approx(list(beside.served.expected(picture).values()), abs=2e-3)
