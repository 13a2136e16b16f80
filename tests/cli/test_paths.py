"""Every word that is a path, of every verb: an address is refused before anything is done with it."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tritonrepo.cli import arguments, export_words
from tritonrepo.cli.main import VERBS, verb_parser
from tritonrepo.client.sources import expand

# What takes addresses, and what names neither.
OTHERS = {
    "--url", "images", "--format", "--formats", "--name", "--reference", "--models", "names", "shell",
    "--triton-release", "--check", "--host", "--known-as", "--server",
}  # fmt: skip
OF_A_VERB = {"release": {"name"}, "batch": {"input", "--output", "--column", "--model", "--address"}}
"""What names no path, or may name a store, in one verb."""
ADDRESSES = ("s3://bucket/models", "gs://bucket/x", "as://account/x", "http://user:secret@host/x", "S3://B", "hdfs:/x")


def text_words() -> Iterator[tuple[str, argparse.Action]]:
    """The words of each verb that are no numbers and no choices."""
    for verb in VERBS:
        for action in verb_parser("t", verb)._actions:
            words = {*action.option_strings, action.dest}
            if action.nargs == 0 or action.choices or words & (OTHERS | OF_A_VERB.get(verb, set())):
                continue
            if verb in ("classify", "evaluate") and "--model" in words:  # a name on the server
                continue
            if "--repository" in words and verb != "tune":  # a store too
                continue
            if verb == "tune" and "model" in words:  # a name in the repository
                continue
            yield verb, action


def paths() -> list[tuple[str, str]]:
    found = [
        (verb, (action.option_strings or [action.dest])[-1])
        for verb, action in text_words()
        if action.type in (arguments.path, arguments.word, export_words.model, None, Path)
    ]
    assert len(found) > 25
    return found


@pytest.mark.parametrize(("verb", "word"), paths())
def test_an_address_is_refused(
    verb: str,
    word: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    found = verb_parser(f"tritonrepo {verb}", verb)
    for address in ADDRESSES:
        with pytest.raises(SystemExit) as caught:
            found.parse_args([word, address] if word.startswith("-") else [address])
        assert caught.value.code == 2
        errors = " ".join(capsys.readouterr().err.split())
        assert f"{address.partition(':')[0].lower()}:// is an address" in errors
        assert "give a path on this machine" in errors
        assert "secret" not in errors
    assert os.listdir(tmp_path) == []  # noqa: PTH208


@pytest.mark.parametrize("verb", ["export", "rollback", "versions", "doctor", "serve"])
def test_a_repository_may_be_a_store_and_no_other_address(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    found, names = verb_parser(f"tritonrepo {verb}", verb), ["net"] if verb == "rollback" else []
    for address in ("s3://bucket/models", "s3://http://host:9000/bucket/x", "gs://bucket/x", "as://account/box/x"):
        assert str(found.parse_args([*names, "--repository", address]).repository) == address
    for address in ("http://host/x", "hdfs:/x", "s3://user:secret@host:1/b/x", "s3://", "file:///srv/models"):
        with pytest.raises(SystemExit) as caught:
            found.parse_args([*names, "--repository", address])
        assert caught.value.code == 2
        assert "secret" not in capsys.readouterr().err


def test_a_file_address_says_what_to_give(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        verb_parser("t", "export").parse_args(["--repository", "file:///srv/models"])
    assert "give the path itself, without file://" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    "text", ["models", "/srv/models", "a:b", "model.py:make", "package.module:make", "C:/models", "./s3:/x", "seeded:3"]
)
def test_what_is_no_address_is_taken(text: str) -> None:
    assert arguments.word(text) == text
    assert arguments.path(text) == Path(text)


@pytest.mark.parametrize("text", ["", " "])
def test_an_empty_path_is_not_the_working_directory(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """As a shell makes of a variable that is not set; `--labels ""` took the folders beside the user for classes."""
    for word in ("--labels", "--repository", "--images", "--spec"):
        with pytest.raises(SystemExit):
            verb_parser("t", "export").parse_args([word, text])
        assert f"argument {word}: the path is empty; . is the working directory" in capsys.readouterr().err


def test_images_are_fetched_by_http_alone_and_others_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s3:").mkdir()
    (tmp_path / "s3:" / "here.png").touch()
    here, s3, ftp, web = expand(["s3:/here.png", "s3://bucket/a.png", "ftp://host/*.png", "https://host/a.png"])
    assert here.content == Path("s3:/here.png")
    assert "images are not fetched by s3; give http, https or a path" in str(s3.content)
    assert "images are not fetched by ftp" in str(ftp.content)
    assert web.content == "https://host/a.png"


@pytest.mark.parametrize("text", ["timm:/srv/mine", "hf:/srv/mine/", "hf:mine", "timm:resnet18", "/srv/mine.py:make"])
def test_a_librarys_directory_may_be_an_absolute_path(text: str) -> None:
    assert verb_parser("t", "export").parse_args(["--model", text]).model == text


def test_the_word_of_a_library_lets_no_address_through() -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="hf:// is an address"):
        export_words.model("hf://somebody/vit")
