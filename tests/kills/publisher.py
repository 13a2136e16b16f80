"""One publish of a prepared release by the real writer, in a process of its own, to be killed.

    python -m tests.kills.publisher REPOSITORY PREPARED

It says `ready`, waits for a line, says `begin`, publishes, and says `end`.
"""

import shutil
import sys
from pathlib import Path

from tests.repository.manifests import manifest_of
from tritonrepo.repository.publish import Candidate, Publication, open_repository

MODEL = "net_onnx"
KEEP = 2
"""As `tritonrepo export` does by default."""


def publish(models: Path, prepared: Path) -> Publication:
    """Publish the artifact, the configuration and the labels in the directory `prepared`."""
    labels = tuple((prepared / "labels.txt").read_text().splitlines())
    with open_repository(models) as repository:
        artifact = repository.workspace(MODEL) / "model.onnx"
        shutil.copyfile(prepared / "model.onnx", artifact)
        config = (prepared / "config.pbtxt").read_text()
        (done,) = repository.publish([Candidate(MODEL, artifact, config, labels, manifest_of(artifact))], KEEP)
    return done


def main() -> None:
    models, prepared = map(Path, sys.argv[1:])
    print("ready", flush=True)
    sys.stdin.readline()
    print("begin", flush=True)
    publish(models, prepared)
    print("end", flush=True)


if __name__ == "__main__":
    main()
