"""What the documents say is held against the code: links, commands, options, targets, Python."""

from __future__ import annotations

import argparse
import ast
import importlib
import importlib.util
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tritonrepo.cli.main import VERBS, parser

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
FOLDERS = [path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")]
LONGEST_README = 250
# Options that the documents name and other programs have.
FOREIGN_OPTIONS = {
    "--allow-client-shm",
    "--allow-grpc",
    "--allow-http",
    "--allow-metrics",
    "--allow-sagemaker",
    "--allow-vertex-ai",
    "--backend-config",
    "--disable-auto-complete-config",
    "--exit-on-error",
    "--grpc-restricted-protocol",
    "--grpc-use-ssl",
    "--grpc-use-ssl-mutual",
    "--http-restricted-api",
    "--model-control-mode",
    "--networks",
    "--public_key",
    "--repository-poll-secs",
    "--rounds",
    "--signature",
    "--strict-readiness",
    "--trace-config",
    "--waiting",
}

each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=[str(path.relative_to(ROOT)) for path in DOCUMENTS])


def fenced(text: str) -> Iterator[tuple[str, str]]:
    """The language and the text of each fenced block."""
    for match in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield match[1], match[2]


def prose(text: str) -> str:
    """What is in no fenced block."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def spans(text: str) -> list[str]:
    """The code within lines, a table's escaped bars unescaped."""
    return [" ".join(span.split()).replace("\\|", "|") for span in re.findall(r"`([^`]+)`", prose(text))]


def shell_lines(text: str) -> list[str]:
    """Every line that a reader may paste into a shell: of fenced and indented blocks, and single commands in prose."""
    blocks = [block for language, block in fenced(text) if language in ("", "sh")]
    indented = re.findall(r"^ {4,}(\S.*)$", prose(text), re.MULTILINE)
    lines = [line.strip().removeprefix("$ ") for block in [*blocks, *indented] for line in block.splitlines()]
    return [*lines, *spans(text)]


def commands(text: str) -> Iterator[list[str]]:
    """The words after `tritonrepo` in each line that begins with it, up to a pipe or a redirection."""
    for line in shell_lines(text):
        if line.startswith("tritonrepo "):
            words = shlex.split(line, comments=True)[1:]
            end = next((number for number, word in enumerate(words) if word in ("|", ">", "2>")), len(words))
            yield words[:end]


def slug(heading: str) -> str:
    """GitHub's anchor of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.fixture(scope="module")
def command() -> argparse.ArgumentParser:
    return parser("tritonrepo", tuple(VERBS), loaded=tuple(VERBS))


@each_document
def test_links_and_pictures_lead_somewhere(document: Path) -> None:
    text = prose(document.read_text(encoding="utf-8"))
    found = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r"(?:src|href)=\"([^\"]+)\"", text)
    for link in found:
        if link.startswith(("https://", "http://")):
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.*)$", prose(target.read_text(encoding="utf-8")), re.MULTILINE)
            assert anchor in map(slug, headings), link


def test_the_readme_leads_to_every_document() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    missing = [path.name for path in DOCUMENTS if path.name != "README.md" and f"{path.relative_to(ROOT)})" not in text]
    assert not missing


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= LONGEST_README


@each_document
def test_commands_are_understood(
    document: Path, command: argparse.ArgumentParser, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in commands(document.read_text(encoding="utf-8")):
        if len(words) == 1 and words[0] in VERBS:
            continue  # The name of a verb, in a sentence.
        assert status(command, words) == 0, f"tritonrepo {shlex.join(words)}: {capsys.readouterr().err}"


def test_a_command_that_is_wrong_would_be_found(command: argparse.ArgumentParser) -> None:
    (words,) = commands("Try:\n\n    tritonrepo classify photos/ --galery out.html   # a page\n")
    assert status(command, words) == 2


def status(command: argparse.ArgumentParser, words: list[str]) -> object:
    """How parsing the words ends: 0, or 2 for words that are wrong. Nothing is executed."""
    try:
        command.parse_args(words)
    except SystemExit as end:
        return end.code
    return 0


@each_document
def test_options_exist(document: Path, command: argparse.ArgumentParser) -> None:
    (verbs,) = (action for action in command._actions if isinstance(action, argparse._SubParsersAction))
    known = {option for one in (command, *verbs.choices.values()) for option in one._option_string_actions}
    named = {
        option
        for span in spans(document.read_text(encoding="utf-8"))
        for option in re.findall(r"(?<![\w-])--[a-z][\w-]*", span)
    }
    assert named <= known | FOREIGN_OPTIONS


@each_document
def test_make_targets_exist(document: Path) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    lines = shell_lines(document.read_text(encoding="utf-8"))
    named = {match[1] for line in lines if (match := re.match(r"make ([a-z][a-z-]*)", line))}
    assert named <= targets


@each_document
def test_modules_that_are_run_exist(document: Path) -> None:
    named = re.findall(r"python -m ((?:benchmarks|examples|tests)[.\w]*)", document.read_text(encoding="utf-8"))
    assert [name for name in named if importlib.util.find_spec(name) is None] == []


@each_document
def test_files_that_are_named_exist(document: Path) -> None:
    if document.name == "CHANGELOG.md":
        return  # It names what was, too.
    text = document.read_text(encoding="utf-8")
    path = rf"(?<![\w/.-])(?:{'|'.join(FOLDERS)})/[a-z0-9_/.-]*\.(?:py|sh|json|png|html|css|ipynb|md)\b"
    named = re.findall(path, text)
    missing = [name for name in named if not (ROOT / name).exists() and not (document.parent / name).exists()]
    assert not missing


@each_document
def test_python_compiles_and_its_imports_resolve(document: Path) -> None:
    for language, block in fenced(document.read_text(encoding="utf-8")):
        if language == "python":
            check_imports(block)


def test_the_notebook_compiles_and_its_imports_resolve() -> None:
    notebook = json.loads((ROOT / "examples" / "classify.ipynb").read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            check_imports("".join(cell["source"]))


def check_imports(source: str) -> None:
    """Compile it, and import every name of this project that it imports."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tritonrepo"):
            module = importlib.import_module(node.module or "")
            for alias in node.names:
                assert hasattr(module, alias.name), f"{node.module} has no {alias.name}"
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("tritonrepo"):
                    importlib.import_module(alias.name)


def test_each_reported_fault_names_tests_that_are_there() -> None:
    named = spans((ROOT / "docs" / "faults.md").read_text())
    files = {name for name in named if name.startswith("tests/") and name.endswith(".py")}
    tests = {name for name in named if name.startswith("test_")}
    code = "".join(path.read_text() for path in (ROOT / "tests").rglob("*.py"))
    assert sorted(name for name in files if not (ROOT / name).is_file()) == []
    assert sorted(name for name in tests if f"def {name}(" not in code) == []
    assert len(files) > 20
    assert len(tests) > 30
