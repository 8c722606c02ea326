"""The base of answers: what a verb prints for programs, with `--json`."""

from typing import Any, Self

from pydantic import Field

from kubewright.models.base import Header, Json, Model
from kubewright.models.document import tolerant_schema

PREFIX = "kubewright."


def headed(name: str) -> Any:
    """The field `header` of a kind of answers."""
    header = Header(type=f"{PREFIX}{name}")
    return Field(header, description="what this is, in which format")


class Answer(Model):
    """What a verb prints: one object, in which what there is none of is left out.

    Readers pass over keys that they do not know, as in published documents.
    """

    header: Header

    @classmethod
    def of(cls, record: Model, **more: Any) -> Self:
        """What another record says, and more, as an answer of this kind."""
        said = {name: value for name, value in record if name != "header"}
        return cls(**said | more)

    @classmethod
    def type_name(cls) -> str:
        """Its type without our name before it, as its schema is called: `publication`."""
        return str(cls.model_fields["header"].get_default().type).removeprefix(PREFIX)

    @classmethod
    def json_schema(cls) -> Json:
        """Its JSON Schema, which allows more keys everywhere."""
        return tolerant_schema(cls, cls.type_name(), mode="serialization")
