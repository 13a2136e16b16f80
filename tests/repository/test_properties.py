"""What holds for every configuration, and for every sequence of releases and rollbacks."""

import tempfile
from contextlib import suppress
from pathlib import Path

from google.protobuf import text_format
from google.protobuf.json_format import MessageToDict
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tritonclient.grpc.model_config_pb2 import ModelConfig

from tests.repository.releases import NAME, candidate
from tritonrepo.client import label_files
from tritonrepo.client.contract import parse_contract
from tritonrepo.client.decode import SCORES
from tritonrepo.client.errors import UsageError
from tritonrepo.client.preprocess import Preprocessing
from tritonrepo.repository import labels
from tritonrepo.repository.config import model_config, to_text
from tritonrepo.repository.errors import PublishError
from tritonrepo.repository.formats import FORMATS
from tritonrepo.repository.layout import LABELS_FILENAME, version_numbers
from tritonrepo.repository.manifest import Weights
from tritonrepo.repository.publish import open_repository
from tritonrepo.repository.serving import Serving
from tritonrepo.repository.spec import ModelSpec

PROPERTY = settings(derandomize=True, deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])

sizes = st.integers(1, 512)
servings = st.builds(
    Serving,
    max_batch_size=st.integers(1, 1024),
    queue_delay_us=st.integers(0, 10**7),
    instances=st.integers(1, 64),
    cpu_threads=st.none() | st.integers(1, 1024),
    preferred_batch_size=st.integers(1, 1024),
    max_queue_size=st.integers(0, 10**6),
    queue_timeout_ms=st.integers(0, 3_600_000),
    priority_levels=st.integers(0, 100),
)
scales = st.tuples(*[st.floats(0.001, 1000)] * 3)
preprocessings = st.builds(
    lambda crop, margin, mean, std: Preprocessing(resize=crop + margin, crop=crop, mean=mean, std=std),
    sizes, st.integers(0, 64), scales, scales,
)  # fmt: skip


@PROPERTY
@given(
    names=st.lists(st.text(min_size=1, max_size=20), min_size=2, max_size=8),
    preprocessing=preprocessings,
    serving=servings,
    scores=st.sampled_from(SCORES),
    format=st.sampled_from(list(FORMATS.values())),
    source=st.text(max_size=30),
)
def test_a_configuration_says_what_the_spec_says(  # type: ignore[no-untyped-def]
    names, preprocessing, serving, scores, format, source
) -> None:
    """Whatever can be a spec is read back from config.pbtxt by the client as it was."""
    with suppress(UsageError):  # labels that no line can hold
        spec = ModelSpec("net", labels=tuple(names), preprocessing=preprocessing, scores=scores)
        made = model_config(spec, format, serving, Weights(source, "0" * 64, trained=True))
        read = text_format.Parse(to_text(made), ModelConfig())
        assert read == made
        contract = parse_contract(MessageToDict(read, preserving_proto_field_name=True))
        assert contract.preprocessing == preprocessing
        assert contract.scores == scores
        assert contract.max_batch_size == serving.max_batch_size


@PROPERTY
@given(names=st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=20))
def test_labels_survive_their_file(names: list[str]) -> None:
    with suppress(UsageError):
        label_files.check_labels(names)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / LABELS_FILENAME
            path.write_text(labels.to_text(tuple(names)), encoding="utf-8")
            assert path.read_text(encoding="utf-8").split("\n")[:-1] == names
            assert labels.count_labels(path) == len(names)


class Releases(RuleBasedStateMachine):
    """A repository and what it must hold: what was published last and not withdrawn."""

    @initialize()
    def start(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.models = Path(self.folder.name) / "models"
        self.versions: dict[int, tuple[bytes, str]] = {}
        self.largest = 0

    @rule(
        content=st.sampled_from([b"one", b"two", b"three"]),
        config=st.sampled_from(["1\n", "2\n"]),
        keep=st.integers(1, 3),
    )
    def publish(self, content: bytes, config: str, keep: int) -> None:
        newest = max(self.versions, default=0)
        with open_repository(self.models) as repository:
            (found,) = repository.publish([candidate(repository, content, config)], keep)
        if self.versions.get(newest) == (content, config):
            assert (found.version, found.status) == (newest, "unchanged")
            return
        self.largest += 1
        assert (found.version, found.status) == (self.largest, "published")
        self.versions[found.version] = (content, config)
        for number in sorted(self.versions)[:-keep]:
            del self.versions[number]

    @rule()
    def roll_back(self) -> None:
        if not self.models.exists():
            return
        with open_repository(self.models) as repository:
            try:
                found = repository.roll_back([NAME])
            except PublishError:
                assert len(self.versions) < 2
                return
        del self.versions[max(self.versions)]
        assert found == {NAME: max(self.versions)}

    @invariant()
    def the_repository_holds_that(self) -> None:
        model = self.models / NAME
        assert version_numbers(model) == sorted(self.versions)
        if self.versions:
            content, config = self.versions[max(self.versions)]
            assert (model / "config.pbtxt").read_text() == config
            assert (model / str(max(self.versions)) / "model.onnx").read_bytes() == content
        assert not list(self.models.parent.glob(".*.staging"))

    def teardown(self) -> None:
        self.folder.cleanup()


Releases.TestCase.settings = settings(PROPERTY, max_examples=15, stateful_step_count=12)
TestReleases = Releases.TestCase
