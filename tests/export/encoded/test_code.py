"""The code of the steps needs nothing but numpy and what lies beside it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tritonrepo.client.preprocess import Preprocessing, preprocess
from tritonrepo.export.encoded.code import lay_out

ISOLATED = """
import os, sys
from pathlib import Path
step, numpy = Path(sys.argv[1]), sys.argv[2]
sys.path[:] = [path for path in sys.path if "site-packages" not in path]
class Triton:  # of what Triton's Python backend brings, what is needed to import the step
    pass
sys.modules["triton_python_backend_utils"] = Triton()
packages = step.parent / "numpy-alone"
packages.mkdir(exist_ok=True)
for name in os.listdir(numpy):
    if name.startswith("numpy") and not (packages / name).exists():
        (packages / name).symlink_to(Path(numpy, name))
sys.path.append(str(packages))
sys.path.insert(0, str(step))
import model
for name, module in list(sys.modules.items()):
    if name.split(".")[0] in ("PIL", "tritonrepo") and getattr(module, "__file__", None):
        assert str(step) in module.__file__, module.__file__
"""
PREPARE = """
import numpy as np
one = model.TritonPythonModel()
one.preprocessing = model.Preprocessing(resize=36, crop=32)
row = np.zeros((3, 32, 32), np.float32)
assert one.prepare((Path(sys.argv[3]).read_bytes(), row)) == ""
sys.stdout.buffer.write(row.tobytes())
"""


@pytest.fixture(scope="module")
def laid_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lay_out(tmp_path_factory.mktemp("code"), lambda _: None)


def run(program: str, *words: object) -> bytes:
    numpy = Path(np.__file__).parents[1]
    command = [sys.executable, "-I", "-c", program, str(words[0]), str(numpy), *map(str, words[1:])]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def test_the_first_step_prepares_a_picture_as_the_client_does(laid_out: Path, tmp_path: Path) -> None:
    picture = tmp_path / "picture.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)).save(picture)
    with Image.open(picture) as image:
        expected = preprocess(image, Preprocessing(resize=36, crop=32))
    assert run(ISOLATED + PREPARE, laid_out / "decode", picture) == expected.tobytes()


def test_the_last_step_needs_no_pillow(laid_out: Path) -> None:
    run(ISOLATED + 'assert "PIL" not in sys.modules\n', laid_out / "rank")


def test_python_finds_no_place_for_its_own_files(laid_out: Path) -> None:
    for step in ("decode", "rank"):
        run(ISOLATED, laid_out / step)
    assert not list(laid_out.rglob("*.pyc"))
