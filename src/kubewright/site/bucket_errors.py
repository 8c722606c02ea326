"""What a store says when it refuses, in words that name the bucket, the cause and the remedy."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Final, cast

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)

from kubewright.errors import DiskError, KubewrightError, RequestError, UpstreamUnreachable

ACCOUNT: Final = (
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE for an account of"
    " ~/.aws/config; docs/buckets.md has what it must be allowed to do"
)

_NO_ACCOUNT: Final = (
    NoCredentialsError, PartialCredentialsError, CredentialRetrievalError, ProfileNotFound,
    SSOError, TokenRetrievalError,
)  # fmt: skip

_REFUSED: Final[Mapping[str, tuple[type[KubewrightError], str, str]]] = MappingProxyType(
    {
        "NoSuchBucket": (
            RequestError, "there is no such bucket",
            "make it first, or correct --site and --s3-endpoint",
        ),
        "RequestTimeTooSkewed": (
            RequestError, "this machine's clock differs from the store's by more than 15 minutes",
            "set the clock (`timedatectl set-ntp true`) and run the same command again",
        ),
        "SecondLevelDomainForbidden": (
            RequestError, "the store takes a bucket as part of the host's name only",
            "put `s3 =` and below it `  addressing_style = virtual` under [default] in"
            " ~/.aws/config",
        ),
        "SlowDown": (
            UpstreamUnreachable, "the store asks to go slower", "run the same command again later",
        ),
        "EntityTooLarge": (
            DiskError, "the store takes no object of this size", "use another store",
        ),
        "QuotaExceeded": (
            DiskError, "the bucket's quota is used up", "free some space and run it again",
        ),
    }
)  # fmt: skip
"""The causes that have one remedy, by the store's code."""

_STRANGE: Final = frozenset(
    {"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "TokenRefresh"}
)
_DENIED: Final = frozenset(
    {"AccessDenied", "403", "Forbidden", "AllAccessDisabled", "AccountProblem", "Unauthorized"}
)
_ELSEWHERE: Final = frozenset(
    {
        "PermanentRedirect",
        "301",
        "AuthorizationHeaderMalformed",
        "IllegalLocationConstraintException",
    }
)  # fmt: skip
_UNKNOWN: Final = frozenset({"NotImplemented", "501", "UnsupportedOperation"})


def code(error: ClientError) -> str:
    """The store's word for what is wrong, or the number of its answer."""
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def explained(endpoint: str, bucket: str, key: str, action: str) -> Iterator[None]:
    """Turn what botocore raises into an error that names the object. `action` is the right that
    the request takes.
    """
    place = f"s3://{bucket}/{key}"
    try:
        yield
    except ClientError as error:
        raise _refused(error, endpoint, f"s3://{bucket}", place, action) from error
    except _NO_ACCOUNT as error:
        raise RequestError(
            f"s3://{bucket}", f"no account for this store: {error}", ACCOUNT
        ) from error
    except (HTTPClientError, EndpointConnectionError) as error:
        raise UpstreamUnreachable(
            endpoint, f"does not answer ({_first_line(error)})",
            "check --s3-endpoint and the network, and run the same command again",
        ) from error  # fmt: skip
    except BotoCoreError as error:
        raise DiskError(
            place, _first_line(error), "check --site, --s3-endpoint and the account"
        ) from error


def _refused(
    error: ClientError, endpoint: str, bucket: str, place: str, action: str
) -> KubewrightError:
    said = code(error)
    if said in _REFUSED:
        kind, problem, remedy = _REFUSED[said]
        return kind(place if kind is DiskError else bucket, problem, remedy)
    for codes, make in _KINDS:
        if said in codes:
            return make(error, bucket, place, action)
    if _status(error) >= 500:
        return UpstreamUnreachable(
            endpoint, f"answers with an error for {place}: {_words(error)}",
            "run the same command again later",
        )  # fmt: skip
    return DiskError(place, f"the store says {_words(error)}", "check the bucket and the account")


def _strange(error: ClientError, bucket: str, place: str, action: str) -> KubewrightError:
    return RequestError(bucket, f"the store does not take this account: {_words(error)}", ACCOUNT)


def _denied(error: ClientError, bucket: str, place: str, action: str) -> KubewrightError:
    return DiskError(
        place, f"the account may not do this ({_words(error)})",
        f"allow it {action} on {bucket}, and s3:ListBucket, without which a store calls denied what"
        " is not there; docs/buckets.md has the policy",
    )  # fmt: skip


def _elsewhere(error: ClientError, bucket: str, place: str, action: str) -> KubewrightError:
    found: Mapping[str, Any] = cast("Mapping[str, Any]", error.response)
    headers = found.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    region = found.get("Error", {}).get("Region") or headers.get("x-amz-bucket-region")
    where = f"set AWS_DEFAULT_REGION={region or 'THE_BUCKETS_REGION'}"
    problem = "the bucket is in another region"
    return RequestError(bucket, problem, f"{where}, or correct --s3-endpoint")


def _unknown(error: ClientError, bucket: str, place: str, action: str) -> KubewrightError:
    return RequestError(
        bucket, f"the store does not know what publishing needs: {_words(error)}",
        "use a store with conditional writes (docs/buckets.md), or publish on a directory and copy"
        " that",
    )  # fmt: skip


_KINDS: Final[tuple[tuple[frozenset[str], Callable[..., KubewrightError]], ...]] = (
    (_STRANGE, _strange),
    (_DENIED, _denied),
    (_ELSEWHERE, _elsewhere),
    (_UNKNOWN, _unknown),
)


def _status(error: ClientError) -> int:
    metadata: Mapping[str, Any] = error.response.get("ResponseMetadata", {})
    return int(metadata.get("HTTPStatusCode", 0))


def _words(error: ClientError) -> str:
    message = error.response.get("Error", {}).get("Message")
    return ": ".join(filter(None, (code(error), message)))


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]
