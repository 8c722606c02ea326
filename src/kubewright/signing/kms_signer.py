"""Keys in AWS KMS, or in a service that speaks as it does: `awskms:KEY`."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from kubewright.errors import RequestError
from kubewright.signing.remote import place, public_half
from kubewright.signing.signer import Algorithm, Kind, Secrets

if TYPE_CHECKING:
    from mypy_boto3_kms.client import KMSClient

    Spec = Literal[
        "ECDSA_SHA_256", "RSASSA_PKCS1_V1_5_SHA_256", "RSASSA_PKCS1_V1_5_SHA_512"
    ]  # fmt: skip

_OPTIONS: Final = frozenset({"certificate"})


@dataclass(frozen=True)
class KmsSigner:
    """A secret key that never leaves the service. Its ECDSA signatures differ each time."""

    uri: str
    client: "KMSClient" = field(repr=False)
    key: str
    kind: Kind
    public: bytes = field(repr=False)

    def sign_digest(self, digest: bytes, algorithm: Algorithm) -> bytes:
        """A signature over the digest, by the service. Raises RequestError where it makes none."""
        with _refusing(self.uri):
            return self.client.sign(
                KeyId=self.key,
                Message=digest,
                MessageType="DIGEST",
                SigningAlgorithm=_spec(self.kind, algorithm),
            )["Signature"]


def open_kms(rest: str, kind: Kind, _secrets: Secrets) -> KmsSigner:
    """The key with an id, an alias (`alias/NAME`) or an ARN; account, region and endpoint are
    those of the AWS settings of whoever runs this.

    Raises RequestError for a key that is not there, or of another kind.
    """
    where = place("awskms", rest, _OPTIONS)
    import boto3

    with _refusing(where.uri):
        client = boto3.client("kms")
        der = client.get_public_key(KeyId=where.name)["PublicKey"]
    return KmsSigner(where.uri, client, where.name, kind, public_half(where, kind, der))


def _spec(kind: Kind, algorithm: Algorithm) -> "Spec":
    if kind == "ecdsa-p256":
        return "ECDSA_SHA_256"
    return "RSASSA_PKCS1_V1_5_SHA_512" if algorithm == "sha512" else "RSASSA_PKCS1_V1_5_SHA_256"


@contextmanager
def _refusing(uri: str) -> Iterator[None]:
    """Say in one line what the service or its client says."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        problem = " ".join(str(error).split())
        raise RequestError(
            uri, f"the key service says: {problem}",
            "look at the key's policy, and at AWS_DEFAULT_REGION and the credentials",
        ) from error  # fmt: skip
