"""Releases by the commit record, with the real Triton polling: what it loads, when, and what clients see of it."""

from __future__ import annotations

import re
import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tritonclient.http
from tritonclient.utils import InferenceServerException

from tests.conftest import ShortLived, wait_until
from tests.kills.kill import failed_loads
from tests.live.releases import FIRST, MODEL, OTHERS, Release, publish
from tests.repository.manifests import manifest_of
from tritonrepo.repository.candidate import Candidate
from tritonrepo.repository.layout import CONFIG_FILENAME, LABELS_FILENAME
from tritonrepo.repository.publish import Repository, open_repository
from tritonrepo.repository.store.local import LocalStore
from tritonrepo.serve.triton import TritonServer

pytestmark = pytest.mark.live
MARKER = "marker_onnx"
IMAGE = np.full((1, 3, 32, 32), 0.5, np.float32)
IMAGE[:, 0] = 0.6  # so that class 3 is the best


def candidate(repository: Repository, release: Release, name: str = MODEL) -> Candidate:
    artifact = repository.workspace(name) / "model.onnx"
    release.write(artifact)
    config = release.config().replace(f'"{MODEL}"', f'"{name}"')
    return Candidate(name, artifact, config, tuple(release.labels), manifest_of(artifact))


def polling(models: Path) -> TritonServer:
    return ShortLived(models, model_control_mode="poll", repository_poll_secs=1)


def loads(log: str) -> int:
    """How often the server loaded the model. It also says so when it only took up a record, but makes no instance."""
    return len(re.findall(rf"TRITONBACKEND_ModelInstanceInitialize: {MODEL}_0_0 ", log))


def see_a_poll(server: TritonServer, models: Path, version: int) -> None:
    """Publish a version of another model, and wait until the server has seen it: whatever else was there it has too."""
    with open_repository(models) as repository:
        repository.publish([candidate(repository, replace(FIRST, scale=version), MARKER)], 99)
    wait_until(lambda: server.is_ready(MARKER, str(version)))


def test_a_version_that_comes_or_goes_is_no_reason_to_load(tmp_path: Path) -> None:
    """Neither one that is renamed in nor one that is copied in, while its model is served; only the record is."""
    models = tmp_path / "models"
    publish(models, 1, FIRST)
    with polling(models) as server:
        with open_repository(models) as repository:
            repository.stage([candidate(repository, OTHERS["label order"])])
        see_a_poll(server, models, 1)
        with open_repository(models) as ours:
            repository = Repository(LocalStore(models), ours._staging)
            repository.stage([candidate(repository, OTHERS["more classes"])])
        see_a_poll(server, models, 2)
        assert loads(server.log()) == 1
        with open_repository(models) as repository:
            repository.switch(MODEL, 3)
        wait_until(lambda: server.ready_versions()[MODEL] == ["3"])
        for version in (1, 2):
            LocalStore(models).remove_version(MODEL, version)
            see_a_poll(server, models, 2 + version)
        log = server.log()
    assert loads(log) == 2
    assert failed_loads(log) == []


class Client(threading.Thread):
    """Asks for the model without a version, once, again and again."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.answers: Counter[tuple[str, str]] = Counter()
        self.errors: list[str] = []
        self._url, self._ended = url, threading.Event()

    def run(self) -> None:
        """Note who answered what."""
        client = tritonclient.http.InferenceServerClient(self._url)
        images = tritonclient.http.InferInput("INPUT__0", IMAGE.shape, "FP32")
        images.set_data_from_numpy(IMAGE)
        best = tritonclient.http.InferRequestedOutput("OUTPUT__0", class_count=1)
        while not self._ended.is_set():
            try:
                answer = client.infer(MODEL, [images], outputs=[best])
            except InferenceServerException as exc:
                self.errors.append(str(exc))
            else:
                label = answer.as_numpy("OUTPUT__0").ravel()[0].decode()
                self.answers[answer.get_response()["model_version"], label] += 1
        client.close()

    def versions(self) -> set[str]:
        """Which have answered."""
        return {version for version, _ in [*self.answers]}

    def end(self) -> None:
        """Let the last answer come."""
        self._ended.set()
        self.join()


def test_overlap_refuses_no_request_and_the_newest_answers(tmp_path: Path) -> None:
    models = tmp_path / "models"
    releases = [replace(FIRST, scale=number) for number in (1.0, 2.0, 3.0)]
    publish(models, 1, releases[0])
    with polling(models) as server:
        client = Client(server.http_url)
        client.start()
        try:
            for version, release in enumerate(releases[1:], 2):
                with open_repository(models) as repository:
                    repository.publish([candidate(repository, release)], 99, overlap=True)
                wait_until(lambda expected=str(version): expected in client.versions())  # type: ignore[misc]
                wanted = [str(version - 1), str(version)]
                wait_until(lambda wanted=wanted: sorted(server.ready_versions()[MODEL]) == wanted)  # type: ignore[misc]
            client.answers.clear()
            wait_until(lambda: sum(client.answers.values()) > 20)
        finally:
            client.end()
        assert client.errors == []
        assert client.versions() == {"3"}
        assert failed_loads(server.log()) == []


def test_what_the_exchange_of_directories_left_is_taken_over_while_it_is_served(tmp_path: Path) -> None:
    """The labels tell under whose configuration a version answers."""
    models = tmp_path / "models"
    model = models / MODEL
    FIRST.write(model / "1/model.onnx")
    (model / "1/manifest.json").write_text(manifest_of(model / "1/model.onnx").to_json())
    for directory in (model, model / "1"):
        (directory / CONFIG_FILENAME).write_text(FIRST.config())
        (directory / LABELS_FILENAME).write_text("".join(f"{label}\n" for label in FIRST.labels))
    with polling(models) as server:
        client = Client(server.http_url)
        client.start()
        try:
            wait_until(lambda: "1" in client.versions())
            publish(models, 2, OTHERS["label order"])
            wait_until(lambda: "2" in client.versions())
        finally:
            client.end()
        assert failed_loads(server.log()) == []
    best = {"1": FIRST.labels[3], "2": OTHERS["label order"].labels[3]}
    assert {(version, label.split(":")[2]) for version, label in client.answers} == {*best.items()}
    assert all("is not at ready state" in error for error in client.errors)
