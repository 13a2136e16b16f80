"""Each thing that can be wrong with a signed version is refused, with its reason; nothing else is."""

import base64
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from tests.repository.keys import CONFIG, Pair, make_pair, of_another_kind, release_signed, with_passphrase
from tests.repository.releases import NAME, candidate, contents, release
from tritonrepo.client.errors import UsageError
from tritonrepo.repository.digest import sha256
from tritonrepo.repository.errors import ManifestError, SignatureError
from tritonrepo.repository.layout import SIGNATURE_FILENAME
from tritonrepo.repository.publish import open_repository
from tritonrepo.repository.signature import check, is_signed, sign
from tritonrepo.repository.store.local import LocalStore
from tritonrepo.repository.store.seam import Store

FILES = ("config.pbtxt", "labels.txt", "manifest.json", "model.onnx")


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return make_pair(tmp_path, "key")


@pytest.fixture
def version(models: Path, pair: Pair) -> Path:
    """A version that is signed."""
    return models / NAME / str(release_signed(models, pair))


def refusal(version: Path, pair: Pair) -> str:
    with pytest.raises(SignatureError) as caught:
        check(LocalStore(version.parent.parent), version.parent.name, int(version.name), pair.public)
    assert str(caught.value).startswith(f"{version.parent.name}, version {version.name}: ")
    return str(caught.value).split(": ", 1)[1]


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_what_is_signed_is_accepted(models: Path, version: Path, pair: Pair) -> None:
    assert sorted(path.name for path in version.iterdir()) == sorted([*FILES, SIGNATURE_FILENAME])
    check(LocalStore(models), NAME, 1, pair.public)
    assert is_signed(LocalStore(models), NAME, 1)


@pytest.mark.parametrize("name", FILES)
def test_a_changed_byte(name: str, version: Path, pair: Pair) -> None:
    flip(version / name)
    assert refusal(version, pair) == f"{name}: is not as it was signed"


@pytest.mark.parametrize("name", ["model.py", ".gitignore", ".git/config", "more/signature.json"])
def test_an_added_file(name: str, version: Path, pair: Pair) -> None:
    (version / name).parent.mkdir(exist_ok=True)
    (version / name).write_text("")
    assert refusal(version, pair) == f"{name}: was not there when it was signed"


def test_a_removed_file(version: Path, pair: Pair) -> None:
    (version / "labels.txt").unlink()
    assert refusal(version, pair) == "labels.txt: is signed, and not there"


def test_a_link(version: Path, pair: Pair, tmp_path: Path) -> None:
    (version / "model.onnx").rename(tmp_path / "model.onnx")
    (version / "model.onnx").symlink_to(tmp_path / "model.onnx")
    assert "symlink" in refusal(version, pair)


def test_no_signature(models: Path, pair: Pair) -> None:
    release(models, b"one", CONFIG)
    assert not is_signed(LocalStore(models), NAME, 1)
    remedy = f"has no signature; sign it with: tritonrepo sign {NAME} --key FILE"
    assert refusal(models / NAME / "1", pair) == remedy


def test_no_version(models: Path, version: Path, pair: Pair) -> None:
    assert refusal(models / NAME / "7", pair) == "is not there"
    assert refusal(models / "other" / "1", pair) == "is not there"


def test_another_key(version: Path, tmp_path: Path) -> None:
    other = make_pair(tmp_path, "other")
    assert refusal(version, other) == f"is signed with another key than {other.public}"


def test_a_key_that_is_named_and_did_not_sign(version: Path, pair: Pair, tmp_path: Path) -> None:
    other = make_pair(tmp_path, "other")
    path = version / SIGNATURE_FILENAME
    named = json.loads(path.read_text())["verificationMaterial"]
    sign(LocalStore(version.parent.parent), NAME, 1, other.private)
    edit(path, lambda bundle: bundle.update(verificationMaterial=named))
    assert refusal(version, pair) == ("the signature does not fit what it lists: the key did not make this signature")


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    bundle = json.loads(path.read_text())
    change(bundle)
    path.write_text(json.dumps(bundle))


def payload(bundle: dict[str, Any]) -> Any:
    return json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))


def set_payload(bundle: dict[str, Any], statement: Any) -> None:
    bundle["dsseEnvelope"]["payload"] = base64.b64encode(json.dumps(statement).encode()).decode()


def test_a_list_that_was_changed_with_the_file(version: Path, pair: Pair) -> None:
    """The list then fits the files, and the signature no longer fits the list."""
    flip(version / "model.onnx")

    def change(bundle: dict[str, Any]) -> None:
        statement = payload(bundle)
        for resource in statement["predicate"]["resources"]:
            resource["digest"] = sha256(version / resource["name"])
        set_payload(bundle, statement)

    edit(version / SIGNATURE_FILENAME, change)
    assert refusal(version, pair).startswith("the signature does not fit what it lists")


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", "null", "\udcff", '{"dsseEnvelope": 1}', "[" * 100_000],
    ids=["empty", "object", "list", "null", "no UTF-8", "no envelope", "deep"],
)
def test_what_is_no_signature(text: str, version: Path, pair: Pair) -> None:
    (version / SIGNATURE_FILENAME).write_bytes(text.encode(errors="surrogateescape"))
    assert refusal(version, pair).startswith(SIGNATURE_FILENAME)


@pytest.mark.parametrize(
    "change",
    [
        lambda bundle: bundle["verificationMaterial"]["publicKey"].update(hint=""),
        lambda bundle: bundle["dsseEnvelope"].update(signatures=[]),
        lambda bundle: bundle["dsseEnvelope"].update(payload="%%%"),
        lambda bundle: set_payload(bundle, []),
        lambda bundle: set_payload(bundle, {**payload(bundle), "subject": []}),
    ],
    ids=["no key", "unsigned", "no base64", "no statement", "no subject"],
)
def test_a_broken_signature(change: Callable[[dict[str, Any]], object], version: Path, pair: Pair) -> None:
    edit(version / SIGNATURE_FILENAME, change)
    assert refusal(version, pair).startswith(SIGNATURE_FILENAME)


def test_what_else_stands_in_a_signature_is_not_looked_at(version: Path, pair: Pair, models: Path) -> None:
    """The library takes `dsse_envelope` for `dsseEnvelope` too: it must not verify the one while we read the other."""
    old = json.loads((version / SIGNATURE_FILENAME).read_text())
    release_signed(models, pair, b"two")
    shutil.copytree(version, models / NAME / "2", dirs_exist_ok=True)

    def change(bundle: dict[str, Any]) -> None:
        statement = payload(old)
        statement["subject"][0]["name"] = "2"
        bundle["dsse_envelope"] = old["dsseEnvelope"]
        set_payload(bundle, statement)

    edit(models / NAME / "2" / SIGNATURE_FILENAME, change)
    assert refusal(models / NAME / "2", pair).startswith("the signature does not fit what it lists")


def test_an_old_version_under_a_new_number(models: Path, version: Path, pair: Pair) -> None:
    shutil.copytree(version, models / NAME / "2")
    assert refusal(models / NAME / "2", pair) == f"was signed as version 1 of {NAME}"


def test_a_model_under_another_name(models: Path, version: Path, pair: Pair) -> None:
    shutil.copytree(models / NAME, models / "other_onnx")
    assert refusal(models / "other_onnx" / "1", pair) == f"was signed as version 1 of {NAME}"
    with pytest.raises(SignatureError, match=f"its manifest is that of another model, {NAME}"):
        sign(LocalStore(models), "other_onnx", 1, pair.private)


def test_what_is_served_is_what_was_signed(models: Path, version: Path, pair: Pair) -> None:
    """Triton reads the record beside the versions, and the labels that it names."""
    live = models / NAME / "config.pbtxt"
    before = live.read_text()
    live.write_text(before + 'parameters { key: "EXECUTION_ENV_PATH" value { string_value: "/tmp/x" } }\n')
    assert refusal(version, pair) == f"config.pbtxt of {NAME} is not the one that was signed with the version"
    (models / NAME / "other.txt").write_text("b\na\n")
    live.write_text(before.replace("1/labels.txt", "other.txt"))
    assert refusal(version, pair) == f"other.txt of {NAME} is not what was signed with the version"


def test_labels_that_were_not_signed(models: Path, version: Path, pair: Pair) -> None:
    """The record names a file that the version did not have when it was signed."""
    (version / "labels.txt").rename(models / NAME / "other.txt")
    sign(LocalStore(models), NAME, 1, pair.private)
    live = models / NAME / "config.pbtxt"
    live.write_text(live.read_text().replace("1/labels.txt", "other.txt"))
    assert refusal(version, pair) == f"other.txt of {NAME} is not what was signed with the version"


def test_what_a_publication_writes_into_the_record_is_no_change(models: Path, version: Path, pair: Pair) -> None:
    with open_repository(models) as repository:
        repository.publish([candidate(repository, b"two", CONFIG)], keep=5, overlap=True)
        sign(repository.store, NAME, 2, pair.private)
        for number in (1, 2):
            check(repository.store, NAME, number, pair.public)
        repository.roll_back([NAME])
        check(repository.store, NAME, 1, pair.public)


def test_a_version_that_is_not_served_has_only_itself(models: Path, version: Path, pair: Pair) -> None:
    release(models, b"two", CONFIG.replace("8", "4"))
    check(LocalStore(models), NAME, 1, pair.public)


def test_signing_changes_no_other_file(models: Path, pair: Pair) -> None:
    release(models, b"one", CONFIG)
    before = contents(models)
    sign(LocalStore(models), NAME, 1, pair.private)
    signature = models / NAME / "1" / SIGNATURE_FILENAME
    assert oct(signature.stat().st_mode & 0o777) == "0o644"
    after = contents(models)
    del after[str(signature.relative_to(models))]
    assert after == before


def test_a_new_key_replaces_the_signature(models: Path, version: Path, pair: Pair, tmp_path: Path) -> None:
    other = make_pair(tmp_path, "other")
    sign(LocalStore(models), NAME, 1, other.private)
    check(LocalStore(models), NAME, 1, other.public)
    assert "another key" in refusal(version, pair)


def test_what_cannot_be_signed(models: Path, version: Path, pair: Pair) -> None:
    (version / "manifest.json").unlink()
    with pytest.raises(ManifestError, match=rf"{NAME}, version 1: manifest\.json cannot be read"):
        sign(LocalStore(models), NAME, 1, pair.private)


def test_keys_that_cannot_be_used(models: Path, version: Path, tmp_path: Path) -> None:
    locked, other = with_passphrase(tmp_path), of_another_kind(tmp_path)
    for key, words in (
        (locked.private, "has a passphrase"),
        (other.private, "of another kind"),
        (other.public, "is no private key"),
        (tmp_path / "absent", "cannot be read"),
    ):
        with pytest.raises(UsageError, match=words):
            sign(LocalStore(models), NAME, 1, key)
    for key, words in (
        (other.public, "of another kind"),
        (locked.private, "is no public key"),
        (tmp_path / "absent", "cannot be read"),
    ):
        with pytest.raises(UsageError, match=words):
            check(LocalStore(models), NAME, 1, key)


def test_anybody_verifies_it_with_the_librarys_own_command(version: Path, pair: Pair) -> None:
    words = ["verify", "key", str(version), "--signature", str(version / SIGNATURE_FILENAME)]
    command = [sys.executable, "-m", "model_signing", *words, "--public_key", str(pair.public)]
    said = subprocess.run(command, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr


def test_no_network_is_needed(models: Path, version: Path, pair: Pair) -> None:
    """In a network namespace of its own there is not even a loopback interface that is up."""
    words = (["sign", "--key", str(pair.private)], ["verify", "--public-key", str(pair.public)])
    both = [[*one, NAME, "--repository", str(models)] for one in words]
    program = f"from tritonrepo.cli.main import main; assert [main(words) for words in {both!r}] == [0, 0]"
    command = ["unshare", "--map-root-user", "--net", sys.executable, "-c", program]
    said = subprocess.run(command, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr


class Elsewhere:
    """A store that is no disk, and says that a version holds files of these names too."""

    def __init__(self, root: Path, names: Sequence[str]) -> None:
        self.address, self._there, self._names = "elsewhere://models", LocalStore(root), names

    def __getattr__(self, name: str) -> Any:
        return getattr(self._there, name)

    def files(self, model: str, version: int) -> dict[str, int]:
        return {**self._there.files(model, version), **dict.fromkeys(self._names, 1)}


@pytest.mark.parametrize("name", ["../../x", "/x"])
def test_names_that_lead_outside_are_not_fetched(name: str, models: Path, version: Path, pair: Pair) -> None:
    with pytest.raises(SignatureError, match="which leads outside of it"):
        check(cast(Store, Elsewhere(models, [name])), NAME, 1, pair.public)
