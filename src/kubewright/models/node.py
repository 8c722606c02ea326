"""What Kubernetes asks of a node, as `recipes/node-spec.toml` states it and `kube-node-check` reads
it.
"""

from collections.abc import Iterable, Iterator
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from kubewright.models.base import Evidence, Json, Minor, Model, Version, minor_order
from kubewright.models.sources import unexplained

Level = Literal["ok", "warning", "error"]
"""How much it matters that a requirement is not met."""

Role = Literal["node", "control-plane"]

Pattern = Annotated[str, StringConstraints(pattern=r"^\^[^'\s]+\$$")]
"""An anchored POSIX extended regular expression, safe inside the shell's single quotes."""

KernelConfig = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9_]+(\|[A-Z0-9_]+)?$")]
"""A kernel option without `CONFIG_`; of two names divided by `|` either is enough."""

Word = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_.-]+$")]
"""A name that is one word to the shell: a module, a cgroup controller, a program, a sysctl."""


class Kernel(Model):
    """The kernel and what is compiled into it; an option that is a module counts."""

    releases: tuple[Pattern, ...] = Field(description="one must match `uname -r`")
    level: Level = Field(description="of a release that none matches")
    configs: tuple[KernelConfig, ...] = Field(
        description="options that the kernel has to be built with"
    )
    cgroup_v1_configs: tuple[KernelConfig, ...] = Field(
        (), description="in addition, on a host with cgroup v1"
    )
    cgroup_v2_configs: tuple[KernelConfig, ...] = Field(
        (), description="in addition, on a host with cgroup v2"
    )
    modules: tuple[Word, ...] = Field(
        description="kubernetes-node loads them at boot and at install"
    )


class Cgroups(Model):
    """Control groups."""

    v1: Level = Field(description="of a host with cgroup v1")
    v1_controllers: tuple[Word, ...] = Field(description="that cgroup v1 has to have")
    v2_controllers: tuple[Word, ...] = Field(description="that cgroup v2 has to have")
    driver: Literal["systemd", "cgroupfs"] = Field(description="what kubeadm tells kubelet to use")


class Machine(Model):
    """What a role needs of its machine."""

    ports: tuple[int, ...] = Field(description="TCP ports that must be free")
    memory_mib: int = Field(description="how much memory at least, in MiB")
    cpus: int = Field(description="how many processors at least")
    level: Level = Field(description="of too little memory or too few CPUs")


class DockerRule(Model):
    """From a Docker version on, the oldest cri-dockerd that can talk to it."""

    docker: Version = Field(description="versions of Docker that it is about")
    cri_dockerd: Version = Field(description="versions of cri-dockerd that do")


class Runtime(Model):
    """Container runtimes."""

    cri: Literal["v1"] = Field(
        "v1", description="the version of the interface between kubelet and runtime"
    )
    containerd_minimum: Version = Field(description="older ones are not supported at all")
    containerd_lines: tuple[Version, ...] = Field(
        description="the first validated version of each line; none: unknown"
    )
    docker: tuple[DockerRule, ...] = Field(
        description="oldest Docker first; the last that applies counts"
    )


class NodeSpec(Model):
    """What one Kubernetes minor asks of a node."""

    minor: Minor = Field(description="of Kubernetes")
    kernel: Kernel = Field(description="its version and options")
    cgroups: Cgroups = Field(description="which versions and controllers")
    sysctls: dict[Word, Word] = Field(description="and the values that they must have")
    swap: Level = Field(description="of swap in use, unless kubelet is told to tolerate it")
    executables: dict[Word, Level] = Field(
        description="programs; `ok` takes back what an older minor asks for"
    )
    machines: dict[Role, Machine] = Field(description="processors, memory and ports, by role")
    runtime: Runtime = Field(description="which container runtimes")
    evidence: dict[str, Evidence] = Field(
        description="by the part of the specification that it is about"
    )

    @field_validator("executables")
    @classmethod
    def _asked_for(cls, levels: dict[str, Level]) -> dict[str, Level]:
        return {name: level for name, level in levels.items() if level != "ok"}

    def sentences(self) -> list[str]:
        """The requirements in short sentences for people."""
        control_plane, node = self.machines["control-plane"], self.machines["node"]
        cgroups = {
            "ok": "cgroup v2 or v1",
            "warning": "cgroup v2 (v1 still works)",
            "error": "cgroup v2",
        }
        swap = {
            "ok": "Swap may be on.",
            "warning": "Swap should be off.",
            "error": "Swap must be off.",
        }
        sysctls = _listed(f"{key}={value}" for key, value in self.sysctls.items())
        lines = [
            f"{first} or a newer {first.rpartition('.')[0]}"
            for first in self.runtime.containerd_lines
        ]
        containerd = _listed(lines) or f"{self.runtime.containerd_minimum} or newer"
        return [
            f"Control plane: {control_plane.cpus} CPUs, {control_plane.memory_mib} MiB of memory,"
            f" free TCP ports {_listed(control_plane.ports)}.",
            f"Other nodes: {node.memory_mib} MiB of memory, free TCP ports {_listed(node.ports)}.",
            f"Linux with {cgroups[self.cgroups.v1]}, "
            f"the kernel modules {_listed(self.kernel.modules)} and {sysctls}.",
            swap[self.swap],
            f"containerd {containerd}; or Docker with cri-dockerd.",
        ]


class NodeSpecs(Model):
    """The whole of `recipes/node-spec.toml`."""

    sources: dict[str, str] = Field(description="what the evidence's short source names stand for")
    specs: tuple[NodeSpec, ...] = Field(description="by minor, oldest first")

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, table: Json) -> Json:
        """Each specification states what has changed since the one before it."""
        specs: list[Json] = []
        for changes in table.get("specs", []):
            specs.append(_merged(specs[-1], changes) if specs else changes)
        return {**table, "specs": specs}

    def mistakes(self) -> Iterator[tuple[str, str]]:
        """What is wrong within the file, as key and problem: missing evidence, each told where it
        is first missing.
        """
        used: dict[str, str] = {}
        inherited: dict[str, Evidence] = {}
        for index, spec in enumerate(self.specs):
            own = {part: one for part, one in spec.evidence.items() if inherited.get(part) != one}
            used |= {
                f"specs[{index}].evidence.{part}.source": one.source for part, one in own.items()
            }
            for part in sorted(own.keys() - _PARTS):
                yield (
                    f"specs[{index}].evidence.{part}",
                    f"not a part of a specification; known: {', '.join(sorted(_PARTS))}",
                )
            for part in sorted(_PARTS - spec.evidence.keys() if index == 0 else ()):
                yield (
                    f"specs[{index}].evidence.{part}",
                    "required, but not there; say where the values were read",
                )
            inherited = spec.evidence
        yield from unexplained(used, self.sources)

    def find(self, minor: str) -> NodeSpec:
        """What holds for a minor, its evidence in words: its own, else the nearest older
        specification.

        Raises KeyError if all are newer.
        """
        found = [spec for spec in self.specs if minor_order(spec.minor) <= minor_order(minor)]
        if not found:
            raise KeyError(minor)
        evidence = {
            part: one.model_copy(update={"cited": self.sources.get(one.source, "")})
            for part, one in found[-1].evidence.items()
        }
        return found[-1].model_copy(update={"evidence": evidence})


_PARTS = (NodeSpec.model_fields.keys() | Runtime.model_fields.keys()) - {
    "minor",
    "runtime",
    "cri",
    "evidence",
}
"""What each specification states, and needs evidence for."""


def _merged(old: Json, changes: Json) -> Json:
    """A table's keys replace those of the table before it, each whole: new evidence keeps no note
    of the old.
    """
    both = {key: {**old[key], **changes[key]} for key in changes if isinstance(old.get(key), dict)}
    return {**old, **changes, **both}


def _listed(items: Iterable[object]) -> str:
    return ", ".join(map(str, items))
