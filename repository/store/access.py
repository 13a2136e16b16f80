"""The way into an object store: credentials by the usual means, deadlines, and words for what goes wrong."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import AzureStore, GCSStore, S3Store

from tritonrepo.client.text import first_line
from tritonrepo.repository.errors import StoreError
from tritonrepo.repository.store.address import Address

if TYPE_CHECKING:
    from obstore.store import AzureConfig, ClientConfig, GCSConfig, GCSCredential, RetryConfig, S3Config

Client = S3Store | GCSStore | AzureStore

CONNECT_SECONDS = 5.0
RETRIES = 6
PAUSE = timedelta(seconds=0.2)
"""Before a request is sent again, at least. So there is a second between the first time and the last: Google's store
takes one write of an object in a second, and the record of a new model is written twice.
"""
REGION = "us-east-1"
"""Where nothing names one: stores of one's own do not mind, and Amazon says which it should have been."""
MEANS = {
    "s3": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE",
    "gs": "set GOOGLE_APPLICATION_CREDENTIALS to a key file, or log in with: gcloud auth application-default login",
    "as": "set AZURE_STORAGE_ACCOUNT and AZURE_STORAGE_KEY",
}
AZURE_KEY = "AZURE_STORAGE_KEY"
"""As Triton and Azure's own tools spell it; obstore knows other names of it."""
NO_BUCKET = ("NoSuchBucket", "ContainerNotFound", "The specified bucket does not exist")
REFUSED = ("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "403 Forbidden", "401 Unauth")
ELSEWHERE = ("PermanentRedirect", "AuthorizationHeaderMalformed", "301 Moved", "incorrectly configured region")
TRANSPORT = "HTTP error"
"""What obstore says when no whole answer came, with the kind of it in its debugging text."""


def connect(address: Address, deadline: float) -> Client:
    """A client of the store; nothing is asked yet.

    Args:
        address: The store and the place in it.
        deadline: Seconds that a request may take, and that it may be tried again for.

    Raises:
        StoreError: There are no credentials, or they cannot be read.
    """
    options: ClientConfig = {
        "timeout": timedelta(seconds=deadline),
        "connect_timeout": timedelta(seconds=min(CONNECT_SECONDS, deadline)),
        "allow_http": address.endpoint.startswith("http://"),
    }
    again: RetryConfig = {
        "max_retries": RETRIES,
        "retry_timeout": timedelta(seconds=deadline),
        "backoff": {"init_backoff": PAUSE},
    }
    try:
        if address.scheme == "gs":
            return _connect_google(address, options, again)
        if address.scheme == "as":
            return _connect_azure(address, options, again)
        return _connect_s3(address, options, again)
    except (BaseError, ValueError) as exc:
        raise StoreError(f"{address}: cannot be opened: {first_line(exc)}; {MEANS[address.scheme]}") from exc


def _connect_s3(address: Address, options: ClientConfig, again: RetryConfig) -> S3Store:
    """Credentials and region are found as Amazon's own tools find them: environment, profile, role."""
    import boto3
    from botocore.exceptions import BotoCoreError
    from obstore.auth.boto3 import Boto3CredentialProvider

    try:
        session = boto3.Session()
        if session.get_credentials() is None:
            raise StoreError(f"{address}: no credentials were found; {MEANS['s3']}")
        provider = Boto3CredentialProvider(session)
    except BotoCoreError as exc:  # a profile that is not there, for one
        raise StoreError(f"{address}: {exc}; {MEANS['s3']}") from exc
    config: S3Config = {"region": session.region_name or REGION, "checksum_algorithm": "SHA256"}
    if address.endpoint:  # and no other of the environment's
        config["endpoint"] = config["aws_endpoint_url_s3"] = address.endpoint
    return S3Store(
        address.bucket,
        prefix=address.prefix or None,
        config=config,
        client_options=options,
        retry_config=again,
        credential_provider=provider,
    )


def _connect_google(address: Address, options: ClientConfig, again: RetryConfig) -> GCSStore:
    """Credentials are found as Google's own tools find them. An emulator has none, as those tools take it too."""
    config: GCSConfig = {"base_url": address.endpoint} if address.endpoint else {}
    return GCSStore(
        address.bucket,
        prefix=address.prefix or None,
        config=config,
        client_options=options,
        retry_config=again,
        credential_provider=_anonymous if address.endpoint else None,
    )


def _anonymous() -> GCSCredential:
    return {"token": "", "expires_at": None}


def _connect_azure(address: Address, options: ClientConfig, again: RetryConfig) -> AzureStore:
    """Credentials are those of the environment, or of the machine's identity."""
    config: AzureConfig = {"account_name": address.account}
    if key := os.environ.get(AZURE_KEY):
        config["account_key"] = key
    if address.endpoint:
        config["endpoint"] = address.endpoint
    return AzureStore(
        address.bucket, prefix=address.prefix or None, config=config, client_options=options, retry_config=again
    )


@contextmanager
def store_errors(address: Address, deadline: float) -> Iterator[None]:
    """Put what obstore raises in the block into words: a `StoreError`.

    Args:
        address: Of the store.
        deadline: That its requests have, in seconds.
    """
    try:
        yield
    except (BaseError, FileNotFoundError) as exc:
        raise StoreError(f"{address}: {_explain(exc, address, deadline)}") from exc


def is_absent(error: FileNotFoundError) -> bool:
    """Whether it is the object that is not there, and not the whole bucket."""
    return not any(word in str(error) for word in NO_BUCKET)


def _explain(error: Exception, address: Address, deadline: float) -> str:
    """What went wrong, and what to do."""
    text = str(error)
    if any(word in text for word in NO_BUCKET):
        kind = "container" if address.scheme == "as" else "bucket"
        return f"there is no {kind} {address.bucket}; make it, or correct the address"
    if any(word in text for word in ELSEWHERE):
        return "the bucket is in another region; set AWS_DEFAULT_REGION"
    if "token request" in text:
        return f"no credentials were found, or they are not taken; {MEANS[address.scheme]}"
    if isinstance(error, PermissionDeniedError | UnauthenticatedError) or any(word in text for word in REFUSED):
        said = re.search(r"<Message>(.*?)(?:</Message>|\n)", text)  # Azure's goes on with numbers of the request
        return f"access is refused{f' ({said[1]})' if said else ''}; {MEANS[address.scheme]} of somebody who may"
    where = address.endpoint or f"the store of {address.bucket}"
    if TRANSPORT in text and ("Timeout" in text or "TimedOut" in text):
        return f"{where} does not answer within {deadline:g} s; see whether it is overloaded, or another server"
    if TRANSPORT in text and not address.endpoint:
        account = f", and whether there is an account {address.account}" if address.account else ""
        return f"{where} cannot be reached; see whether this machine reaches the store{account}"
    if TRANSPORT in text:
        return f"nobody answers at {where}; correct host and port, and whether it is http or https"
    return first_line(error)
