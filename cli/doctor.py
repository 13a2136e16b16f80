"""`tritonrepo doctor`: what this machine has, and what in a repository would fail to load."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.text import Text

from tritonrepo.cli import terminal
from tritonrepo.cli.arguments import add_public_key
from tritonrepo.cli.places import STORES, repository
from tritonrepo.cli.status import EXIT_DONE, EXIT_SOME_FAILED
from tritonrepo.client.text import printable
from tritonrepo.repository.doctor import examine_repository, examine_store
from tritonrepo.repository.findings import Finding
from tritonrepo.repository.host import examine_host
from tritonrepo.repository.release import TRITON_RELEASE, pinned_release
from tritonrepo.repository.signatures import examine_signatures
from tritonrepo.repository.store.address import Address, open_store

HERE = Path("model_repository")
SUMMARY = (
    "Say what this machine has, what each format needs, and what in the repository Triton would fail to load. Changes "
    "nothing. Exit status 1 if something would fail."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of `doctor`."""
    parser.add_argument(
        "--repository",
        type=repository,
        metavar="DIR|URL",
        help=f"what to examine, a directory or {STORES}; without it {HERE}, if that is there",
    )
    parser.add_argument(
        "--triton-release",
        metavar="YY.MM",
        help=f"the release that is to serve; without it the one that a checkout's .env pins, else {TRITON_RELEASE}",
    )
    add_public_key(parser)


def run(args: argparse.Namespace) -> int:
    """Examine; the exit status."""
    release = args.triton_release or pinned_release()
    place = args.repository or (HERE if args.public_key else None)
    findings = [*examine_host(), *_examine(place, release)]
    if place and args.public_key:
        findings += examine_signatures(open_store(place), args.public_key)
    output = terminal.console()
    for finding in findings:
        output.print(_line(finding), soft_wrap=True)
    failures = sum(finding.level == "fail" for finding in findings)
    signed = ", or are of signatures that do not hold" if args.public_key else ""
    output.print(f"{failures} of {len(findings)} findings would keep Triton {release} from loading a model{signed}")
    return EXIT_SOME_FAILED if failures else EXIT_DONE


def _examine(place: Path | Address | None, release: str) -> list[Finding]:
    """A repository that is named must be there; without one, the machine is worth a look by itself."""
    if place is None and not HERE.is_dir():
        return [Finding("note", f"{HERE}", "is not here", "make one with: tritonrepo export")]
    if isinstance(place, Address):
        return examine_store(open_store(place), release)
    return examine_repository(place or HERE, release)


def _line(finding: Finding) -> Text:
    """How it stands, about what, and what mends it."""
    style = {"ok": "green", "note": "yellow", "fail": "red"}[finding.level]
    remedy = f" -> {finding.remedy}" if finding.remedy else ""
    return Text.assemble((f"{finding.level:<5}", style), printable(f"{finding.subject}: {finding.text}{remedy}"))
