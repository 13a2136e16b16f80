"""A worker whose web server fails and comes back: what it writes, and what it says."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.fuzz.hostile import HostileServer, response, sending
from tritonrepo.batch.inputs import open_input
from tritonrepo.batch.outages import Outages
from tritonrepo.batch.places import Directory
from tritonrepo.batch.scoring import Job, Scorer
from tritonrepo.batch.service import Service, look
from tritonrepo.batch.work import write_list
from tritonrepo.client.errors import MissingError
from tritonrepo.client.options import Options
from tritonrepo.serve.triton import TritonServer

pytestmark = pytest.mark.live

SHARD = 6
OPTIONS = Options(workers=4, basis=True)


def picture() -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (48, 48), "teal").save(data, "PNG")
    return response(data.getvalue(), Content_Type="image/png")


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[HostileServer]:
    monkeypatch.setattr(Outages, "pause", 0.001)
    with HostileServer(sending(picture())) as server:
        yield server


def test_nothing_is_lost_to_an_outage(tiny_server: TritonServer, web: HostileServer, tmp_path: Path) -> None:
    names = [f"http://{web.url}/{number}.png" for number in range(2 * SHARD)]
    (tmp_path / "list.csv").write_text("".join(f"{line}\n" for line in ["image", *names]))
    given, output = open_input(f"{tmp_path}/list.csv", "image"), Directory(tmp_path / "out")
    write_list(given.rows(Counter()), SHARD, tmp_path / "images.parquet")
    output.path.mkdir()
    output.write("_images", tmp_path / "images.parquet")
    service = Service(tiny_server.grpc_url, model="tiny_onnx")
    score = Scorer(Job(service, OPTIONS, given, output, "_images", look(service, OPTIONS).contract))

    def done(number: int) -> dict[str, object]:
        (found,) = score(pa.table({"number": [number], "name": [f"part-{number}"]})).to_pylist()
        return dict(found)

    with score._stack:  # Ray ends its process
        assert done(0) == {"name": "part-0", "images": SHARD, "failed": 0, "message": "", "status": 0}
        web.script = sending(response(b"", "503 Busy"))
        lost = done(1)
        assert lost["status"] == MissingError.exit_status
        assert f"images in a row could not be fetched, the last of them from {web.url}: HTTP" in str(lost["message"])
        assert output.names() == ["_images", "part-0"]
        web.script = sending(response(b"", "404 Not Found"))
        assert done(1)["failed"] == SHARD
        web.script = sending(picture())
        assert done(1)["failed"] == 0
        rows = pq.read_table(output.path / "part-1").to_pylist()
        assert [row["image"] for row in rows] == names[SHARD:]
