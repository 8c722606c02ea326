"""Clusters of one container: what somebody wants, and what an engine has."""

from typing import Annotated, Final

from pydantic import Field

from kubewright.models.answer import Answer, headed
from kubewright.models.base import Header, Model

NAME: Final = r"(?=.{2,63}\Z)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*"
"""The name of a node, and of the container that it is: Docker wants two characters."""

Port = Annotated[int, Field(ge=1, le=65535)]


class Published(Model):
    """A port of the node that this machine gets."""

    here: Port
    node: Port
    protocol: str = Field("tcp", pattern=r"^(tcp|udp|sctp)$")


class Wanted(Model):
    """A cluster that is to be."""

    name: str
    context: str = Field(description="what kubeconfigs call it")
    image: str = Field("", description="a reference; empty: the newest that the engine has")
    port: Port | None = Field(None, description="of its API on this machine; None: a free one")
    published: tuple[Published, ...] = ()
    network: str = Field("", description="the engine's; empty: its default one")
    options: tuple[str, ...] = Field((), description="of `hyperkube cluster`")


class Cluster(Model):
    """A cluster that an engine has."""

    name: str = Field(description="of the cluster, and of its container")
    version: str = Field(description="of Kubernetes, v1.36.4; empty where only the volume is left")
    state: str = Field(description="the engine's word (running, exited), or `volume only`")
    server: str = Field(description="where its API is, for this machine")
    image: str = Field(description="its reference; empty where only the volume is left")
    container: str = Field(description="its ID")
    volume: str = Field(description="its name")
    created: str = Field(description="when, as the engine writes it")


class Begun(Answer):
    """A cluster that has become ready."""

    header: Header = headed("cluster")
    cluster: Cluster = Field(description="as the engine has it")
    milliseconds: int = Field(description="from the start of the container")
    context: str = Field("", description="what kubeconfigs call it")
    kubeconfig: str = Field("", description="the file that has got its access, if any")


class Ended(Answer):
    """What was removed of a cluster."""

    header: Header = headed("cluster-removed")
    name: str = Field(description="of the cluster")
    container: bool = Field(description="whether there was one")
    volume: bool = Field(description="whether there was one")
    kubeconfigs: tuple[str, ...] = Field(description="files that named it")
