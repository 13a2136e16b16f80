"""The documents' comparison of the backends: both, under every load, twice in a row on one server.

    python -m benchmarks.backends --repository .bench/models

The second run is held against the first, and the status is 1 if a cell differs by more than chance: then the machine
was not the same for both. Both are stored in `--output`, the first as `baseline.json`, and the section is written
anew from the second. It takes about 21 minutes on two cores and wants a quiet machine.
"""

import argparse
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tritonrepo.compare import judge, read_report
from tritonrepo.compare.views.readme import replace_section, section
from tritonrepo.export import photographs
from tritonrepo.serve.errors import ServeError
from tritonrepo.serve.triton import TritonServer

# Relative, so that the stored names of the images are the same on every machine.
PHOTOGRAPHS = Path(".bench/photographs")
LOADS = ("--batch-sizes", "1,4,8", "--concurrency", "1,2,4")


def build_parser() -> argparse.ArgumentParser:
    summary = __doc__.splitlines()[0]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.backends", description=summary)
    parser.add_argument("--repository", type=Path, default=Path("model_repository"), metavar="DIR")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"), metavar="DIR")
    parser.add_argument("--readme", type=Path, default=Path("docs/performance.md"), metavar="FILE")
    return parser


def run(*words: str) -> None:
    """`tritonrepo WORDS`, shown. Raises SystemExit with its status unless that is 0."""
    print(f"$ tritonrepo {' '.join(words)}", flush=True)
    status = subprocess.run([sys.executable, "-m", "tritonrepo", *words], check=False).returncode
    if status:
        raise SystemExit(status)


def measure(repository: Path, output: Path) -> int:
    """Two runs, stored; how many of the second's figures differ from the first's by more than chance."""
    PHOTOGRAPHS.mkdir(parents=True, exist_ok=True)
    for path in photographs.find():
        shutil.copy(path, PHOTOGRAPHS)
    result, baseline = output / "compare.json", output / "baseline.json"
    with TritonServer(repository) as server:
        compare = ("compare", str(PHOTOGRAPHS), *LOADS, "--url", server.grpc_url, "--repository", str(repository))
        run(*compare, "--output", str(output))
        shutil.copy(result, baseline)
        run(*compare, "--output", str(output), "--baseline", str(baseline))
    found = judge(read_report(result), baseline=read_report(baseline)).changes
    significant = [change for change in found if change.significant]
    print(f"{len(significant)} of {len(found)} figures of the second run differ from the first's by more than chance")
    return len(significant)


def main(arguments: Sequence[str] | None = None) -> int:
    options = build_parser().parse_args(arguments)
    try:
        differing = measure(options.repository, options.output)
    except ServeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 3
    result = options.output / "compare.json"
    report = read_report(result)
    replace_section(options.readme, section(report, judge(report), result, options.readme))
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
