"""The signatures of a whole repository."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from tritonrepo.repository.errors import PublishError, SignatureError
from tritonrepo.repository.findings import Finding
from tritonrepo.repository.signature import check, is_signed
from tritonrepo.repository.state import read_state
from tritonrepo.repository.store.seam import Store

REMEDY = "export it again, or sign it, if you know what it is: tritonrepo sign"


def refusals(store: Store, models: Sequence[str], public_key: Path) -> dict[str, str]:
    """Why versions of models that Triton would load are not to be trusted, by `MODEL/VERSION`; empty if they all are.

    Raises:
        TritonRepoError: As `check`, other than about a signature.
    """
    found = {}
    for model in models:
        for version in read_state(store, model).served:
            try:
                check(store, model, version, public_key)
            except SignatureError as exc:
                found[f"{model}/{version}"] = str(exc)
    return found


def examine_signatures(store: Store, public_key: Path) -> Iterator[Finding]:
    """How every version of a repository stands; `fail` is for those that Triton would load.

    Raises:
        TritonRepoError: As `check`, other than about a signature.
    """
    for model in store.models():
        try:
            served = read_state(store, model).served
        except PublishError:  # The doctor says so by itself.
            served = ()
        for version in store.versions(model):
            yield _examine(store, model, version, public_key, version in served)


def _examine(store: Store, model: str, version: int, public_key: Path, served: bool) -> Finding:
    subject = f"{model}/{version}"
    try:
        check(store, model, version, public_key)
    except SignatureError as exc:
        remedy = REMEDY if is_signed(store, model, version) else ""
        return Finding("fail" if served else "note", subject, str(exc), remedy)
    return Finding("ok", subject, f"is signed with {public_key}, and as it was signed")
