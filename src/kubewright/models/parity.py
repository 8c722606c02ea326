"""How hyperkube's programs may differ from the separate ones, as `images/hyperkube/parity.toml`
states it.
"""

from pydantic import Field

from kubewright.models.base import Model


class Accepted(Model):
    """Lines that may differ, and why."""

    program: str
    asked: str = Field(description="the arguments, e.g. `--help`")
    minors: tuple[str, ...] = Field((), description="of Kubernetes; none: all")
    lines: tuple[str, ...] = Field(
        description="as in a diff: `-` only the separate program, `+` only hyperkube"
    )
    reason: str


class Accepting(Model):
    """The whole of `images/hyperkube/parity.toml`."""

    accepted: tuple[Accepted, ...] = ()
