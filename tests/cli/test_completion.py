"""The shells' scripts: accepted by the shell, and right in what they offer."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tritonrepo.cli.main import VERBS, main


def script(shell: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["completion", shell]) == 0
    return capsys.readouterr().out


@pytest.fixture
def bash(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    path = tmp_path / "tritonrepo.bash"
    path.write_text(script("bash", capsys))
    return path


def offered(bash: Path, *words: str) -> set[str]:
    """What Tab offers behind the words, of which the last is begun."""
    asked = (
        'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); compopt() { :; }; '
        '_shtab_tritonrepo; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    command = ["bash", "--noprofile", "--norc", "-c", asked, str(bash), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=bash.parent)
    assert done.stderr == ""
    return set(done.stdout.split())


def test_bash_accepts_its_script(bash: Path) -> None:
    subprocess.run(["bash", "-n", str(bash)], check=True)


def test_bash_completes_verbs_options_choices_and_files(bash: Path) -> None:
    (bash.parent / "cat.jpg").touch()
    (bash.parent / "labels.txt").touch()
    assert offered(bash, "tritonrepo", "cla") == {"classify"}
    assert offered(bash, "tritonrepo", "") >= set(VERBS)
    assert offered(bash, "tritonrepo", "classify", "--gal") == {"--gallery"}
    assert offered(bash, "tritonrepo", "classify", "--format", "j") == {"json"}
    assert offered(bash, "tritonrepo", "classify", "ca") == {"cat.jpg"}
    assert offered(bash, "tritonrepo", "classify", "cat.jpg", "--labels", "l") == {"labels.txt"}
    assert "--staging" in offered(bash, "tritonrepo", "rollback", "--")


@pytest.mark.parametrize("shell", ["zsh", "tcsh"])
def test_the_other_shells_have_the_same_words(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = script(shell, capsys)
    for word in (*VERBS, "gallery", "min-top1", "perf_analyzer"):
        assert word in text
