"""`tritonrepo serve` over an object store."""

import os
import signal
import subprocess
import sys
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import pytest

from tests import azurite
from tests.cli.test_serve import ROOT, Command, run_curl, serving
from tests.conftest import CLOUDS, wait_until
from tests.kills.publisher import MODEL, publish
from tests.kills.releases import prepare
from tests.objectstore import CREDENTIALS, make_bucket, object_store
from tritonrepo.cli.main import main
from tritonrepo.repository.store.address import Address

pytestmark = [pytest.mark.live, pytest.mark.slow]

OTHERS = ["gs", *(["as"] if azurite.DISGUISED in os.environ else [])]
"""Triton's client of Azure's store reaches Azurite in a disguise alone (`make stores`)."""


def test_it_serves_a_store_and_takes_versions_as_they_are_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with ExitStack() as stack:
        store = ExitStack()
        bucket = make_bucket(store.enter_context(object_store(tmp_path / "store.log")), "models")
        stack.callback(store.close)
        prepare_and_publish(bucket, tmp_path, 1)
        command = stack.enter_context(serving(bucket, "--poll", "1"))
        assert command.process.stdout is not None
        (line,) = [line for line in command.output.splitlines() if "| curl" in line]
        assert run_curl(line)["model_version"] == "1"
        heals(command)
        prepare_and_publish(bucket, tmp_path, 2)
        await_told(command, f"{MODEL}: version 2 took over from 1\n")  # what healed may be told of before
        assert main(["rollback", MODEL, "--repository", str(bucket)]) == 0
        assert command.process.stdout.readline() == f"{MODEL}: version 1 took over from 2\n"
        store.close()  # when Triton has all that it asked for: it would go on asking for minutes
        await_told(command, f"{bucket}: nobody answers at {bucket.endpoint}")
        assert run_curl(line)["model_version"] == "1"
        status, _, errors = command.end(signal.SIGINT)
        assert (status, errors) == (0, "")
        assert command.traces() == []


@pytest.mark.parametrize("kind", OTHERS)
def test_it_serves_other_stores(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Triton has a client of its own for each."""
    bucket: Address = request.getfixturevalue(CLOUDS[kind])
    prepare_and_publish(bucket, tmp_path, 1)
    with serving(bucket, "--poll", "1") as command:
        assert command.process.stdout is not None
        (line,) = [line for line in command.output.splitlines() if "| curl" in line]
        assert run_curl(line)["model_version"] == "1"
        prepare_and_publish(bucket, tmp_path, 2)
        assert command.process.stdout.readline() == f"{MODEL}: version 2 took over from 1\n"
        assert main(["rollback", MODEL, "--repository", str(bucket)]) == 0
        assert command.process.stdout.readline() == f"{MODEL}: version 1 took over from 2\n"
        assert run_curl(line)["model_version"] == "1"


def await_told(command: Command, words: str) -> None:
    """Read until the words are said."""
    assert command.process.stdout is not None
    said = command.process.stdout.readline()
    while words not in said:
        assert said
        said = command.process.stdout.readline()


def heals(command: Command) -> None:
    """Kill the process behind the model, and see that it is known by name and loaded again."""
    assert command.process.stdout is not None
    wait_until(lambda: len(stubs(command)) == 1)
    (stub,) = stubs(command)
    stub.kill()
    said = command.process.stdout.readline()
    assert said == f"{MODEL}: its process ended; it is loaded again\n"
    while not said.endswith(f"{MODEL}: answers again\n"):
        said = command.process.stdout.readline()


def stubs(command: Command) -> list[psutil.Process]:
    """The processes behind the models."""
    found = []
    for child in command.find_server().children():
        with suppress(psutil.NoSuchProcess):  # that of the version before ends about now
            found += [child] if child.status() != psutil.STATUS_ZOMBIE else []
    return found


def prepare_and_publish(bucket: Address, place: Path, version: int) -> None:
    (place / str(version)).mkdir()
    prepare(place / str(version), version)
    assert publish(bucket, place / str(version)).version == version


def test_a_store_that_is_empty_or_not_there(bucket: Address, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--repository", str(bucket)]) == 3
    assert f"the model repository {bucket} is empty; fill it with" in capsys.readouterr().err
    assert main(["serve", "--repository", f"s3://{bucket.endpoint}/nothing/x"]) == 3
    assert "there is no bucket nothing" in capsys.readouterr().err


def test_without_the_extra_it_says_how_to_install_it(bucket: Address) -> None:
    code = (
        "import sys; sys.modules['obstore'] = None; from tritonrepo.cli.main import main; "
        "sys.exit(main(['versions', '--repository', sys.argv[1]]))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(bucket)], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (3, "")
    assert "the package obstore is not installed: pip install" in done.stderr
