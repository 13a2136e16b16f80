"""`compare` against the embedded Triton: what is planted is found, what is healthy is not complained of."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc
from PIL import Image

from benchmarks.compare_crosscheck import lent_libraries
from tests.conftest import ShortLived, tiny_config, wait_until
from tritonrepo.cli.main import main
from tritonrepo.compare import Criteria, Plan, Step, judge, measure, read_report, write_report
from tritonrepo.serve.triton import TritonServer

pytestmark = pytest.mark.live

PLANTED_MODEL = Path(__file__).parent / "planted" / "model.py"
# As few and as short as the rules allow: the tests ask what is found, not how fast this machine is.
QUICK = ["--window", "0.1", "--windows", "3", "--max-windows", "3", "--batch-sizes", "1", "--concurrency", "1"]
DELAY = 0.04
# So slow, in seconds, that what a busy machine adds is little beside it.
CRAWL = 0.3
WALK = 0.2


class Planted:
    """A server with healthy models and some with a planted fault."""

    def __init__(self, server: TritonServer, directory: Path) -> None:
        self.server = server
        self._directory = directory

    @contextmanager
    def delay(self, model: str, seconds: float) -> Iterator[None]:
        """Let it wait for so long while the block runs."""
        place = self._directory / model
        before = place.read_text()
        place.write_text(str(seconds))
        yield
        place.write_text(before)


def plant(repository: Path, directory: Path, name: str, delay: float, swap: str = "") -> None:
    """A model of the Python backend; without dynamic batching, so that its capacity is known."""
    version = repository / name / "1"
    version.mkdir(parents=True)
    (directory / name).write_text(str(delay))
    parameters = {"delay_file": str(directory / name)} | ({"swap": swap} if swap else {})
    lines = [f'parameters {{ key: "{k}" value {{ string_value: "{v}" }} }}' for k, v in parameters.items()]
    config = tiny_config(name, "python", "model.py").replace("dynamic_batching { }", "")
    (version.parent / "config.pbtxt").write_text(config + "\n".join(lines))
    shutil.copy(repository / "tiny_onnx" / "labels.txt", version.parent / "labels.txt")
    shutil.copy(repository / "tiny_onnx" / "1" / "model.onnx", version / "model.onnx")
    shutil.copy(PLANTED_MODEL, version / "model.py")


@pytest.fixture(scope="module")
def planted(tiny_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Planted]:
    directory = tmp_path_factory.mktemp("planted")
    repository = Path(shutil.copytree(tiny_repository, directory / "model_repository"))
    plant(repository, directory, "slow", DELAY)
    plant(repository, directory, "slower", DELAY)
    plant(repository, directory, "wrong", 0.0, swap="0,1")
    plant(repository, directory, "vanishing", 0.002)
    plant(repository, directory, "other_images", 0.0)
    config = repository / "other_images" / "config.pbtxt"
    config.write_text(config.read_text().replace('\\"std\\":[0.229', '\\"std\\":[0.5'))
    (Path(shutil.copytree(repository / "tiny_onnx", repository / "broken")) / "1" / "model.onnx").write_text("broken")
    broken = repository / "broken" / "config.pbtxt"
    broken.write_text(broken.read_text().replace("tiny_onnx", "broken"))
    with ShortLived(repository) as server:
        yield Planted(server, directory)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(5)
    for number in range(4):
        Image.fromarray(rng.integers(0, 256, (40, 60, 3), dtype=np.uint8)).save(directory / f"{number}.png")
    return directory


@pytest.fixture(scope="module")
def picture(pictures: Path) -> str:
    """One of them: a slow model answers no more requests than it must."""
    return str(pictures / "0.png")


Run = Callable[..., tuple[int, Any, str]]


@pytest.fixture
def run(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Run:
    """compare WORDS: its status, its JSON, what it printed with the line breaks taken out."""

    def command(server: TritonServer, *words: str, output: str = "out") -> tuple[int, Any, str]:
        place = tmp_path / output
        status = main(["compare", "--url", server.grpc_url, *QUICK, "--output", str(place), "--no-plots", *words])
        captured = capfd.readouterr()
        assert "Traceback" not in captured.err
        found = json.loads((place / "compare.json").read_text()) if (place / "compare.json").exists() else None
        return status, found, " ".join((captured.out + captured.err).split())

    return command


def test_healthy_models_are_measured_and_agree(
    tiny_server: TritonServer, pictures: Path, run: Run, tmp_path: Path
) -> None:
    """How long their requests wait for a busy machine says nothing about the models: no slowdown is a problem."""
    words = ("--batch-sizes", "1,8", "--concurrency", "1,2", "--max-slowdown", "inf")
    status, report, said = run(tiny_server, str(pictures), *words)
    assert status == 0
    assert [(cell["batch_size"], cell["concurrency"]) for cell in report["cells"]] == [
        *((1, 1), (1, 1), (1, 2), (1, 2), (8, 1), (8, 1), (8, 2), (8, 2))
    ]
    for cell in report["cells"]:
        check_figures(cell)
    # Triton may count an execution after its answer has come: a window of one slow request then has no split.
    splits = [window["split"] for cell in report["cells"][4:] for window in cell["windows"]]
    batches = [split["executions"] for split in splits if split]
    assert {size for executions in batches for size in executions} == {"8"}
    (agreement,) = report["agreements"]
    assert agreement["worst_difference"] < 1e-6
    assert agreement["images"] == 4
    assert "The models agree" in said
    rows = list(csv.DictReader((tmp_path / "out" / "compare.csv").read_text().splitlines()))
    assert [row["model"] for row in rows] == ["tiny_onnx", "tiny_torchscript"] * 4
    assert float(rows[0]["images_per_second"]) == report["cells"][0]["summary"]["images_per_second"]


def check_figures(cell: Any) -> None:
    """What holds of a healthy cell's figures however busy the machine is."""
    figures = cell["summary"]
    assert len(cell["windows"]) == 3
    assert figures["failures"] == 0
    assert figures["usable"]
    assert 0 < figures["p50_ms"] <= figures["p90_ms"] <= figures["p95_ms"] <= figures["p99_ms"]
    assert figures["images_per_second"] == pytest.approx(figures["requests_per_second"] * cell["batch_size"])
    assert figures["queue_ms"] >= 0
    assert figures["compute_infer_ms"] > 0
    assert figures["server_memory_mib"] > 50
    assert 0 < figures["client_cpu_cores"] < 4
    for window in cell["windows"]:
        assert window["seconds"] >= 0.1
        assert window["requests"] >= cell["concurrency"]
        # One thread's requests follow each other: together they take no longer than from its first answer to its last.
        if cell["concurrency"] == 1:
            assert window["requests_per_second"] * window["average"] / 1e3 <= 1.001


def test_a_slow_model_is_found(
    planted: Planted, pictures: Path, run: Run, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    models = (str(pictures), "--models", "tiny_onnx,slow")
    with planted.delay("slow", CRAWL):
        status, report, said = run(planted.server, *models)
    assert status == 1
    assert "- slow is slow: it takes" in said
    slow = report["cells"][1]["summary"]
    # It waits in `execute`, which the server counts as computing.
    assert slow["p50_ms"] >= 1e3 * CRAWL
    assert slow["compute_infer_ms"] >= 1e3 * CRAWL
    assert main(["report", str(tmp_path / "out" / "compare.json"), "--max-slowdown", "inf"]) == 0
    said = " ".join(capfd.readouterr().out.split())
    assert "slow is slow: it takes" in said
    assert "- slow is slow" not in said


def test_a_wrong_model_is_found(planted: Planted, pictures: Path, run: Run) -> None:
    wrong = ("--models", "tiny_onnx,slow,wrong", "--max-slowdown", "inf")
    status, report, said = run(planted.server, str(pictures), *wrong)
    assert status == 1
    assert "- wrong disagrees with tiny_onnx: a logit differs by" in said
    assert {one["model"]: one["worst_shift"] > 0.1 for one in report["agreements"]} == {"slow": False, "wrong": True}
    assert "take wrong with" not in said.lower()


def test_a_budget_names_the_models_that_miss_it(planted: Planted, picture: str, run: Run) -> None:
    budget = 900 * CRAWL
    words = (picture, "--models", "tiny_onnx,slow", "--latency-budget-ms", str(budget), "--price-per-hour", "2")
    with planted.delay("slow", CRAWL):
        status, _, said = run(planted.server, *words)
    assert status == 1
    assert f"slow keeps no configuration within {budget:g} ms" in said
    assert f"Within {budget:g} ms at the 95th percentile, take tiny_onnx with batch size 1" in said
    assert "slow reaches" not in said
    assert "per 1,000 images at 2 an hour" in said


def test_what_is_not_ready_or_differs_is_named_and_the_rest_measured(planted: Planted, run: Run) -> None:
    status, report, said = run(planted.server, "--models", "tiny_onnx,broken,other_images,tiny_torchscript")
    assert status == 1
    assert report["lost"].keys() == {"broken", "other_images"}
    assert "broken was not measured: not ready (" in said
    assert "other_images was not measured: it prepares its images otherwise than tiny_onnx" in said
    assert [cell["model"] for cell in report["cells"]] == ["tiny_onnx", "tiny_torchscript"]
    assert all(cell["summary"]["usable"] for cell in report["cells"])


def test_a_model_that_vanishes_in_the_middle_is_named_and_the_rest_measured(planted: Planted, run: Run) -> None:
    client = tritonclient.grpc.InferenceServerClient(planted.server.grpc_url)

    def requests() -> int:
        statistics = client.get_inference_statistics("vanishing", as_json=True)["model_stats"][0]
        return int(statistics["inference_stats"]["success"].get("count", 0))

    def vanish() -> None:
        wait_until(lambda: requests() > 50)
        planted.server.unload("vanishing")

    thread = threading.Thread(target=vanish)
    thread.start()
    status, report, said = run(planted.server, "--models", "tiny_onnx,vanishing", "--windows", "15")
    thread.join()
    client.close()
    assert status == 1
    kept, gone = report["cells"]
    assert len(kept["windows"]) == 15
    assert kept["error"] is None
    assert "gone" in gone["error"]
    assert len(gone["windows"]) < 15
    assert "vanishing, batch 1, concurrency 1: gone" in said


def test_an_open_loop_beyond_capacity_says_so(planted: Planted, run: Run) -> None:
    """The slow model answers 25 requests a second at the most."""
    open_loop = ("--models", "slow", "--window", "1", "--max-windows", "5")
    status, report, said = run(planted.server, *open_loop, "--request-rate", "5,50")
    assert status == 1
    kept_up, overrun = report["cells"]
    assert kept_up["summary"]["sustained"]
    assert not overrun["summary"]["sustained"]
    assert overrun["summary"]["last_quarter_ms"] > 2 * overrun["summary"]["first_quarter_ms"]
    assert overrun["summary"]["achieved_requests_per_second"] < 1.05 / DELAY
    assert len(overrun["windows"]) == 3
    assert "50 requests/s: the rate was not sustained" in said
    assert "the latency grew from" in said


def test_a_slowdown_of_ten_percent_is_a_regression_and_a_run_against_itself_is_not(
    planted: Planted, picture: str, run: Run, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The slower model is taken for the slow one of a later run.

    Both are measured in the same rounds, so that a machine that gets busier or quieter hits both alike.
    """
    models = (picture, "--models", "slow,slower", "--window", str(2 * CRAWL), "--windows", "6")
    with planted.delay("slow", CRAWL), planted.delay("slower", 1.1 * CRAWL):
        assert run(planted.server, *models)[0] == 0
    report = read_report(tmp_path / "out" / "compare.json")
    slow, slower = report.cells
    for name, cell in (("old", slow), ("new", replace(slower, setting=slow.setting))):
        write_report(replace(report, cells=(cell,), agreements=()), tmp_path / f"{name}.json")
    old, new = str(tmp_path / "old.json"), str(tmp_path / "new.json")
    judged = ("--baseline", old, "--fail-on-regression", "2%")
    assert main(["report", new, *judged]) == 1
    said = " ".join(capfd.readouterr().out.split())
    assert "images/s -" in said
    assert "a regression" in said
    assert main(["report", old, *judged]) == 0
    assert "regression" not in capfd.readouterr().out


def test_a_run_is_held_against_a_stored_one(planted: Planted, picture: str, run: Run, tmp_path: Path) -> None:
    """From the first run to the second the model becomes five times as slow.

    Beside other load three windows scatter so much that this may be chance; eight do not. Which of its figures shows it
    first is chance too.
    """
    words = (picture, "--models", "slow", "--windows", "8", "--max-windows", "8")
    assert run(planted.server, *words, output="old")[0] == 0
    judged = ("--baseline", str(tmp_path / "old" / "compare.json"), "--fail-on-regression", "5%")
    with planted.delay("slow", WALK):
        status, _, said = run(planted.server, *words, *judged)
    assert status == 1
    assert "Change since the baseline" in said
    assert "a regression" in said


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["--models", "lion"], 2, "not on this server, or not loaded: lion"),
        (["--reference", "lion"], 2, "the reference lion is not among the models"),
        (["--batch-sizes", "9"], 2, "takes at most 8 at once"),
        (["--windows", "2"], 2, "need 3"),
        (["--url", "127.0.0.1:1,127.0.0.1:2"], 2, "one server"),
        (["--shared-memory"], 2, "leave out --shared-memory"),
        (["--fail-on-regression", "5%"], 2, "needs a --baseline"),
        (["--baseline", "no such file"], 2, "cannot be read"),
        (["--url", "127.0.0.1:1", "--timeout", "5"], 3, "tritonrepo serve"),
        (["--engine", "perf_analyzer", "--perf-analyzer", "/nowhere"], 3, "tritonclient 2.51.0"),
    ],
)
def test_wrong_words_and_missing_things(
    tiny_server: TritonServer, run: Run, words: list[str], status: int, message: str
) -> None:
    found, _, said = run(tiny_server, *words)
    assert (found, message in said) == (status, True)


def test_http_gives_the_same_report(tiny_server: TritonServer, run: Run, tmp_path: Path) -> None:
    http = ("--url", tiny_server.http_url, "--protocol", "http")
    status, report, _ = run(tiny_server, *http, "--max-slowdown", "inf")
    assert status == 0
    assert report["conditions"]["protocol"] == "http"
    assert all(cell["summary"]["queue_ms"] > 0 for cell in report["cells"])
    assert read_report(tmp_path / "out" / "compare.json").measured_models == ["tiny_onnx", "tiny_torchscript"]


def test_a_plan_and_a_server_make_a_report(tiny_server: TritonServer) -> None:
    """What the command does, in Python."""
    plan = Plan(batch_sizes=[1], concurrency=[1], window=0.1, windows=3, most_windows=3)
    steps: list[Step] = []
    report = measure(plan, f"http://{tiny_server.http_url}", progress=steps.append)
    assert [cell.setting.model for cell in report.cells] == ["tiny_onnx", "tiny_torchscript"]
    assert [len(cell.windows) for cell in report.cells] == [3, 3]
    assert [step.done for step in steps] == list(range(8))
    judgement = judge(report, Criteria(max_slowdown=float("inf")))
    assert judgement.passed
    assert judgement.choice.best is not None
    assert [model.backend for model in report.models] == ["onnxruntime", "pytorch"]
    assert report.server.version == "2.51.0"
    assert report.conditions.generated


def test_an_interruption_gives_a_report_of_what_was_measured(tiny_server: TritonServer) -> None:
    plan = Plan(batch_sizes=[1], concurrency=[1], window=0.1, windows=3, most_windows=3)

    def interrupt_at(number: int) -> Callable[[Step], None]:
        def on_step(step: Step) -> None:
            if step.done == number:
                raise KeyboardInterrupt

        return on_step

    report = measure(plan, tiny_server.grpc_url, progress=interrupt_at(5))
    assert report.interrupted
    assert [len(cell.windows) for cell in report.cells] == [2, 1]
    assert judge(report).sentences[-1] == "The run was interrupted before all its windows were measured."
    with pytest.raises(KeyboardInterrupt):
        measure(plan, tiny_server.grpc_url, progress=interrupt_at(2))


@pytest.fixture(scope="module")
def perf_analyzer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """NVIDIA's program, from the PATH or from the wheel that carries it, with the libraries that it needs."""
    found = shutil.which("perf_analyzer")
    path = Path(found) if found else download_perf_analyzer(tmp_path_factory.mktemp("perf_analyzer"))
    with lent_libraries():
        yield path


def download_perf_analyzer(directory: Path) -> Path:
    download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(directory)]
    done = subprocess.run([*download, "tritonclient==2.51.0"], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.fail(f"the package index does not give tritonclient 2.51.0: {done.stderr.strip()[-200:]}")
    (wheel,) = directory.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("/bin/perf_analyzer")]
        path = Path(archive.extract(name, directory))
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("load", "delay", "rate"),
    [(("--concurrency", "2"), DELAY, 1 / DELAY), (("--request-rate", "25"), DELAY / 2, 25)],
    ids=["closed loop", "open loop"],
)
def test_perf_analyzer_measures_the_same_cells(
    planted: Planted, pictures: Path, run: Run, perf_analyzer: Path, load: tuple[str, str], delay: float, rate: float
) -> None:
    words = (str(pictures), "--models", "slow", "--batch-sizes", "2", "--window", "0.5", *load)
    engine = ("--engine", "perf_analyzer", "--perf-analyzer", str(perf_analyzer))
    with planted.delay("slow", delay):
        status, report, _ = run(planted.server, *words, *engine)
    assert status == 0
    assert (report["engine"], report["engine_version"]) == ("perf_analyzer", "2.51.0")
    figures = report["cells"][0]["summary"]
    # The stand-in waits, one request at a time; a busy machine adds to that, and takes nothing away.
    assert 0.4 * rate < figures["requests_per_second"] < 1.2 * rate
    assert figures["images_per_second"] == pytest.approx(2 * figures["requests_per_second"])
    # A mean, which one slow request can take above the median.
    assert 1e3 * delay <= figures["compute_infer_ms"] <= figures["p99_ms"]
    assert figures["executed_batch_sizes"].startswith("2x")
    assert figures["failures"] == 0
