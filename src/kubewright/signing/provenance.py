"""Says how artifacts were made: in-toto statements with SLSA provenance, in signed DSSE envelopes.

Sources: in-toto attestation Statement v1, SLSA Provenance v1, DSSE protocol v1. Nothing here tells
the time, so that a rebuild gives the same statement.
"""

import base64
import json
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import Field

from kubewright.errors import VerificationFailed
from kubewright.files import canonical_json
from kubewright.models.base import Model, Sha256
from kubewright.signing import verify
from kubewright.signing.roles import ArtifactKey

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"


class Subject(Model):
    """A file that the statement is about."""

    name: str
    sha256: Sha256


class Dependency(Model):
    """A file that went into it."""

    uri: str = Field(description="where it came from")
    sha256: Sha256
    name: str | None = None
    annotations: dict[str, Any] = Field({}, description="who says so, ready for JSON")


def statement(
    subjects: Iterable[Subject],
    *,
    build_type: str,
    builder_id: str,
    external_parameters: Mapping[str, Any],
    internal_parameters: Mapping[str, Any] | None = None,
    dependencies: Iterable[Dependency] = (),
    builder_version: Mapping[str, str] | None = None,
    byproducts: Iterable[Mapping[str, Any]] = (),
) -> bytes:
    """A statement that the subjects were built from the dependencies.

    `build_type` and `builder_id` are URIs, `external_parameters` is what a person asked for and
    `internal_parameters` what else decided, `builder_version` names the tools with their versions,
    and `byproducts` are what was made but cannot be a subject.
    """
    definition = {
        "buildType": build_type,
        "externalParameters": dict(external_parameters),
        "internalParameters": dict(internal_parameters or {}),
        "resolvedDependencies": [
            _described(one.name, one.sha256, one.uri, one.annotations)
            for one in sorted(dependencies, key=lambda one: one.uri)
        ],
    }
    builder = _stated({"id": builder_id, "version": dict(builder_version or {})})
    details = {"builder": builder, "byproducts": [dict(product) for product in byproducts]}
    return canonical_json(
        {
            "_type": STATEMENT_TYPE,
            "subject": [
                _described(subject.name, subject.sha256)
                for subject in sorted(subjects, key=lambda subject: subject.name)
            ],
            "predicateType": PREDICATE_TYPE,
            "predicate": {"buildDefinition": _stated(definition), "runDetails": _stated(details)},
        }
    )


def _stated(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is empty; a build always has parameters and dependencies, if none."""
    always = ("externalParameters", "resolvedDependencies")
    return {key: value for key, value in fields.items() if value or key in always}


def _described(
    name: str | None,
    sha256: str,
    uri: str | None = None,
    annotations: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """An in-toto ResourceDescriptor."""
    known = _stated({"name": name, "uri": uri, "annotations": annotations})
    return known | {"digest": {"sha256": sha256}}


def envelope(payload: bytes, key: ArtifactKey) -> bytes:
    """A statement with the key's signature, in one line: what `cosign verify-blob-attestation
    --signature` reads.
    """
    signature = key.sign(_signed(PAYLOAD_TYPE, payload)).decode()
    signed = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [{"keyid": key.key_id, "sig": signature}],
    }
    return json.dumps(signed, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def opened(data: bytes, public_pem: bytes, *, place: str) -> dict[str, Any]:
    """The statement in an envelope. Raises VerificationFailed unless it is signed by
    `public_pem`.
    """
    try:
        document = json.loads(data)
        kind, payload = (
            str(document["payloadType"]),
            base64.b64decode(document["payload"], validate=True),
        )
        signature = str(document["signatures"][0]["sig"]).encode()
        signed = _signed(kind, payload)
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise VerificationFailed(place, "not a signed statement", "get the file again") from error
    verify.artifact(signed, signature, public_pem, place=place)
    try:
        statement = json.loads(payload) if kind == PAYLOAD_TYPE else None
    except (ValueError, RecursionError):
        statement = None
    if not isinstance(statement, dict):
        raise VerificationFailed(
            place, "signed, but not an in-toto statement", "get the file again"
        )
    return statement


def _signed(kind: str, payload: bytes) -> bytes:
    """What a DSSE signature covers (its pre-authentication encoding)."""
    encoded = kind.encode()
    return b"DSSEv1 %d %s %d %s" % (len(encoded), encoded, len(payload), payload)
