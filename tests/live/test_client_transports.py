"""Every way to reach Triton gives the same predictions: gRPC, HTTP, shared memory, asyncio, TLS, mutual TLS."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import trustme
from PIL import Image

from tests.certificates import write_pair
from tests.conftest import TINY_LABELS, ShortLived
from tritonrepo.cli.arguments import HEADERS_VARIABLE
from tritonrepo.cli.main import main
from tritonrepo.client import AsyncClassifier, Classifier, Connection, Options, Result, Tls, TritonRepoError
from tritonrepo.client.errors import UsageError
from tritonrepo.client.sources import Picture
from tritonrepo.serve.triton import TritonServer

pytestmark = pytest.mark.live
OPTIONS = Options(batch_size=4, concurrency=1)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("photographs")
    for number in range(21):
        rng = np.random.default_rng(number)
        Image.fromarray(rng.integers(0, 256, (50, 60, 3), dtype=np.uint8)).save(directory / f"{number:02}.png")
    return directory


@pytest.fixture(scope="module")
def reference(tiny_server: TritonServer, photographs: Path) -> list[Result]:
    return classify(tiny_server.grpc_url, photographs)


def classify(url: str, photographs: Path, connection: Connection | None = None, shared: bool = False) -> list[Result]:
    with Classifier(url, "tiny_onnx", connection=connection, shared_memory=shared) as classifier:
        return list(classifier.classify([photographs], OPTIONS))


class Certificates:
    """An authority, and what it signed, as PEM files."""

    def __init__(self, directory: Path) -> None:
        authority, self.server = trustme.CA(), None
        self.ca = directory / "ca.pem"
        authority.cert_pem.write_to_path(str(self.ca))
        self.server_pair = write_pair(authority, directory, "server", "localhost", "127.0.0.1")
        self.client_pair = write_pair(authority, directory, "client", "client")
        self.stranger = write_pair(trustme.CA(), directory, "stranger", "client")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


class TlsProxy:
    """Ends TLS in front of a plain port: Triton's HTTP endpoint has none of its own. Notes the headers it sees."""

    def __init__(self, port: int, certificates: Certificates) -> None:
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(certificates.ca))
        self._context.verify_mode = ssl.CERT_REQUIRED
        self._context.load_cert_chain(*certificates.server_pair)
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"localhost:{self._listener.getsockname()[1]}"
        self.seen = bytearray()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(plain,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        try:
            with (
                self._context.wrap_socket(plain, server_side=True) as outside,
                socket.create_connection(("127.0.0.1", self._port)) as inside,
            ):
                threading.Thread(target=self._pump, args=(inside, outside, None), daemon=True).start()
                self._pump(outside, inside, self.seen)
                # Wakes the other pump, which would keep the connection open.
                inside.shutdown(socket.SHUT_RDWR)
        except OSError:
            plain.close()

    @staticmethod
    def _pump(source: socket.socket, sink: socket.socket, seen: bytearray | None) -> None:
        try:
            while data := source.recv(1 << 16):
                sink.sendall(data)
                if seen is not None:
                    seen += data
        except OSError:
            return

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def proxy(tiny_server: TritonServer, certificates: Certificates) -> Iterator[TlsProxy]:
    proxy = TlsProxy(tiny_server.http_port, certificates)
    yield proxy
    proxy.close()


@pytest.fixture(scope="module")
def tls_server(tiny_onnx_repository: Path, certificates: Certificates) -> Iterator[TritonServer]:
    """The embedded Triton with its own gRPC TLS, which asks clients for a certificate."""
    certificate, key = certificates.server_pair
    arguments = (
        "--grpc-use-ssl=true",
        "--grpc-use-ssl-mutual=true",
        f"--grpc-server-cert={certificate}",
        f"--grpc-server-key={key}",
        f"--grpc-root-cert={certificates.ca}",
    )
    with ShortLived(tiny_onnx_repository, extra_args=arguments) as server:
        yield server


@pytest.mark.parametrize("shared", [False, True], ids=["inline", "shared memory"])
@pytest.mark.parametrize("compression", [None, "gzip", "deflate"])
@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_protocols_compression_and_shared_memory_are_the_same(
    tiny_server: TritonServer,
    photographs: Path,
    reference: list[Result],
    protocol: str,
    compression: str | None,
    shared: bool,
) -> None:
    url = tiny_server.grpc_url if protocol == "grpc" else tiny_server.http_url
    assert classify(url, photographs, Connection(protocol, compression=compression), shared) == reference
    assert not list(Path("/dev/shm").glob("client_*"))


def test_asyncio_is_the_same(tiny_server: TritonServer, photographs: Path, reference: list[Result]) -> None:
    async def collect() -> tuple[list[Result], int]:
        turns = 0

        async def turn() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        async with AsyncClassifier(tiny_server.grpc_url, "tiny_onnx") as classifier:
            other = asyncio.create_task(turn())
            results = [result async for result in classifier.classify([photographs], OPTIONS)]
            other.cancel()
        return results, turns

    results, turns = asyncio.run(collect())
    assert results == reference
    assert turns > len(results), "the event loop was blocked"


def one_picture(photographs: Path) -> list[tuple[Picture, int]]:
    """What stands for one picture, or one directory, and how many results it has."""
    path = photographs / "00.png"
    with Image.open(path) as opened:
        image = opened.copy()
    count = len(list(photographs.iterdir()))
    return [
        (str(photographs), count),
        (photographs, count),
        (str(photographs / "0*.png"), 10),
        (str(path), 1),
        (path, 1),
        (path.read_bytes(), 1),
        (image, 1),
        (np.asarray(image), 1),
    ]


def test_one_picture_alone_is_no_list(tiny_server: TritonServer, photographs: Path, reference: list[Result]) -> None:
    with Classifier(tiny_server.grpc_url, "tiny_onnx") as classifier:
        for picture, count in one_picture(photographs):
            results = list(classifier.classify(picture, OPTIONS))
            assert [result.predictions for result in results] == [r.predictions for r in reference[:count]]
        with pytest.raises(UsageError, match="images is a int"):
            classifier.classify(7)  # type: ignore[arg-type]


def test_one_picture_alone_is_no_list_for_asyncio_either(
    tiny_server: TritonServer, photographs: Path, reference: list[Result]
) -> None:
    async def collect(picture: Picture) -> list[Result]:
        async with AsyncClassifier(tiny_server.grpc_url, "tiny_onnx") as classifier:
            return [result async for result in classifier.classify(picture, OPTIONS)]

    for picture, count in one_picture(photographs):
        results = asyncio.run(collect(picture))
        assert [result.predictions for result in results] == [r.predictions for r in reference[:count]]


def test_labels_and_patience_that_make_no_sense_are_refused(tiny_server: TritonServer) -> None:
    with pytest.raises(UsageError, match="labels is one string"):
        Classifier(tiny_server.grpc_url, "tiny_onnx", labels="labels.txt")
    for patience in (-1.0, float("nan")):
        with pytest.raises(UsageError, match="patience is"):
            Classifier(tiny_server.grpc_url, "tiny_onnx", patience=patience)


def test_leaving_an_asyncio_iteration_early_closes_it(tiny_server: TritonServer, photographs: Path) -> None:
    async def first() -> Result:
        async with AsyncClassifier(tiny_server.grpc_url, "tiny_onnx") as classifier:
            async for result in classifier.classify([photographs] * 50, OPTIONS):
                return result
        raise AssertionError

    assert asyncio.run(first()).error is None


def test_mutual_tls_over_grpc_is_the_same(
    tls_server: TritonServer, certificates: Certificates, photographs: Path, reference: list[Result]
) -> None:
    url = f"localhost:{tls_server.grpc_port}"
    tls = Tls(certificates.ca, *certificates.client_pair)
    assert classify(url, photographs, Connection("grpc", tls=tls)) == reference


def test_mutual_tls_over_http_is_the_same(
    proxy: TlsProxy, certificates: Certificates, photographs: Path, reference: list[Result]
) -> None:
    tls = Tls(certificates.ca, *certificates.client_pair)
    assert classify(proxy.url, photographs, Connection("http", tls=tls)) == reference


@pytest.mark.parametrize("who", ["nobody", "stranger", "distrusted"])
@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_without_the_right_certificate_there_is_no_connection(
    tls_server: TritonServer, proxy: TlsProxy, certificates: Certificates, photographs: Path, protocol: str, who: str
) -> None:
    tls = {
        "nobody": Tls(certificates.ca),
        "stranger": Tls(certificates.ca, *certificates.stranger),
        "distrusted": Tls(certificates.stranger[0], *certificates.client_pair),
    }[who]
    url = f"localhost:{tls_server.grpc_port}" if protocol == "grpc" else proxy.url
    with pytest.raises(TritonRepoError) as caught:
        classify(url, photographs, Connection(protocol, deadline=3, tls=tls))
    assert caught.value.exit_status == 3


def test_headers_come_from_a_file_and_the_environment(
    proxy: TlsProxy,
    certificates: Certificates,
    photographs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    headers = tmp_path / "headers"
    headers.write_bytes("# for the gateway\r\nX-Api-Key: from-a-file\r\n".encode("utf-8-sig"))
    monkeypatch.setenv(HEADERS_VARIABLE, "Authorization: Bearer from-the-environment")
    certificate, key = map(str, certificates.client_pair)
    words = ["classify", str(photographs / "00.png"), "--url", proxy.url, "--protocol", "http", "--model", "tiny_onnx"]
    tls = ["--ca", str(certificates.ca), "--cert", certificate, "--key", key]
    assert main([*words, *tls, "--headers", str(headers)]) == 0
    assert b"X-Api-Key: from-a-file" in proxy.seen
    assert b"Authorization: Bearer from-the-environment" in proxy.seen
    # Lines end at a line feed alone, so this is one header, and no server takes its value.
    for text, named in (("secret without a name\n", ""), ("X-One: secret\x0bX-Two: secret\n", "'X-One'")):
        headers.write_text(text)
        assert main([*words, *tls, "--headers", str(headers)]) == 2
        errors = capfd.readouterr().err
        assert "secret" not in errors
        assert named in errors


def test_the_server_can_choose_the_classes(
    tiny_server: TritonServer, photographs: Path, reference: list[Result]
) -> None:
    options = Options(batch_size=4, concurrency=1, server_top=True)
    with Classifier(tiny_server.grpc_url, "tiny_onnx") as classifier:
        chosen = list(classifier.classify([photographs], options))
    for ours, servers in zip(reference, chosen, strict=True):
        assert [p.index for p in servers.predictions] == [p.index for p in ours.predictions]
        assert [p.label for p in servers.predictions] == [p.label for p in ours.predictions]
        assert [p.score for p in servers.predictions] == pytest.approx([p.score for p in ours.predictions], abs=1e-5)
        assert {p.probability for p in servers.predictions} == {None}


def test_given_labels_replace_the_servers(
    tiny_server: TritonServer, photographs: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    labels = tmp_path / "labels.txt"
    words = ["classify", str(photographs / "00.png"), "--url", tiny_server.grpc_url, "--labels", str(labels)]
    # Lines end at a line feed alone, and a byte-order mark is no text.
    labels.write_bytes("\r\n".join(f"mein\u2028{label}" for label in TINY_LABELS).encode("utf-8-sig"))
    assert main([*words, "--format", "json", "--top", "10"]) == 0
    found = {p["label"] for p in json.loads(capfd.readouterr().out)["predictions"]}
    assert found == {f"mein\u2028{label}" for label in TINY_LABELS}
    labels.write_text("one\ntwo\n")
    assert main(words) == 2
    assert "2 labels given for the 10 classes" in capfd.readouterr().err
    # The same csv as export's, in another order than the logits.
    numbered = tmp_path / "labels.csv"
    numbered.write_text("".join(f"{index},number {index}\n" for index in reversed(range(10))))
    assert main([*words[:-1], str(numbered), "--format", "json", "--top", "10"]) == 0
    named = {p["index"]: p["label"] for p in json.loads(capfd.readouterr().out)["predictions"]}
    assert named == {index: f"number {index}" for index in range(10)}


def test_shared_memory_with_a_server_elsewhere_says_so(tiny_server: TritonServer, photographs: Path) -> None:
    """A region that the server cannot open stands for a server on another host."""
    with Classifier(tiny_server.grpc_url, "tiny_onnx", shared_memory=True) as classifier:
        assert classifier._shared is not None
        results = classifier.classify([photographs], OPTIONS)
        for region in classifier._shared.regions:
            (Path("/dev/shm") / region.name).unlink()
        with pytest.raises(TritonRepoError, match="same host"):
            list(results)
