"""What one component's version asks of another, or Kubernetes of one: `recipes/relations.toml`."""

from collections.abc import Iterator

from pydantic import Field

from kubewright.models.base import Evidence, Model
from kubewright.models.catalog import RangeText
from kubewright.models.sources import unexplained


class Member(Model):
    """Some versions of a component, e.g. docker `>=29.0`."""

    component: str
    range: RangeText


class Relation(Model):
    """Where `when` is chosen, what is chosen of `needs` must be in its range; only `when` may be
    Kubernetes.
    """

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
        """What is wrong within the file, as key and problem: missing evidence, relations that are
        listed twice.
        """
        for index, one in enumerate(self.relations):
            if (one.when, one.needs) in [
                (other.when, other.needs) for other in self.relations[:index]
            ]:
                yield f"relations[{index}]", "stated twice; keep one"
        used = {
            f"relations[{index}].source": one.source for index, one in enumerate(self.relations)
        }
        yield from unexplained(used, self.sources)
