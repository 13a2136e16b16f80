"""What holds for every configuration, and for every sequence of releases and rollbacks."""

import tempfile
from contextlib import suppress
from pathlib import Path

from google.protobuf import text_format
from google.protobuf.json_format import MessageToDict
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tritonclient.grpc.model_config_pb2 import ModelConfig

from tests.repository.releases import FIRST, NAME, SECOND, candidate
from tritonrepo.client import label_files
from tritonrepo.client.contract import parse_contract
from tritonrepo.client.decode import SCORES
from tritonrepo.client.errors import UsageError
from tritonrepo.client.preprocess import Preprocessing
from tritonrepo.repository import labels
from tritonrepo.repository.config import model_config, to_text
from tritonrepo.repository.errors import PublishError
from tritonrepo.repository.formats import FORMATS
from tritonrepo.repository.layout import LABELS_FILENAME, read_config, version_numbers
from tritonrepo.repository.manifest import Weights
from tritonrepo.repository.publish import Repository, open_repository
from tritonrepo.repository.serving import Serving
from tritonrepo.repository.spec import ModelSpec
from tritonrepo.repository.store.local import LocalStore
from tritonrepo.repository.store.seam import ConflictError, Record

PROPERTY = settings(derandomize=True, deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])

CONTENTS = st.sampled_from([b"one", b"two", b"three"])
CONFIGS = st.sampled_from([FIRST, SECOND])
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
    """A repository and what it must hold, whatever is published, staged, served again or withdrawn."""

    @initialize()
    def start(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.models = Path(self.folder.name) / "models"
        self.versions: dict[int, tuple[bytes, str]] = {}
        self.released: list[int] = []
        self.passed = 0
        self.given: set[int] = set()

    @property
    def served(self) -> int:
        return self.released[-1] if self.released else 0

    def new(self, number: int, content: bytes, config: str) -> None:
        """A number that was never given, and is the largest."""
        assert number > max(self.given, default=0)
        self.given.add(number)
        self.versions[number] = (content, config)

    def serve(self, number: int) -> None:
        if number in self.released:
            del self.released[self.released.index(number) :]
        self.released.append(number)
        self.passed = max(self.passed, number)

    @rule(content=CONTENTS, config=CONFIGS, keep=st.integers(1, 3))
    def publish(self, content: bytes, config: str, keep: int) -> None:
        with open_repository(self.models) as repository:
            (found,) = repository.publish([candidate(repository, content, config)], keep)
        if self.served and self.versions[self.served] == (content, config):
            assert (found.version, found.status, found.pruned) == (self.served, "unchanged", ())
            return
        assert found.status == "published"
        self.new(found.version, content, config)
        self.serve(found.version)
        self.released = self.released[-keep:]
        pruned = {number for number in self.versions if number <= self.passed and number not in self.released}
        assert pruned == set(found.pruned)
        for number in pruned:
            del self.versions[number]

    @rule(content=CONTENTS, config=CONFIGS)
    def stage(self, content: bytes, config: str) -> None:
        with open_repository(self.models) as repository:
            (found,) = repository.stage([candidate(repository, content, config)])
        staged = [number for number in self.versions if number > self.passed][-1:]
        for known, status in ((self.served, "unchanged"), *((number, "staged") for number in staged)):
            if self.versions.get(known) == (content, config):
                assert (found.version, found.status) == (known, status)
                return
        assert found.status == "staged"
        self.new(found.version, content, config)

    @precondition(lambda self: self.versions)
    @rule(data=st.data())
    def switch(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.versions)))
        with open_repository(self.models) as repository:
            repository.switch(NAME, number)
        self.serve(number)

    @precondition(lambda self: self.versions)
    @rule()
    def roll_back(self) -> None:
        with open_repository(self.models) as repository:
            try:
                found = repository.roll_back([NAME])
            except PublishError:
                assert len(self.released) < 2
                return
        self.released.pop()
        assert found == {NAME: self.served}

    @precondition(lambda self: self.versions)
    @rule()
    def fail(self) -> None:
        """A publication whose record somebody else comes before: its number is taken."""

        class Late(LocalStore):
            def commit(self, model: str, text: str, expected: Record | None) -> Record:
                raise ConflictError(model)

        with open_repository(self.models) as ours:
            repository = Repository(Late(self.models, ours.workspace("scratch")), ours._staging)
            with suppress(ConflictError):
                repository.publish([candidate(repository, b"late", "max_batch_size: 9")], 1)
                raise AssertionError("it was published")
        self.new(max(version_numbers(self.models / NAME)), b"late", "max_batch_size: 9")

    @invariant()
    def the_repository_holds_that(self) -> None:
        model = self.models / NAME
        assert version_numbers(model) == sorted(self.versions)
        for number, (content, config) in self.versions.items():
            own = read_config(model / str(number))
            assert (model / str(number) / "model.onnx").read_bytes() == content
            assert own.max_batch_size == text_format.Parse(config, ModelConfig()).max_batch_size
        if self.versions:
            record = read_config(model)
            assert [*record.version_policy.specific.versions] == ([self.served] if self.served else [])
            assert int(record.parameters["highest_version"].string_value) == self.passed
        if self.served:
            assert record.max_batch_size == read_config(model / str(self.served)).max_batch_size
        assert not list(self.models.parent.glob(".*.staging"))

    def teardown(self) -> None:
        self.folder.cleanup()


Releases.TestCase.settings = settings(PROPERTY, max_examples=15, stateful_step_count=12)
TestReleases = Releases.TestCase
