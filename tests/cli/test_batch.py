"""`tritonrepo batch`: what it refuses before anything is started."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.hostile import HostileServer, response, sending
from tritonrepo.cli.main import main


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        ("photos --output out --repository models --url gpu:8001", 2, "--url and how to reach it do not go with it"),
        ("photos --output out --repository models --tls", 2, "--url and how to reach it do not go with it"),
        ("photos --output hdfs://host/SECRET", 2, "hdfs is no object store; give s3://BUCKET/PREFIX"),
        ("list.csv --output out", 2, "say with --column NAME which of its columns holds the images"),
        ("photos --output out", 1, "photos: no images in this directory"),
        (
            "photos --output out --address ray://127.0.0.1:1",
            2,
            "ray:// is for clients outside of the cluster, and this",
        ),
        (
            "photos --output out --address head",
            2,
            "--address: this command runs on a node: give HOST:PORT, as `ray start",
        ),
        ("photos --output out --address 127.0.0.1:1", 3, "no Ray cluster at 127.0.0.1:1: Connection refused. Is it up"),
        ("photos --output out --address [::1]:1", 3, "no Ray cluster at [::1]:1: Connection refused. Is it up"),
        ("photos --output out --address nobody.invalid:1", 3, "no Ray cluster at nobody.invalid:1: unknown host"),
    ],
)
def test_wrong_words_are_refused_at_once(
    words: str,
    status: int,
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    assert main(["batch", *words.split()]) == status
    err = capsys.readouterr().err
    assert sentence in err
    assert "SECRET" not in err


@pytest.mark.parametrize("words", [["", "--output", "out"], ["photos", "--output", ""], ["photos", "--output", " "]])
def test_a_variable_that_is_not_set_is_no_directory(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["batch", *words])
    assert "the path is empty; . is the working directory" in capsys.readouterr().err


@pytest.mark.parametrize("package", ["ray", "pyarrow", "obstore"])
def test_a_missing_package_is_named(tmp_path: Path, package: str) -> None:
    words = ["batch", "s3://bucket/photos" if package == "obstore" else str(tmp_path), "--output", str(tmp_path)]
    script = (
        f"import sys\nsys.modules[{package!r}] = None\nfrom tritonrepo.cli.main import main\nsys.exit(main({words}))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr
    said = " ".join(done.stderr.split())
    assert f"the package {package} is not installed: pip install" in said
    assert "[batch]" in said


def test_an_address_where_something_else_listens_is_no_cluster(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ray itself would wait for ever."""
    with HostileServer(sending(response(b"{}"))) as server:
        words = ["batch", str(tmp_path), "--output", str(tmp_path / "out"), "--address", server.url]
        assert main(words) == 3
        assert f"no Ray cluster at {server.url}: something else listens there" in capsys.readouterr().err
