"""Which Triton release is to serve."""

from pathlib import Path

import pytest

from tritonrepo.client.errors import UsageError
from tritonrepo.repository import release

DOT_ENV = Path(__file__).parents[2] / ".env"


def test_the_containers_run_the_release_that_this_version_is_made_for() -> None:
    assert release.read_release(DOT_ENV) == release.TRITON_RELEASE
    assert release.pinned_release() == release.TRITON_RELEASE


def test_a_dot_env_has_the_last_word(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=b\nTRITON_RELEASE=26.07\n")
    assert release.read_release(tmp_path / ".env") == "26.07"


def test_without_a_dot_env_it_is_that_of_the_package(tmp_path: Path) -> None:
    assert release.read_release(tmp_path / ".env") == release.TRITON_RELEASE


@pytest.mark.parametrize("text", ["", "TRITON_RELEASE=latest\n", "#TRITON_RELEASE=26.09\n"])
def test_a_dot_env_that_pins_none_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / ".env").write_text(text)
    with pytest.raises(UsageError, match="--triton-release"):
        release.read_release(tmp_path / ".env")


@pytest.mark.parametrize("text", ["nonsense", "26.7", "26.13", "26.07.1", "\N{ARABIC-INDIC DIGIT TWO}6.07"])
def test_what_is_no_release_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"name a release as YY\.MM"):
        release.check_release(text)


def test_a_release_is_taken() -> None:
    release.check_release("26.07")
