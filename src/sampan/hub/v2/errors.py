"""What goes wrong in the registry: the protocol's codes, and the one map to its error bodies.

    {"errors": [{"code": "BLOB_UNKNOWN", "message": "...", "detail": {...}}]}

Failures of the registry's own are RegistryFailure with a code; any other kind of failure (from
access, storage, database) has its code by kind.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from aiohttp import web

from sampan.errors import (
    DataLoss,
    Denied,
    InvalidArgument,
    NotFound,
    SampanError,
    SystemFailed,
    Unauthenticated,
    Unavailable,
    Unsupported,
)

log = logging.getLogger(__name__)

API_VERSION = {"Docker-Distribution-Api-Version": "registry/2.0"}


class RegistryFailure(SampanError):
    """`code` and `status` as in the distribution specification."""

    code = "UNKNOWN"
    status = 500

    def __init__(self, message: str, **detail: Any) -> None:
        super().__init__(message)
        self.detail: Mapping[str, Any] | Sequence[Any] = detail

    @property
    def headers(self) -> Mapping[str, str]:
        return {}


class BlobUnknown(RegistryFailure):
    code, status = "BLOB_UNKNOWN", 404

    def __init__(self, digest: str) -> None:
        super().__init__("blob unknown to registry", digest=digest)


class UploadInvalid(RegistryFailure):
    code, status = "BLOB_UPLOAD_INVALID", 400


class UploadUnknown(RegistryFailure):
    code, status = "BLOB_UPLOAD_UNKNOWN", 404

    def __init__(self, upload: str) -> None:
        super().__init__("blob upload unknown to registry", uuid=upload)


class DigestInvalid(RegistryFailure):
    code, status = "DIGEST_INVALID", 400

    def __init__(self, digest: str, reason: str) -> None:
        super().__init__("provided digest did not match uploaded content", digest=digest)
        self.detail = {"digest": digest, "reason": reason}


class ManifestBlobUnknown(RegistryFailure):
    """One entry for each part that is missing."""

    code, status = "MANIFEST_BLOB_UNKNOWN", 400

    def __init__(self, digests: Sequence[str]) -> None:
        super().__init__("manifest references something unknown to registry")
        self.digests = digests


class ManifestInvalid(RegistryFailure):
    code, status = "MANIFEST_INVALID", 400


class ManifestTooLarge(RegistryFailure):
    code, status = "SIZE_INVALID", 413

    def __init__(self, most: int) -> None:
        super().__init__(f"manifests have at most {most} bytes")


class ManifestUnknown(RegistryFailure):
    code, status = "MANIFEST_UNKNOWN", 404

    def __init__(self, name: str, reference: str) -> None:
        super().__init__("manifest unknown", name=name, reference=reference)


class NameInvalid(RegistryFailure):
    code, status = "NAME_INVALID", 400

    def __init__(self, name: str) -> None:
        super().__init__("invalid repository name", name=name)


class NameUnknown(RegistryFailure):
    code, status = "NAME_UNKNOWN", 404

    def __init__(self, name: str) -> None:
        super().__init__("repository name not known to registry", name=name)


class SizeInvalid(RegistryFailure):
    code, status = "SIZE_INVALID", 400


class TagInvalid(RegistryFailure):
    code, status = "TAG_INVALID", 400

    def __init__(self, tag: str) -> None:
        super().__init__("manifest tag did not match URI", tag=tag)


class RangeInvalid(RegistryFailure):
    """`headers` tell the client where the upload stands."""

    code, status = "RANGE_INVALID", 416

    def __init__(self, message: str, headers: Mapping[str, str]) -> None:
        super().__init__(message)
        self._headers = headers

    @property
    def headers(self) -> Mapping[str, str]:
        return self._headers


class PageNumberInvalid(RegistryFailure):
    code, status = "PAGINATION_NUMBER_INVALID", 400

    def __init__(self, n: str) -> None:
        super().__init__("invalid number of results requested", n=n)


class NotOffered(RegistryFailure):
    code, status = "UNSUPPORTED", 405


class PageUnknown(RegistryFailure):
    code, status = "UNSUPPORTED", 404

    def __init__(self, path: str) -> None:
        super().__init__("page not found", path=path)


# kind -> (status, code); the first that fits counts
_KINDS: tuple[tuple[type[SampanError], int, str], ...] = (
    (Unauthenticated, 401, "UNAUTHORIZED"),
    (Denied, 403, "DENIED"),
    (NotFound, 404, "NAME_UNKNOWN"),
    (InvalidArgument, 400, "UNSUPPORTED"),
    (Unsupported, 405, "UNSUPPORTED"),
    (Unavailable, 503, "UNAVAILABLE"),
    (DataLoss, 500, "UNKNOWN"),
)


def error_response(error: SampanError) -> web.Response:
    """The protocol's answer to a failure."""
    status, code = _status(error)
    headers = dict(API_VERSION)
    detail: Any = getattr(error, "detail", None) or None  # also of accounts' refusals
    if isinstance(error, RegistryFailure):
        headers |= error.headers
    challenge = getattr(error, "challenge", None)  # Challenged, of whichever access is in use
    if challenge:
        headers["WWW-Authenticate"] = challenge
    if isinstance(error, ManifestBlobUnknown):
        entries = [_entry(code, error.message, {"digest": each}) for each in error.digests]
    else:
        entries = [_entry(code, error.message, detail)]
    return web.Response(
        status=status,
        body=msgspec.json.encode({"errors": entries}),
        content_type="application/json",
        headers=headers,
    )


def _entry(code: str, message: str, detail: Any) -> dict[str, Any]:
    return {"code": code, "message": message, "detail": detail}


def _status(error: SampanError) -> tuple[int, str]:
    if isinstance(error, RegistryFailure):
        return error.status, error.code
    for kind, status, code in _KINDS:
        if isinstance(error, kind):
            return status, code
    return 500, "UNKNOWN"


def expected(error: Exception, *, what: str) -> SampanError:
    """Any exception as one of ours; one that nobody foresaw is logged with its traceback."""
    if isinstance(error, SampanError):
        return error
    if isinstance(error, OSError):
        log.error("request failed what=%s reason=%s", what, error)
        return SystemFailed(error)
    log.error("request failed what=%s", what, exc_info=error)
    return SampanError("internal error")
