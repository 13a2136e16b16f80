"""Builds the sdist and the wheel, installs the wheel into an empty environment, and uses it as a stranger would.

    python .ci/install_check.py

The working directory there has folders called `client`, `export` and `serve`, which must not shadow anything.
"""

import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = '''\
"""Ten lines of a user's."""

from tritonrepo.client import Classifier, Options, Result


def best(url: str, image: str) -> str:
    with Classifier(url) as classifier:
        results: list[Result] = list(classifier.classify([image], Options(top=1)))
    prediction = results[0].predictions[0]
    return f"{prediction.label}: {prediction.score:.2f} {prediction.probability}"
'''


def main() -> int:
    """Run every check and stop at the first that fails, with its output."""
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        wheel = build(place / "dist")
        check_contents(wheel)
        python = install(wheel, place / "environment")
        check_use(python, place / "work")
    print("The wheel installs, runs and type-checks outside the checkout.")
    return 0


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    """Run a command; what it printed. Ends the program with its output if it fails."""
    done = subprocess.run([*map(str, command)], cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def build(directory: Path) -> Path:
    """The wheel, made from the sdist."""
    run(sys.executable, "-m", "build", "--outdir", directory)
    (sdist,) = directory.glob("*.tar.gz")
    (wheel,) = directory.glob("*.whl")
    print(f"{sdist.name}: {sdist.stat().st_size / 1e3:.0f} kB; {wheel.name}: {wheel.stat().st_size / 1e3:.0f} kB")
    return wheel


def check_contents(wheel: Path) -> None:
    """Nothing but `tritonrepo` at the top level, and every module of the checkout in it."""
    names = zipfile.ZipFile(wheel).namelist()
    top = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    if top != {"tritonrepo"}:
        sys.exit(f"{wheel.name} has the top-level names {sorted(top)}")
    rooms = [path.name for path in (ROOT / "src" / "tritonrepo").iterdir() if path.is_symlink()]
    wanted = {
        f"tritonrepo/{path.relative_to(ROOT)}"
        for room in rooms
        for pattern in ("*.py", "*.html", "*.css", "*.js", "*.yaml")
        for path in (ROOT / room).rglob(pattern)
        if path.parent.name != "checkout"
    }
    if missing := wanted - set(names):
        sys.exit(f"{wheel.name} lacks {sorted(missing)}")


def install(wheel: Path, directory: Path) -> Path:
    """An environment that holds the wheel and what it needs, without extras; its Python."""
    venv.create(directory, with_pip=True)
    python = directory / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel)
    run(python, "-m", "pip", "check")
    return python


def check_use(python: Path, work: Path) -> None:
    """The commands, an import, and a strictly typed script, among folders with the rooms' names."""
    for name in ("client", "export", "serve"):
        (work / name).mkdir(parents=True)
        (work / name / "__init__.py").write_text("raise SystemExit('this folder shadows the package')\n")
    (work / "script.py").write_text(SCRIPT)
    command = python.with_name("tritonrepo")
    print(run(command, "--version", cwd=work), end="")
    run(python, "-m", "tritonrepo", "--version", cwd=work)
    print(run(command, "doctor", cwd=work), end="")
    run(command, "classify", "--help", cwd=work)
    run(python, "-c", "from tritonrepo.client import Classifier; print(Classifier.__name__)", cwd=work)
    run(sys.executable, "-m", "mypy", "--strict", "--python-executable", python, "script.py", cwd=work)


if __name__ == "__main__":
    sys.exit(main())
