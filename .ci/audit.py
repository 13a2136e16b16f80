"""Known vulnerabilities of the packages in this environment, by pip-audit: `make audit`.

The status is 0 where the data base knew the packages and no vulnerability of theirs, 1 where it knows one, and 3 where
it could not be asked: pip-audit by itself calls that "no known vulnerabilities found" if the data base answers 404.
"""

import json
import subprocess
import sys
from typing import Any

SERVICES = ("pypi", "osv")
"""pip-audit's names of the data bases, in the order in which they are asked."""
OURS = "triton-repository-builder"


def main() -> int:
    """Ask one data base after the other until one answers."""
    for service in SERVICES:
        command = [sys.executable, "-m", "pip_audit", "--format", "json", "--progress-spinner", "off", "-s", service]
        done = subprocess.run(command, capture_output=True, text=True)
        sentence, status = verdict(service, done.stdout, done.stderr)
        print(sentence)
        if status != 3:
            return status
    print("Nothing was checked: no data base is within reach. Run this where one is.")
    return 3


def verdict(service: str, output: str, errors: str) -> tuple[str, int]:
    """What a run of pip-audit says, and the status for it.

    Args:
        service: Who was asked.
        output: Its JSON.
        errors: What it wrote to standard error.
    """
    try:
        found: list[dict[str, Any]] = json.loads(output)["dependencies"]
    except ValueError:
        return f"{service}: out of reach: {(errors.strip() or 'no answer').splitlines()[-1][:300]}", 3
    checked = [one for one in found if "vulns" in one]
    skipped = [one["name"] for one in found if "vulns" not in one and one["name"] != OURS]
    if not checked:
        return f"{service}: out of reach: it knows none of {len(skipped)} packages", 3
    lines = [_line(one["name"], one["version"], vulnerability) for one in checked for vulnerability in one["vulns"]]
    if skipped:
        lines.append(f"{service} does not know, so that they were not checked: {', '.join(skipped)}")
    known = sum(len(one["vulns"]) for one in checked)
    lines.append(f"{service}: {len(checked)} packages checked, {known or 'no'} known vulnerabilities")
    return "\n".join(lines), 1 if known else 0


def _line(name: str, version: str, vulnerability: dict[str, Any]) -> str:
    names = [vulnerability["id"], *vulnerability.get("aliases", [])]
    mended = ", ".join(vulnerability.get("fix_versions", [])) or "no version yet"
    return f"{name} {version}: {', '.join(names)}; mended in {mended}"


if __name__ == "__main__":
    sys.exit(main())
