"""Sigstore's model-signing, with a key of one's own: no network, no log, no certificate."""

import hashlib
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from model_signing import hashing, signing, verifying

from tritonrepo.client.errors import UsageError

CURVES = ("secp256r1", "secp384r1", "secp521r1")
"""What the library takes; OpenSSL calls the first of them prime256v1."""
MAKE_KEY = (
    "openssl ecparam -name prime256v1 -genkey -noout -out key.pem; openssl ec -in key.pem -pubout -out public.pem"
)


class MismatchError(Exception):
    """The library does not accept a signature; the message is its own."""


def check_private_key(path: Path) -> None:
    """Raise `UsageError` unless the file has a private key that `sign` can use."""
    try:
        key = load_pem_private_key(_read(path), None)
    except TypeError as exc:
        raise UsageError(
            f"--key {path}: has a passphrase, and nobody is asked for it; give the key without one"
        ) from exc
    except (ValueError, UnsupportedAlgorithm) as exc:
        raise UsageError(f"--key {path}: is no private key in PEM; make one with: {MAKE_KEY}") from exc
    _check_curve(key.public_key(), f"--key {path}")


def fingerprint(path: Path) -> str:
    """By which a signature names its key: SHA-256 of the public key's PEM, hexadecimal.

    Raises:
        UsageError: The file has no public key that could have signed.
    """
    try:
        key = load_pem_public_key(_read(path))
    except (ValueError, UnsupportedAlgorithm) as exc:
        raise UsageError(f"--public-key {path}: is no public key in PEM; make one with: {MAKE_KEY}") from exc
    _check_curve(key, f"--public-key {path}")
    return hashlib.sha256(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def sign(directory: Path, key: Path, signature: Path) -> None:
    """Sign all that is in a directory, the file of the signature itself left out.

    Args:
        directory: What is signed.
        key: A private key, checked.
        signature: The file to write; nowhere but in a place where it is not signed itself, or in `directory`.

    Raises:
        MismatchError: Something in it cannot be signed, such as a link.
        OSError: A file cannot be read.
    """
    content = hashing.Config().set_ignored_paths(paths=[signature.name], ignore_git_paths=False)
    try:
        signing.Config().set_hashing_config(content).use_elliptic_key_signer(private_key=key).sign(directory, signature)
    except ValueError as exc:
        raise MismatchError(str(exc)) from exc


def verify(directory: Path, signature: Path, public_key: Path) -> None:
    """Verify that a directory holds what the signature lists, and that the key made the signature.

    Raises:
        MismatchError: It is not so.
        OSError: A file cannot be read.
    """
    try:
        verifying.Config().use_elliptic_key_verifier(public_key=public_key).verify(directory, signature)
    except InvalidSignature as exc:
        raise MismatchError("the key did not make this signature") from exc
    except (ValueError, LookupError, TypeError, AttributeError) as exc:  # what a broken statement makes of the library
        raise MismatchError(str(exc)) from exc


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise UsageError(f"{path} cannot be read: {exc.strerror}") from exc


def _check_curve(key: object, what: str) -> None:
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name not in CURVES:
        raise UsageError(f"{what}: is a key of another kind than an elliptic curve's; make one with: {MAKE_KEY}")
