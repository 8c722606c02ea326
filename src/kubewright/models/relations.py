"""What one component's version asks of another, or Kubernetes of one: `recipes/relations.toml`."""

from collections.abc import Iterator

from pydantic import Field

from kubewright.models.base import Evidence, Model
from kubewright.models.catalog import RangeText


class Member(Model):
    """Some versions of a component, e.g. docker `>=29.0`."""

    component: str
    range: RangeText


class Relation(Model):
    """Where `when` is chosen, what is chosen of `needs` must be in its range; only `when` may be Kubernetes."""

    when: Member
    needs: Member
    reason: str
    source: str = Field(description="a key of `sources`")

    @property
    def evidence(self) -> Evidence:
        """The source and reason as published with a choice."""
        return Evidence(source=self.source, note=self.reason)


class Relations(Model):
    """The whole of `recipes/relations.toml`."""

    relations: tuple[Relation, ...]
    sources: dict[str, str]

    def mistakes(self) -> Iterator[tuple[str, str]]:
        """What is wrong within the file, as key and problem: missing evidence, relations that are there twice."""
        for index, one in enumerate(self.relations):
            if one.source not in self.sources:
                yield f"relations[{index}].source", f"{one.source!r} is not explained; say under [sources] what it is"
            if (one.when, one.needs) in [(other.when, other.needs) for other in self.relations[:index]]:
                yield f"relations[{index}]", "stated twice; keep one"
        for source in sorted(self.sources.keys() - {one.source for one in self.relations}):
            yield f"sources.{source}", "nothing uses it; remove it, or name it where it is the evidence"
