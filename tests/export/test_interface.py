"""What `tritonrepo.export` gives, and what that costs."""

import subprocess
import sys
from pathlib import Path

import pytest

from tritonrepo import export
from tritonrepo.export import FORMATS, Options, Serving, Watcher, build
from tritonrepo.export.steps import DEPRECATED
from tritonrepo.repository.layout import version_numbers
from tritonrepo.repository.publish import Publication


def test_the_interface_is_what_it_lists() -> None:
    for name in export.__all__:
        assert getattr(export, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        _ = export.Nonsense


def test_what_a_factory_needs_brings_no_framework() -> None:
    program = (
        "from tritonrepo.export import ModelSpec, Options, Preprocessing, Serving, Watcher\n"
        "import sys\n"
        "print(*{'torch', 'onnx', 'onnxruntime', 'tritonclient', 'skimage'} & set(sys.modules))"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == ""


@pytest.mark.slow
def test_an_export_is_a_function(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    steps: list[str] = []
    notices: list[str] = []
    options = Options(
        "tests/factories.py:tiny", None, (FORMATS["torchscript"],), tmp_path / "models", Serving(max_batch_size=2)
    )
    result = build(options, Watcher(notices.append, steps.append))
    assert result.exit_status == 0
    assert steps[-1] == "publish"
    assert notices.count(DEPRECATED) == 1
    assert version_numbers(tmp_path / "models/tiny_torchscript") == [1]
    assert [outcome.publication for outcome in result.outcomes] == [Publication(1, "published")]
    assert capfd.readouterr() == ("", "")
