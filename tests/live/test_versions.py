"""Releases that change the contract while clients are at work: each answer is made by its own version's."""

from __future__ import annotations

import itertools
import json
import shutil
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest

from tests.conftest import ShortLived, beside, running, wait_until
from tests.live.releases import FIRST, LETTERS, MODEL, OTHERS, Release, draw_pictures, publish
from tritonrepo.cli.main import main
from tritonrepo.client.classifier import Classifier
from tritonrepo.client.connection import Connection
from tritonrepo.client.datasets import Example, class_index
from tritonrepo.client.errors import ModelUnavailableError
from tritonrepo.client.evaluate import outcomes
from tritonrepo.client.options import Options
from tritonrepo.client.results import Result
from tritonrepo.client.sources import Source
from tritonrepo.serve.triton import TritonServer

pytestmark = [pytest.mark.live, pytest.mark.slow]
PICTURES = 12
OPTIONS = Options(top=10, batch_size=4)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return draw_pictures(tmp_path_factory.mktemp("pictures"), PICTURES)


@dataclass(frozen=True)
class Site:
    """A server under model control that serves all tests, and its repository, which each test begins anew."""

    repository: Path
    server: TritonServer

    def clear(self) -> None:
        """Leave no version."""
        self.server.unload(MODEL)
        wait_until(lambda: MODEL not in self.server.ready_versions())
        shutil.rmtree(self.repository / MODEL, ignore_errors=True)

    def begin(self) -> None:
        """Let the first release be all that there is, as version 1."""
        self.clear()
        self.release(1, FIRST)

    def release(self, version: int, one: Release) -> None:
        """Publish and load."""
        publish(self.repository, version, one)
        self.server.load(MODEL)


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Site]]:
    """Two, of which nothing is loaded."""
    found = []
    for _ in range(2):
        repository = tmp_path_factory.mktemp("site") / "models"
        repository.mkdir()
        found.append(Site(repository, ShortLived(repository, shared_memory=True)))
    with running([site.server for site in found]):
        yield found


@pytest.fixture
def site(sites: list[Site]) -> Site:
    """One of them, with the first release."""
    sites[0].begin()
    return sites[0]


@pytest.fixture
def both(sites: list[Site]) -> list[Site]:
    """Both of them."""
    for one in sites:
        one.begin()
    return sites


class Truth:
    """What each version has to say of each picture."""

    def __init__(self, releases: dict[str, Release], pictures: list[Path]) -> None:
        self._scores = {(v, str(p)): one.expected(p) for v, one in releases.items() for p in pictures}

    def check(self, version: str, image: str, found: dict[str, float]) -> None:
        wanted = self._scores[version, image]
        assert found.keys() == wanted.keys(), (version, image)
        assert found == pytest.approx(wanted, abs=2e-3), (version, image)

    def check_all(self, results: list[Result]) -> None:
        for one in results:
            assert one.error is None, one
            self.check(one.version, one.image, {p.label: p.score for p in one.predictions})


@pytest.mark.parametrize("change", OTHERS)
def test_the_pictures_tell_the_releases_apart(pictures: list[Path], change: str) -> None:
    """Else the tests below could not fail."""
    if change != "smaller batches":
        told = [FIRST.expected(p) != pytest.approx(OTHERS[change].expected(p), abs=2e-2) for p in pictures]
        assert all(told)


def endless(pictures: list[Path], stop: threading.Event, fed: list[str]) -> Iterator[Path]:
    for picture in itertools.cycle(pictures):
        if stop.is_set():
            return
        fed.append(str(picture))
        yield picture


def run_on(classifier: Classifier, pictures: list[Path], disturb: Callable[[list[Result]], None]) -> list[Result]:
    """Classify without end while `disturb` does its work in another thread; every picture has to come back once."""
    stop, fed, results, failures = threading.Event(), [], [], []  # type: ignore[var-annotated]

    def work() -> None:
        try:
            disturb(results)
        except BaseException as exc:
            failures.append(exc)
        finally:
            stop.set()

    with beside(work, stop):
        for result in classifier.classify(endless(pictures, stop, fed), OPTIONS):
            results.append(result)
    assert not failures, failures
    assert [result.image for result in results] == fed
    return results


def answered_by(results: list[Result], version: str) -> None:
    """Wait for a few answers of this version."""
    begin = len(results)
    wait_until(lambda: sum(one.version == version for one in results[begin:]) >= 3 * PICTURES, 60)


def see_each_release(
    classifier: Classifier, pictures: list[Path], start: int, release: Callable[[int, Release], None]
) -> None:
    """Classify while every second change is released, one after the other: each answers, and no answer is mixed."""
    others = [*list(OTHERS.values())[start:-1:2], OTHERS["smaller batches"]]
    releases = {"1": FIRST} | {str(number): one for number, one in enumerate(others, 2)}

    def release_all(results: list[Result]) -> None:
        answered_by(results, "1")
        for version, one in list(releases.items())[1:]:
            release(int(version), one)
            answered_by(results, version)

    results = run_on(classifier, pictures, release_all)
    assert classifier.labels() == tuple(OTHERS["smaller batches"].labels)
    Truth(releases, pictures).check_all(results)
    assert {one.version for one in results} == releases.keys()
    order = [int(one.version) for one in results]
    assert max(a - b for a, b in itertools.pairwise(order)) <= 1  # at most the next one's race


def test_no_answer_is_made_under_another_versions_contract(site: Site, pictures: list[Path]) -> None:
    connection = Connection("http")
    with Classifier(site.server.http_url, connection=connection, shared_memory=True) as classifier:
        see_each_release(classifier, pictures, 0, site.release)


def test_nor_where_the_server_polls(pictures: list[Path], tmp_path: Path) -> None:
    """With the other half of the changes, over gRPC."""
    models = tmp_path / "models"
    publish(models, 1, FIRST)
    with ShortLived(models, model_control_mode="poll") as server, Classifier(server.grpc_url) as classifier:
        see_each_release(classifier, pictures, 1, partial(publish, models))


def test_two_servers_in_a_rolling_update(both: list[Site], pictures: list[Path]) -> None:
    """Another shape, other labels and fewer classes at once: a server refuses the other's images."""
    second = Release(24, 0.1, ("one", "two", "three"), most=3)
    one, two = both
    with Classifier([one.server.grpc_url, two.server.grpc_url]) as classifier:

        def roll(results: list[Result]) -> None:
            answered_by(results, "1")
            one.release(2, second)
            begin = len(results)
            wait_until(lambda: len(results) >= begin + 8 * PICTURES, 60)
            two.release(2, second)
            answered_by(results, "2")

        results = run_on(classifier, pictures, roll)
    Truth({"1": FIRST, "2": second}, pictures).check_all(results)
    assert {one.version for one in results} == {"1", "2"}


def test_a_running_classify_goes_on_with_the_next_version(site: Site, pictures: list[Path], tmp_path: Path) -> None:
    """The command, its file of results, and one that goes on from there."""
    names, results = [str(picture) for picture in pictures] * 60, tmp_path / "results.jsonl"
    second = Release(24, 0.1, ("one", "two", "three"))
    command = [sys.executable, "-m", "tritonrepo", "classify", *names, "--url", site.server.grpc_url]
    command += ["--resume", str(results), "--batch-size", "1", "--concurrency", "1", "--top", "10"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: results.exists() and results.read_bytes().count(b"\n") >= 30, 60)
    process.send_signal(signal.SIGSTOP)  # so that it is not done before the release is
    publish(site.repository, 2, second)
    process.send_signal(signal.SIGCONT)
    site.server.load(MODEL)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    first = [json.loads(line) for line in results.read_text().splitlines()]
    kept = results.read_bytes()
    refused = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False, timeout=120)
    assert refused.returncode == 2
    assert "results of version 1 of net_onnx by another contract" in refused.stderr
    assert results.read_bytes() == kept
    again = subprocess.run([*command, "--redo"], stderr=subprocess.PIPE, text=True, check=True, timeout=120)
    assert [line["image"] for line in first] == names
    counts = Counter(line["version"] for line in first)
    assert counts.keys() == {"1", "2"}
    assert f"{counts['1']:,} of its {len(names):,} results are done again" in again.stderr
    second_run = [json.loads(line) for line in results.read_text().splitlines()]
    assert {line["version"] for line in second_run} == {"2"}
    assert Counter(line["image"] for line in second_run) == Counter(names)
    truth = Truth({"1": FIRST, "2": second}, pictures)
    for line in first + second_run:
        truth.check(line["version"], line["image"], {p["label"]: p["score"] for p in line["predictions"]})


@pytest.mark.parametrize("change", ["mean", "label order"])
def test_an_evaluation_scores_no_answer_by_another_versions_classes(
    site: Site, pictures: list[Path], change: str
) -> None:
    second = OTHERS[change]
    best = {v: [max(one.expected(p), key=one.expected(p).__getitem__) for p in pictures] for v, one in (
        ("1", FIRST), ("2", second)
    )}  # fmt: skip
    with Classifier(site.server.grpc_url) as classifier:
        known = class_index(classifier.contract, classifier.labels())
        truths = [known[label] for label in best["1"]]
        chosen = [Example(Source(str(p), p), truth) for p, truth in zip(pictures, truths, strict=True)] * 20
        found = []
        for number, one in enumerate(outcomes(classifier, chosen, OPTIONS)):
            found.append(one)
            if number == 3 * PICTURES:
                site.release(2, second)
    assert [one.image for one in found] == [example.name for example in chosen]
    assert {one.version for one in found} == {"1", "2"}
    for number, one in enumerate(found):
        if one.version == "1":
            assert (one.error, one.rank) == (None, 1)
        elif change == "mean":  # the same classes by another preprocessing
            assert one.error is None
            assert LETTERS[one.predicted or 0] == best["2"][number % PICTURES]
        else:
            assert one.error == "version 2 answered, which has other classes than 1"
            assert one.predicted is None


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_one_version_is_asked_on_purpose_and_no_other(
    sites: list[Site], pictures: list[Path], tmp_path: Path, protocol: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Two versions are served, and the older one is asked until it is gone."""
    releases = {"1": FIRST, "2": replace(FIRST, scale=2.0)}
    site = sites[0]
    site.clear()
    model, server = site.repository / MODEL, site.server
    for version, one in releases.items():
        one.write(model / version / "model.onnx")
    (model / "labels.txt").write_text("".join(f"{label}\n" for label in FIRST.labels))
    (model / "config.pbtxt").write_text(f"{FIRST.config()}version_policy {{ all {{}} }}\n")
    truth = Truth(releases, pictures)
    server.load(MODEL)
    url = server.grpc_url if protocol == "grpc" else server.http_url
    words = [*map(str, pictures), "--url", url, "--protocol", protocol, "--top", "10", "--format", "json"]
    for wanted, answering in (([], "2"), (["--version", "1"], "1"), (["--version", "2"], "2")):
        assert main(["classify", *words, *wanted]) == 0
        for line in map(json.loads, capfd.readouterr().out.splitlines()):
            assert line["version"] == answering
            truth.check(line["version"], line["image"], {p["label"]: p["score"] for p in line["predictions"]})
    assert main(["classify", *words, "--version", "3"]) == 3
    assert "version 3 of net_onnx is not ready. Ready: 1, 2." in " ".join(capfd.readouterr().err.split())
    assert main(["evaluate", str(tmp_path), "--url", url, "--protocol", protocol, "--version", "3"]) == 3
    found: list[Result] = []

    def classify_until_it_is_gone(classifier: Classifier) -> None:
        for result in classifier.classify(itertools.cycle(pictures), OPTIONS):
            found.append(result)
            if len(found) == PICTURES:
                shutil.rmtree(model / "1")
                server.load(MODEL)

    gone = pytest.raises(ModelUnavailableError, match="version 1 of net_onnx, which was asked for, is gone")
    with Classifier(url, connection=Connection(protocol), version=1) as classifier, gone:
        classify_until_it_is_gone(classifier)
    assert {result.version for result in found} == {"1"}
    truth.check_all(found)


def test_an_evaluation_in_a_rolling_update_is_of_one_version(both: list[Site], pictures: list[Path]) -> None:
    """One server has the next version already, by whose classes the answers would be errors."""
    one, two = both
    two.release(2, OTHERS["label order"])
    chosen = [Example(Source(str(p), p), 0) for p in pictures] * 10
    with Classifier([one.server.grpc_url, two.server.grpc_url]) as classifier:
        runs = [list(outcomes(classifier, chosen, OPTIONS)) for _ in range(4)]
    for found in runs:
        assert [one.image for one in found] == [example.name for example in chosen]
        assert all(one.error is None for one in found)
        assert len({one.version for one in found}) == 1
    assert {found[0].version for found in runs} == {"1", "2"}
