"""Image files that are sent as they are, to a server that does what its script says."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tritonrepo.client import asking
from tritonrepo.client.decode import softmax
from tritonrepo.client.errors import FileRefusedError, RequestError, TritonRepoError, UsageError
from tritonrepo.client.images import as_file
from tritonrepo.client.messages import TOO_LARGE, error
from tritonrepo.client.options import Options
from tritonrepo.client.pipeline import Pipeline
from tritonrepo.client.preprocess import Preprocessing
from tritonrepo.client.results import Result
from tritonrepo.client.served_labels import BLANK_SIDE
from tritonrepo.client.sources import Source
from tritonrepo.client.transport import Answer, Inference, ModelStatus, Region
from tritonrepo.client.versions import Versions

LABELS = ("red", "green", "blue")
BROKEN = "damaged image: it was cut off"


def picture(colour: tuple[int, int, int], size: int = 8) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (size, size), colour).save(file, "PNG")
    return file.getvalue()


RED, BLUE = picture((200, 10, 0)), picture((0, 10, 200))
CUT = RED[:-30]
"""Its head is whole, so that the client sends it."""
BLANK = as_file(Image.new("RGB", (BLANK_SIDE, BLANK_SIDE)))
"""Sent to learn the labels."""


class Decoding:
    """A server that decodes, and scores the mean of each channel; of what it cannot decode it says what ours does."""

    url = "decoding"

    def __init__(self, largest: int = 1 << 30) -> None:
        self.asked: list[list[bytes]] = []
        self._largest = largest

    def config(self, model: str, version: str = "") -> dict[str, Any]:
        words = {"stands_on": "net_onnx", "input": "encoded", "preprocessing": Preprocessing(8, 8).to_json()}
        return {
            "name": model,
            "max_batch_size": 4,
            "input": [{"name": "IMAGE", "data_type": "TYPE_STRING", "dims": ["1"]}],
            "output": [{"name": "Y", "data_type": "TYPE_FP32", "dims": [len(LABELS)]}],
            "parameters": {key: {"string_value": value} for key, value in words.items()},
        }

    def infer(self, request: Inference) -> Answer:
        assert request.tensor.dtype == object
        assert request.tensor.shape == (len(request.tensor), 1)
        files = [bytes(file) for file in request.tensor.ravel()]
        if files != [BLANK]:
            self.asked.append(files)
        if sum(map(len, files)) > self._largest:
            raise error(self.url, TOO_LARGE, "the body has more than 1 MiB")
        if files == [CUT]:
            raise error(self.url, "INVALID_ARGUMENT", f"in ensemble 'net_encoded', the image: {BROKEN}")
        rows = [_score(file) for file in files]
        if request.class_count:
            return Answer(np.array([_named(row) for row in rows]), request.version)
        return Answer(np.array(rows, np.float32), request.version)

    def server(self) -> dict[str, Any]:
        return {}

    def models(self) -> tuple[ModelStatus, ...]:
        return (ModelStatus("net_encoded", "1", "READY"),)

    def statistics(self, model: str) -> dict[str, Any]:
        return {"model_stats": [{"name": model, "version": "1"}]}

    def register(self, region: Region, key: str) -> None: ...

    def unregister(self, region: Region) -> None: ...

    def close(self) -> None: ...


def _score(file: bytes) -> list[float]:
    if file == CUT:
        return [-np.inf] * len(LABELS)
    with Image.open(io.BytesIO(file)) as image:
        return [float(mean) for mean in np.asarray(image).mean((0, 1))]


def _named(row: list[float]) -> list[bytes]:
    return [f"{row[i]}:{i}:{LABELS[i]}".encode() for i in sorted(range(len(row)), key=lambda i: -row[i])]


def classify(server: Decoding, sources: list[Source], **options: Any) -> list[Result]:
    chosen = Options(concurrency=1, workers=1, **options)
    return list(Pipeline(server, Versions(server, "net_encoded"), chosen).run(sources))


def test_the_files_own_bytes_are_sent_one_a_request(tmp_path: Path) -> None:
    path = tmp_path / "red.png"
    path.write_bytes(RED)
    server = Decoding()
    results = classify(server, [Source("red", path), Source("blue", BLUE)])
    assert server.asked == [[RED], [BLUE]]
    assert [result.predictions[0].label for result in results] == ["red", "blue"]
    assert results[0].predictions[0].score == 200.0
    assert results[0].predictions[0].probability == softmax(np.array([200.0, 10.0, 0.0]))[0]


def test_a_picture_in_memory_is_sent_as_a_file_of_its_pixels() -> None:
    turned = Image.new("RGB", (8, 8), (0, 10, 200))
    turned.getexif()[0x0112] = 3
    server = Decoding()
    (result,) = classify(server, [Source("array", turned)])
    with Image.open(io.BytesIO(server.asked[0][0])) as sent:
        assert sent.format == "PNG"
        np.testing.assert_array_equal(np.asarray(sent), np.asarray(turned))
    assert result.predictions[0].label == "blue"


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("server_top", [False, True])
def test_a_file_that_the_server_refuses_fails_alone_with_its_reason(size: int, server_top: bool) -> None:
    server = Decoding()
    sources = [Source(str(number), file) for number, file in enumerate((RED, CUT, BLUE))]
    results = classify(server, sources, batch_size=size, server_top=server_top)
    assert [result.error for result in results] == [None, BROKEN, None]
    assert [result.predictions[0].label for result in results if not result.error] == ["red", "blue"]
    assert json.loads(json.dumps(results[1].as_dict())) == {"image": "1", "error": BROKEN}


def test_what_is_no_image_is_not_sent() -> None:
    server = Decoding()
    (result,) = classify(server, [Source("text", b"text")])
    assert (result.error, server.asked) == ("not an image in a known format", [])


def test_a_body_that_is_too_large_is_sent_in_parts_and_a_file_that_is_fails_alone() -> None:
    large = picture((0, 200, 0), 4000)
    server = Decoding(largest=len(RED) + len(BLUE))
    assert len(large) > len(RED) + len(BLUE)
    results = classify(server, [Source("r", RED), Source("l", large), Source("b", BLUE)], batch_size=3)
    assert [result.error for result in results] == [None, "the body has more than 1 MiB", None]


def test_large_files_do_not_share_a_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "MOST_BYTES", len(RED) + len(BLUE))
    server = Decoding()
    classify(server, [Source(name, file) for name, file in zip("abc", (RED, BLUE, RED), strict=True)], batch_size=3)
    assert server.asked == [[RED, BLUE], [RED]]


@pytest.mark.parametrize(("options", "word"), [({"decode": "fast"}, "fast"), ({"orient": False}, "orientation")])
def test_how_the_server_decodes_is_not_the_clients_choice(options: dict[str, Any], word: str) -> None:
    with pytest.raises(UsageError, match=f"net_encoded decodes its images itself.*{word}"):
        classify(Decoding(), [Source("red", RED)], **options)


def test_a_gallery_has_its_small_pictures() -> None:
    (result,) = classify(Decoding(), [Source("red", RED)], thumbnails=True)
    assert result.thumbnail is not None
    with Image.open(io.BytesIO(result.thumbnail)) as image:
        assert image.size == (8, 8)


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda: error("u", "INVALID_ARGUMENT", "in ensemble 'x', the image: empty file"), FileRefusedError),
        (lambda: error("u", TOO_LARGE, "too large"), FileRefusedError),
        (lambda: error("u", "INVALID_ARGUMENT", "unexpected shape"), RequestError),
    ],
)
def test_what_is_said_of_one_file_is_told_from_what_is_wrong_with_a_request(
    make: Callable[[], TritonRepoError], kind: type[TritonRepoError]
) -> None:
    assert type(make()) is kind
