"""`tritonrepo sign` and `verify`, and who else asks for a key, as their users meet them."""

from pathlib import Path

import pytest

from tests.repository.keys import CONFIG, Pair, make_pair, release_signed
from tests.repository.releases import NAME, release
from tritonrepo.cli.main import main


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return make_pair(tmp_path, "key")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "models"


def run(verb: str, root: Path, *words: object) -> int:
    return main([verb, "--repository", str(root), *map(str, words)])


def test_sign_and_verify(root: Path, pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    release(root, b"one", CONFIG)
    assert run("verify", root, NAME, "--public-key", pair.public) == 1
    assert "refused  net_onnx, version 1: has no signature; sign it with" in capsys.readouterr().out
    assert run("sign", root, "net", "--key", pair.private) == 0
    assert capsys.readouterr().out == "net_onnx: version 1 is signed\n"
    assert run("verify", root, NAME, "--public-key", pair.public) == 0
    assert capsys.readouterr().out == "ok       net_onnx, version 1\n"


def test_one_version_of_several(root: Path, pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    release(root, b"one", CONFIG)
    release(root, b"two", CONFIG)
    assert run("sign", root, NAME, "--key", pair.private, "--version", 1) == 0
    assert run("verify", root, NAME, "--public-key", pair.public, "--version", 1) == 0
    assert run("verify", root, NAME, "--public-key", pair.public) == 1
    assert "net_onnx, version 2: has no signature" in capsys.readouterr().out


def test_words_that_are_wrong(root: Path, pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    release(root, b"one", CONFIG)
    assert run("sign", root, "cow", "--key", pair.private) == 2
    assert "no such model" in capsys.readouterr().err
    assert run("sign", root, NAME, "--key", pair.public) == 2
    assert "is no private key in PEM; make one with: openssl ecparam" in capsys.readouterr().err


def test_doctor(root: Path, pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    release(root, b"one", CONFIG)
    release_signed(root, pair, b"two")
    run("doctor", root, "--public-key", pair.public)
    lines = " ".join(capsys.readouterr().out.split())
    assert "note net_onnx/1: net_onnx, version 1: has no signature" in lines
    assert f"ok net_onnx/2: is signed with {pair.public}, and as it was signed" in lines
    (root / NAME / "2" / "labels.txt").write_text("a\nc\n")
    assert run("doctor", root, "--public-key", pair.public) == 1
    assert "fail net_onnx/2: net_onnx, version 2: labels.txt: is not as it was signed" in " ".join(
        capsys.readouterr().out.split()
    )


def test_serve_starts_nothing_that_is_not_signed(root: Path, pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    release(root, b"one", CONFIG)
    assert run("serve", root, "--public-key", pair.public) == 3
    assert "nothing is served:\nnet_onnx, version 1: has no signature" in capsys.readouterr().err


def test_serve_does_not_promise_what_polling_would_break(
    root: Path, pair: Pair, capsys: pytest.CaptureFixture[str]
) -> None:
    release_signed(root, pair)
    assert run("serve", root, "--public-key", pair.public, "--poll", 5) == 2
    assert "a server that polls loads what it finds" in capsys.readouterr().err
