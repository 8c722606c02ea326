"""What `kube-node-check --json` prints; `schemas/node-check.json` on a site is its schema."""

from typing import Literal

from pydantic import Field

from kubewright.models.document import Document
from kubewright.models.node import Role

Result = Literal["ok", "warn", "fail"]


class Check(Document):
    """One thing that was looked at."""

    id: str = Field(description="a name that stays, such as `containerd-cri`")
    result: Result = Field(description="fail: Kubernetes will not run here; warn: it may not; ok")
    found: str = Field(description="`cannot look` where it could not be seen, which is a warning")
    wanted: str = Field(description="empty where the result is ok")
    remedy: str = Field(description="for people; empty where the result is ok")
    fix: tuple[str, ...] | None = Field(
        None,
        description="with --fix: commands for a shell, in their order, that are right as they are; "
        "none where a person has to choose",
    )


class NodeCheck(Document):
    """What a machine lacks for a role in a release of Kubernetes.

    The exit code is 1 where `result` is `fail`, else 0; with --strict 1 where it is `warn`, too.
    """

    spec: str = Field(description="the version of Kubernetes whose node spec was asked")
    role: Role = Field(description="whom it was asked for")
    checks: tuple[Check, ...] = Field(description="in the order in which they were made")
    result: Result = Field(description="the worst of all")
