"""How far the versions of one cluster may be apart: `recipes/skew.toml`."""

from collections.abc import Iterator

from pydantic import Field

from kubewright.models.base import Minor, Model
from kubewright.models.relations import Member
from kubewright.models.sources import unexplained


class Distance(Model):
    """How many minors a component may be from another one."""

    component: str
    of: str = Field(description="the component that it is measured from")
    older: int = Field(0, ge=0, description="minors that it may be behind")
    newer: int = Field(0, ge=0, description="minors that it may be ahead")
    when: Member | None = Field(
        None, description="holds for these versions of either only; absent: for all"
    )
    source: str = Field(description="a key of `sources`")
    note: str = ""


class Step(Model):
    """How far one upgrade of a control plane may go."""

    minors: int = Field(ge=1)
    source: str
    note: str = ""


class Support(Model):
    """How long a minor gets patches."""

    months: int
    since: Minor | None = Field(
        None, description="first minor that it holds for; absent: the first of all"
    )
    source: str
    note: str = ""


class Skew(Model):
    """The whole of `recipes/skew.toml`."""

    policy: str = Field(description="URL that people read")
    upgrade: Step
    distances: tuple[Distance, ...]
    support: tuple[Support, ...]
    sources: dict[str, str]

    def mistakes(self) -> Iterator[tuple[str, str]]:
        """What is wrong within the file, as key and problem: missing evidence."""
        used = {"upgrade.source": self.upgrade.source}
        used |= {
            f"distances[{index}].source": one.source for index, one in enumerate(self.distances)
        }
        used |= {f"support[{index}].source": one.source for index, one in enumerate(self.support)}
        return unexplained(used, self.sources)
