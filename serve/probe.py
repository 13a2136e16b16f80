"""Real requests to models, which tell whether they answer. Triton goes on calling a model ready whose process died."""

import http.client
import json
import time
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from tritonrepo.client.server_key import key_headers
from tritonrepo.serve.errors import NoAnswerError, ServeError, SilentError
from tritonrepo.serve.example import SIZES, describe_input
from tritonrepo.serve.health import ENDED
from tritonrepo.serve.limits import shortage
from tritonrepo.serve.questions import ask, exchange
from tritonrepo.serve.triton import TritonServer

ERRORS = 3
"""So many errors in a row, of a model that has answered before, and it is loaded again."""
OVERLOADED = frozenset({429, 503})
STATISTICS_SECONDS = 5.0
EMPTY_STRING = 4
"""Bytes of its length, which is zero. A step that takes image files answers that it is none, and so it lives."""
PROBED = {**SIZES, "BYTES": EMPTY_STRING}


class Prober:
    """Asks the models of one server.

    A version that has answered others since the last look, and failed nobody, is not asked: probes take no time from a
    busy model, and do not show in its figures. One that is asked and is silent is taken for hung only if it has not
    finished anything for as long: a long queue is no fault.
    """

    def __init__(self, server: TritonServer, patience: float) -> None:
        """Know nothing of the models yet.

        Args:
            server: Whose models.
            patience: Seconds without an answer after which a model counts as hung.
        """
        self._server, self._patience = server, patience
        self._counts: dict[tuple[str, str], tuple[int, int]] = {}
        self._moved: dict[tuple[str, str], tuple[int, float]] = {}
        self._proven: set[tuple[str, str]] = set()
        self._errors: dict[tuple[str, str], int] = {}

    def find_fault(self, name: str, versions: Iterable[str]) -> str:
        """Return what is wrong with a model; empty if each of its versions answers.

        Raises:
            ServeError: The server itself does not answer.
        """
        return next((fault for version in versions if (fault := self._find_fault(name, version))), "")

    def forget(self, name: str) -> None:
        """Begin anew with a model that was loaded again, whose counters begin anew too."""
        for kept in (self._counts, self._moved, self._errors):
            for key in [key for key in kept if key[0] == name]:
                del kept[key]
        self._proven = {key for key in self._proven if key[0] != name}

    def _find_fault(self, name: str, version: str) -> str:
        key = (name, version)
        counts = self._read_counts(key)
        known = self._counts.get(key, counts)
        self._counts[key] = counts
        if counts[0] > known[0] and counts[1] == known[1]:
            return ""
        try:
            status, text = self._infer(name, version)
        except SilentError:
            return self._judge_silence(key, f"gave no answer and finished nothing for {self._patience:g} s")
        if status == http.client.OK:
            self._counts[key] = (counts[0] + 1, counts[1])  # Ours shows nothing at the next look.
            self._proven.add(key)
            self._errors.pop(key, None)
            return ""
        if status in OVERLOADED:
            return self._judge_silence(key, f"takes no request and finished nothing for {self._patience:g} s")
        return self._judge_error(key, status, text)

    def _judge_silence(self, key: tuple[str, str], fault: str) -> str:
        self._read_counts(key)
        return fault if time.monotonic() - self._moved[key][1] >= self._patience else ""

    def _judge_error(self, key: tuple[str, str], status: int, text: str) -> str:
        if "is not healthy" in text:
            return ENDED
        if status < http.client.INTERNAL_SERVER_ERROR or key not in self._proven:
            return ""  # It answers. It may not like zeros, or was unloaded meanwhile.
        self._errors[key] = self._errors.get(key, 0) + 1
        return f"answers with errors alone: {shortage(text) or text}" if self._errors[key] >= ERRORS else ""

    def _read_counts(self, key: tuple[str, str]) -> tuple[int, int]:
        """Return how many requests a version has answered and failed, and note when it last finished any."""
        try:
            (counts,) = self._get(key, "/stats")["model_stats"]
        except NoAnswerError:
            raise
        except (ServeError, ValueError):  # Unloaded meanwhile.
            counts = {}
        found = counts.get("inference_stats", {})
        answers, failures = (int(found.get(kind, {}).get("count", 0)) for kind in ("success", "fail"))
        if self._moved.get(key, (-1, 0.0))[0] != answers + failures:
            self._moved[key] = (answers + failures, time.monotonic())
        return answers, failures

    def _infer(self, name: str, version: str) -> tuple[int, str]:
        try:
            body, length = make_request(self._get((name, version), ""))
        except (ServeError, KeyError) as error:
            if isinstance(error, NoAnswerError):
                raise
            return http.client.BAD_REQUEST, str(error)  # Unloaded meanwhile, or it takes what zeros are not.
        headers = key_headers(self._server.key) | {"Inference-Header-Content-Length": str(length)}
        path = f"{path_of(name, version)}/infer"
        status, answer = exchange(self._server.http_url, "POST", path, body, headers, self._patience)
        return status, answer[:500].decode(errors="replace")

    def _get(self, key: tuple[str, str], question: str) -> dict[str, Any]:
        headers = key_headers(self._server.key)
        path = f"{path_of(*key)}{question}"
        return dict(ask(self._server.http_url, "GET", path, headers, seconds=STATISTICS_SECONDS))


def path_of(name: str, version: str) -> str:
    """Return where a version of a model is asked."""
    return f"/v2/models/{quote(name)}/versions/{quote(version)}"


def make_request(metadata: Mapping[str, Any]) -> tuple[bytes, int]:
    """Return the body of a request with zeros, or empty strings, for every input, and the length of its JSON part.

    Raises:
        KeyError: A model whose inputs cannot be zeros.
    """
    inputs = [describe_input(tensor, PROBED) for tensor in metadata["inputs"]]
    outputs = [{"name": tensor["name"], "parameters": {"binary_data": True}} for tensor in metadata["outputs"]]
    header = json.dumps({"inputs": inputs, "outputs": outputs}).encode()
    return header + bytes(sum(entry["parameters"]["binary_data_size"] for entry in inputs)), len(header)
