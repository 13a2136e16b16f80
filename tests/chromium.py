"""Headless Chromium, driven through its own driver's WebDriver interface (Debian: chromium, chromium-driver)."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import urllib3

from tests.programs import require

FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--force-color-profile=srgb")
TRIES = 5


class Page:
    """One tab. Everything raises AssertionError with the driver's own words when it fails."""

    def __init__(self, driver: str) -> None:
        self._http = urllib3.PoolManager()
        options = {
            "binary": shutil.which("chromium"),
            "args": list(FLAGS),
            "perfLoggingPrefs": {"enableNetwork": True},
        }
        logging = {"browser": "ALL", "performance": "ALL"}
        capabilities = {"alwaysMatch": {"goog:chromeOptions": options, "goog:loggingPrefs": logging}}
        session = self._call("POST", driver + "/session", {"capabilities": capabilities})["sessionId"]
        self._session = f"{driver}/session/{session}"

    def open(self, path: Path, width: int = 1200, height: int = 900) -> None:
        """Load a local file in a window of that size, and wait until it is loaded."""
        self.visit(path.resolve().as_uri(), width, height)

    def visit(self, url: str, width: int = 1200, height: int = 900) -> None:
        """Load an address in a window of that size, and wait until it is loaded."""
        self._call("POST", self._session + "/window/rect", {"width": width, "height": height})
        self._call("POST", self._session + "/url", {"url": url})

    def choose(self, selector: str, files: Iterable[Path]) -> None:
        """Choose files in an <input type=file>, as a person does in its dialog."""
        where = {"using": "css selector", "value": selector}
        (element,) = self._call("POST", self._session + "/element", where).values()
        words = {"text": "\n".join(str(file.resolve()) for file in files)}
        self._call("POST", f"{self._session}/element/{element}/value", words)

    def run(self, script: str) -> Any:
        """The value of a script that ends in `return …`."""
        return self._call("POST", self._session + "/execute/sync", {"script": script, "args": []})

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self._call("GET", self._session + "/screenshot")))

    def console(self) -> list[str]:
        """What the console has said since it was last asked."""
        return [entry["message"] for entry in self._log("browser")]

    def requests(self) -> list[str]:
        """Every address that was asked for since this was last called, but for what the browser has itself."""
        events = [json.loads(entry["message"])["message"] for entry in self._log("performance")]
        urls = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
        return [url for url in urls if not url.startswith(("blob:", "data:", "file:"))]

    def close(self) -> None:
        self._call("DELETE", self._session)
        self._http.clear()

    def _log(self, kind: str) -> list[dict[str, str]]:
        entries: list[dict[str, str]] = self._call("POST", self._session + "/se/log", {"type": kind})
        return entries

    def _call(self, method: str, url: str, body: Any = None) -> Any:
        content = None if body is None else json.dumps(body)
        response = self._http.request(method, url, body=content, timeout=60.0, retries=False)
        value = json.loads(response.data)["value"]
        assert response.status == 200, value
        return value


@contextmanager
def chromium() -> Iterator[Page]:
    """A page in a Chromium of its own; fails where that is not installed."""
    require("chromium")
    process, port = _start(require("chromedriver"))
    try:
        page = Page(f"http://127.0.0.1:{port}")
        try:
            yield page
        finally:
            page.close()
    finally:
        process.terminate()
        process.communicate()


def _start(driver: str) -> tuple[subprocess.Popen[str], str]:
    """The driver and its port. It takes one for two families of addresses, and ends where the second is not free."""
    said = ""
    for _ in range(TRIES):
        process = subprocess.Popen([driver, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert process.stdout is not None
        for line in process.stdout:
            if match := re.search(r"successfully on port (\d+)", line):
                return process, match[1]
            said += line
        process.communicate()
    raise AssertionError(f"{driver} has not started: {said}")
