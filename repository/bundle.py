"""What a signature file holds: a Sigstore bundle around an in-toto statement of the files and their SHA-256.

It is read strictly and written anew before it is verified. So the verifier sees nothing but what was read here,
whatever else somebody put into the file.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tritonrepo.repository.errors import SignatureError

MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
METHOD = {"method": "files", "hash_type": "sha256"}
"""How `sign` lists the files: each by itself. The library also knows shards and other hashes."""


@dataclass(frozen=True)
class Bundle:
    """A signature, before it is verified: nothing in it is to be believed yet.

    Attributes:
        text: As JSON, with nothing in it that is not read here.
        key: SHA-256 of the public key's PEM, hexadecimal.
        subject: The name of the directory that was signed.
        files: The files that were signed, and the SHA-256 of each.
    """

    text: str
    key: str
    subject: str
    files: Mapping[str, str]

    @classmethod
    def from_json(cls, text: str) -> "Bundle":
        """Read a signature file.

        Raises:
            SignatureError: It is none, or none that `sign` makes.
        """
        try:
            found = json.loads(text)
            key, envelope = found["verificationMaterial"]["publicKey"]["hint"], found["dsseEnvelope"]
            (signature,) = envelope["signatures"]
            payload, sig = _base64(envelope["payload"]), _base64(signature["sig"])
            statement = json.loads(payload)
            (subject,) = (str(one["name"]) for one in statement["subject"])
            predicate = statement["predicate"]
            method = {name: predicate["serialization"][name] for name in METHOD}
            files = {str(resource["name"]): str(resource["digest"]) for resource in predicate["resources"]}
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as exc:
            raise SignatureError(f"is no signature: {type(exc).__name__}: {exc}") from exc
        if method != METHOD or not isinstance(key, str) or not key:
            raise SignatureError("was not made by `tritonrepo sign`: it names no key, or lists shards or other hashes")
        return cls(_plain(key, payload, sig), key, subject, files)


def _base64(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _plain(key: str, payload: bytes, signature: bytes) -> str:
    envelope: dict[str, Any] = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [{"sig": base64.b64encode(signature).decode(), "keyid": ""}],
    }
    material = {"publicKey": {"hint": key}, "tlogEntries": []}
    return json.dumps({"mediaType": MEDIA_TYPE, "verificationMaterial": material, "dsseEnvelope": envelope})
