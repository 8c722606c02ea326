"""The base of published documents, which outlive the engine that wrote them."""

import json
import re
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, ValidationError

from kubewright.errors import RequestError, VerificationFailed
from kubewright.models.base import Arch, Header, Json, Model

FORMAT = 1
"""The major version of the formats that this engine writes, and the highest that it reads."""

DRAFT = "https://json-schema.org/draft/2020-12/schema"
"""The dialect of the schemas of documents."""

ArchName = Annotated[Arch | str, Field(union_mode="left_to_right")]
"""An architecture in a document: one that this engine knows, or the name of a later one."""


class Document(Model):
    """A published record: readers pass over keys that they do not know, and keep them."""

    model_config = ConfigDict(extra="allow", frozen=True)

    @classmethod
    def read(cls, data: bytes, place: str) -> Self:
        """Read the document at `place`, of this or an earlier format, whoever added keys to it.

        Raises RequestError for one of a newer major version, and VerificationFailed, which names
        the place and the key, for anything that cannot be read.
        """
        table = _table(data, place)
        if "header" in cls.model_fields:
            _readable(table, cls.model_fields["header"].get_default(), place)
        try:
            return cls.model_validate(table, extra="allow")
        except ValidationError as error:
            mistake = error.errors()[0]
            key = ".".join(str(part) for part in mistake["loc"])
            raise VerificationFailed(place, f"damaged at {key}", REMEDY) from error

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what `to_bytes` wrote, by this or a later engine of the same major version.

        Raises ValueError for anything else.
        """
        return cls.model_validate(json.loads(data), extra="allow")

    @classmethod
    def json_schema(cls) -> Json:
        """Its JSON Schema, for readers who are as tolerant as ours; its id names the format, which
        is the same on every site.
        """
        return tolerant_schema(cls, re.sub(r"(?<=[a-z])(?=[A-Z])", "-", cls.__name__).lower())


def tolerant_schema(
    model: type[Model], name: str, mode: Literal["validation", "serialization"] = "validation"
) -> Json:
    """The JSON Schema of what readers are tolerant with, for its present format."""
    schema: Json = _open(model.model_json_schema(by_alias=True, mode=mode))
    return {"$schema": DRAFT, "$id": f"urn:kubewright:{name}:{FORMAT}", **schema}


REMEDY = "run `kubewright repair`, or restore it from a copy of the site"
"""What to do about an object of a site that is damaged or gone."""


def _table(data: bytes, place: str) -> Any:
    try:
        table = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise VerificationFailed(place, "not JSON, so damaged", REMEDY) from error
    if not isinstance(table, dict):
        raise VerificationFailed(place, "not a JSON object, so damaged", REMEDY)
    return table


def _readable(table: Json, wanted: Header, place: str) -> None:
    """Whether the header says that this is such a document, of a version that is known here."""
    header = table.get("header")
    kind, version = (
        (header.get("type"), header.get("version")) if isinstance(header, dict) else (None, None)
    )
    if kind != wanted.type or not isinstance(version, str):
        raise VerificationFailed(place, f"not a document of the type {wanted.type}", REMEDY)
    major = version.partition(".")[0]
    if not major.isdecimal():
        raise VerificationFailed(place, f"damaged at header.version, {version!r}", REMEDY)
    if int(major) > FORMAT:
        raise RequestError(
            place, f"of format {version}, written by a newer kubewright", "upgrade kubewright"
        )


def _open(part: Any) -> Any:
    """A schema that allows more keys everywhere."""
    if isinstance(part, list):
        return [_open(item) for item in part]
    if not isinstance(part, dict):
        return part
    kept = {key: _open(value) for key, value in part.items()}
    return (
        kept | {"additionalProperties": True} if kept.get("additionalProperties") is False else kept
    )
