"""`make fuzz`: damaged pictures and a hostile server, and one table of what became of them."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.fuzz.answers import hostile_answers, hostile_grpc_answers
from tests.fuzz.pictures import damaged_pictures, odd_files
from tests.fuzz.tally import Tally, table


def main() -> int:
    """Run all of it; 1 if anything but named errors came of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="the same seed makes the same files and answers (0)")
    parser.add_argument("--pictures", type=int, default=5000, help="damaged files in all (5000)")
    parser.add_argument("--answers", type=int, default=50, help="answers of each kind (50)")
    args = parser.parse_args()
    begin = time.monotonic()
    rows = []
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        for row in _rows(args, Path(name)):
            print(f"{row.kind}: {row.tried:,} tried", file=sys.stderr)
            for harm in row.tracebacks[:5]:
                print(f"  {harm}", file=sys.stderr)
            rows.append(row)
        noise = sum(path.stat().st_size for path in Path(name).glob("*.stderr"))
    print(table(rows))
    print(f"\nSeed {args.seed}, {time.monotonic() - begin:.0f} s, {noise:,} bytes of decoders' own on standard error.")
    return 0 if all(row.survived for row in rows) else 1


def _rows(args: argparse.Namespace, directory: Path) -> Iterator[Tally]:
    yield from damaged_pictures(args.seed, args.pictures, directory)
    yield from odd_files(directory)
    yield from hostile_answers(args.seed, args.answers)
    yield from hostile_grpc_answers(args.seed, 10 * args.answers)


if __name__ == "__main__":
    sys.exit(main())
