"""Keys for signatures, and a repository that is signed."""

from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from tests.repository.releases import NAME, release
from tritonrepo.repository.signature import sign
from tritonrepo.repository.store.address import Address, open_store

CONFIG = f"""
name: "{NAME}"
backend: "onnxruntime"
max_batch_size: 8
output {{ name: "OUTPUT__0" data_type: TYPE_FP32 dims: [ 2 ] label_filename: "labels.txt" }}
"""


@dataclass(frozen=True)
class Pair:
    """A key and its public half."""

    private: Path
    public: Path


def make_pair(
    directory: Path,
    name: str,
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | None = None,
    encryption: KeySerializationEncryption | None = None,
) -> Pair:
    key = key or ec.generate_private_key(ec.SECP256R1())
    pair = Pair(directory / f"{name}.pem", directory / f"{name}.pub.pem")
    pair.private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption()))
    pair.public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return pair


def with_passphrase(directory: Path) -> Pair:
    return make_pair(directory, "locked", encryption=BestAvailableEncryption(b"secret"))


def of_another_kind(directory: Path) -> Pair:
    return make_pair(directory, "rsa", rsa.generate_private_key(65537, 2048))


def release_signed(place: Path | Address, pair: Pair, content: bytes = b"one") -> int:
    """Publish a version and sign it; its number."""
    version = release(place, content, CONFIG, keep=5).version
    sign(open_store(place), NAME, version, pair.private)
    return version
