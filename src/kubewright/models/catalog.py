"""One Kubernetes minor as `recipes/catalog/1.NN.toml` states it: every value with its evidence."""

from typing import Literal

from pydantic import Field

from kubewright.models.base import Day, Evidence, Minor, Model, Version

Status = Literal["validated", "supported", "unknown"]
"""validated: upstream says so · supported: inside a stated bound · unknown: carried forward."""


class Stated(Model):
    """One value that upstream states, from one patch on."""

    value: Version
    since: Version | None = Field(None, description="first Kubernetes patch that it holds for; absent: all")
    status: Status = "validated"
    source: str
    note: str = ""

    @property
    def evidence(self) -> Evidence:
        """The source and note as published with a choice."""
        return Evidence(source=self.source, note=self.note)


class Bound(Model):
    """A range that upstream states for a component, e.g. `>=2.2.0,<2.3.0`."""

    range: str
    source: str
    note: str = ""

    @property
    def evidence(self) -> Evidence:
        """The source and note as published with a choice."""
        return Evidence(source=self.source, note=self.note)


class ComponentFacts(Model):
    """What is known about one component for one minor."""

    exact: tuple[Stated, ...] = Field((), description="the version that upstream deploys, per patch")
    lines: tuple[Bound, ...] = Field((), description="validated ranges, best first; each is two-sided")
    bounds: tuple[Bound, ...] = Field((), description="ranges that any version must meet")


class Patch(Model):
    """One released patch of the minor."""

    version: Version
    date: Day | None = None
    skipped: bool = False
    note: str = ""
    source: str


class MinorFacts(Model):
    """Everything the catalog states about one Kubernetes minor."""

    minor: Minor
    released: Day
    end_of_life: Day | None = None
    source: str = Field(description="where the dates come from")
    dockershim: bool
    dockershim_source: str
    patches: tuple[Patch, ...]
    components: dict[str, ComponentFacts]
    sources: dict[str, str] = Field(description="what the short source names stand for")
