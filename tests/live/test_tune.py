"""`tune` against the embedded Triton: a bad configuration is mended in its time, a good one is left alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from tests.conftest import ShortLived, wait_until
from tests.live.releases import FIRST, MODEL, draw_pictures
from tests.repository.manifests import manifest_of
from tests.repository.releases import contents
from tritonrepo.cli.main import main
from tritonrepo.client import Classifier
from tritonrepo.compare import TuningTask, tune
from tritonrepo.compare.tuning.knobs import read_knobs
from tritonrepo.compare.tuning.space import Machine
from tritonrepo.repository.candidate import Candidate
from tritonrepo.repository.layout import read_config
from tritonrepo.repository.manifest import read_manifest
from tritonrepo.repository.publish import open_repository
from tritonrepo.serve.triton import TritonServer

pytestmark = [pytest.mark.live, pytest.mark.slow]
BAD = """
dynamic_batching { max_queue_delay_microseconds: 100000 }
parameters { key: "intra_op_thread_count" value { string_value: "1" } }
"""


def publish(root: Path, more: str = "") -> Path:
    with open_repository(root) as ours:
        artifact = ours.workspace(MODEL) / "model.onnx"
        FIRST.write(artifact)
        config = FIRST.config() + more
        ours.publish([Candidate(MODEL, artifact, config, tuple(FIRST.labels), manifest_of(artifact))], keep=9)
    return root


@pytest.fixture(scope="module")
def patience(tmp_path_factory: pytest.TempPathFactory) -> float:
    """Seconds for a server's start, one model, and its end: beside other work they may be five times as many."""
    root, began = publish(tmp_path_factory.mktemp("patience") / "models"), time.monotonic()
    with TritonServer(root, stop_grace=0.0):  # as `tune` starts and ends them
        pass
    return time.monotonic() - began


def test_a_bad_configuration_is_mended_in_its_time(
    tmp_path: Path, patience: float, capsys: pytest.CaptureFixture[str]
) -> None:
    root, budget = publish(tmp_path / "models", BAD), max(18.0, 11 * patience)
    began = time.monotonic()
    words = ["--budget", f"{budget:.3f}s", "--repository", str(root), "--format", "json"]
    assert main(["tune", MODEL, *words]) == 0
    took = time.monotonic() - began
    *rows, said = map(json.loads, capsys.readouterr().out.splitlines())
    assert said["changed"], said
    assert said["version"] == 2
    assert said["gain"][1] > 1, "more than twice as fast, surely: a tenth of a second is not waited any more"
    assert said["seconds"] <= 1.05 * budget + 3  # the tests beside it take time too
    assert took - said["seconds"] < 0.5
    assert {mark for row in rows for mark in row["marks"]} >= {"best", "now", "Pareto"}

    knobs = read_knobs(read_config(root / MODEL))
    assert knobs.queue_delay_us < 100_000
    measured = read_manifest(root / MODEL / "2").tuning
    assert measured is not None
    assert (measured.from_version, measured.concurrency, measured.candidates >= 2) == (1, 4, True)
    assert measured.after.low > measured.before.high
    (picture,) = draw_pictures(tmp_path, 1)[:1]
    with ShortLived(root) as server, Classifier(server.grpc_url, model=MODEL) as classifier:
        assert server.is_ready(MODEL, "2")
        (result,) = classifier.classify([picture])
    expected = FIRST.expected(picture)
    assert result.predictions[0].label == max(expected, key=lambda label: expected[label])


def test_a_good_configuration_is_left_alone(tmp_path: Path, patience: float) -> None:
    """On one core and with one request at a time there is nothing to gain: all that can be tried is to wait."""
    root, one_core = publish(tmp_path / "models"), Machine(1, 2.0**34, openvino=False)
    before = contents(root)
    task = TuningTask(MODEL, root, max(8.0, 8 * patience), concurrency=1)
    tuned = tune(task, partial(TritonServer, stop_grace=0.0), machine=one_core)
    assert (tuned.verdict.better, tuned.version) == (False, None)
    assert tuned.verdict.gain is not None
    assert tuned.verdict.gain.low < 0
    assert contents(root) == before


def test_an_interruption_leaves_everything_as_it_was(tmp_path: Path) -> None:
    root = publish(tmp_path / "models", BAD)
    before = contents(root)
    words = ["tune", MODEL, "--budget", "5m", "--repository", str(root)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-m", "tritonrepo", *words], env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        wait_until(lambda: list(tmp_path.glob(f".models.tuning-*/{MODEL}-*")), 60)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (130, "interrupted\n")
    assert contents(root) == before
    assert [path.name for path in tmp_path.iterdir()] == ["models"]
