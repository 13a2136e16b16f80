"""Publishes of a prepared release by the real writer, each in a process of its own, to be killed.

    python -m tests.kills.publisher REPOSITORY PREPARED

For each line that it reads it forks a process that publishes, and says `begin PID`; that process says `end` when it has
done all; when it is no more, `status N` follows. A fork costs no imports.
"""

import os
import shutil
import sys
import traceback
from pathlib import Path
from typing import NoReturn

from tests.repository.manifests import manifest_of
from tritonrepo.cli.places import repository
from tritonrepo.repository.candidate import Candidate
from tritonrepo.repository.publish import Publication, open_repository
from tritonrepo.repository.store.address import Address

MODEL = "net_onnx"
KEEP = 2
"""As `tritonrepo export` does by default."""


def publish(models: Path | Address, prepared: Path) -> Publication:
    """Publish the artifact, the configuration and the labels in the directory `prepared`."""
    labels = tuple((prepared / "labels.txt").read_text().splitlines())
    with open_repository(models) as opened:
        artifact = opened.workspace(MODEL) / "model.onnx"
        shutil.copyfile(prepared / "model.onnx", artifact)
        config = (prepared / "config.pbtxt").read_text()
        (done,) = opened.publish([Candidate(MODEL, artifact, config, labels, manifest_of(artifact))], KEEP)
    return done


def main() -> None:
    models, prepared = repository(sys.argv[1]), Path(sys.argv[2])
    for _ in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _publish_and_exit(models, prepared)
        print(f"begin {pid}", flush=True)
        _, status = os.waitpid(pid, 0)
        print(f"status {os.waitstatus_to_exitcode(status)}", flush=True)


def _publish_and_exit(models: Path | Address, prepared: Path) -> NoReturn:
    status = 1
    try:
        publish(models, prepared)
        os.write(1, b"end\n")
        status = 0
    except Exception:
        traceback.print_exc()
    finally:
        os._exit(status)


if __name__ == "__main__":
    main()
