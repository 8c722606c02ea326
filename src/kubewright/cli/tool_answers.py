"""What the verbs beside the pipeline print with `--json`: keys, catalog, clusters, files."""

from collections.abc import Mapping

from pydantic import Field

from kubewright.cli.answers import Written
from kubewright.models.answer import Answer, headed
from kubewright.models.base import Day, Header, Model, Sha256
from kubewright.models.cluster import Cluster


class Files(Answer):
    """Files that were written."""

    header: Header = headed("files")
    files: tuple[str, ...] = Field(description="their paths")


class Contradiction(Model):
    """Statements that cannot both be true."""

    file: str = Field(description="a recipe")
    key: str = Field(description="in it")
    problem: str = Field(description="in words, with what would end it")


class CatalogChecked(Answer):
    """What the recipes state, and where they contradict each other."""

    header: Header = headed("catalog-check")
    size: Mapping[str, int] = Field(description="how many of what they state")
    contradictions: tuple[Contradiction, ...] = Field(description="none: all fits together")


class Clusters(Answer):
    """The clusters of an engine."""

    header: Header = headed("clusters")
    clusters: tuple[Cluster, ...] = Field(description="by name")


class KeyFiles(Answer):
    """The files of new keys, each by its path."""

    header: Header = headed("key-files")
    repo_secret: str = Field(description="of the repository key")
    repo_public: str = Field(description="its certificate, for people")
    artifact_secret: str = Field(description="of the artifact key")
    artifact_public: str = Field(description="PEM, for people")
    next_secret: str = Field(description="of the repository key that follows: not for this machine")
    next_public: str = Field(description="its certificate")
    freshness_secret: str = Field(description="of the freshness key")
    freshness_public: str = Field(description="PEM")
    root_secret: str = Field(description="signs roots: not for this machine")
    root_public: str = Field(description="PEM")
    root: str = Field(description="the root that names artifact key and freshness key")


class KeysShown(Answer):
    """The keys that the options name."""

    header: Header = headed("keys")
    openpgp: str = Field(description="fingerprint of the repository key")
    user_id: str = Field(description="of the repository key")
    expires: int | None = Field(None, description="when it does, epoch seconds; absent: never")
    ecdsa: Sha256 = Field(description="id of the artifact key: SHA-256 of its public half")
    freshness: Sha256 | None = Field(None, description="id of the freshness key")
    root: Sha256 | None = Field(None, description="of the file of the last root")
    development: bool = Field(description="whether one of them is a development key")


class Certified(Answer):
    """A certificate for a key that stays where it is."""

    header: Header = headed("certificate")
    fingerprint: str = Field(description="OpenPGP")
    certificate: str = Field(description="the file")


class KeysChecked(Answer):
    """Which keys cannot sign on a day."""

    header: Header = headed("key-check")
    at: Day = Field(description="the day")
    expired: tuple[str, ...] = Field(description="in words; none: every key can sign then")


class KeyRotated(Written):
    """A step from one repository key to the next."""

    header: Header = headed("rotation")
    step: str = Field(description="announce, overlap, switch or retire")


class KeyRevoked(Written):
    """A key that counts no more."""

    header: Header = headed("revocation")
    key: str = Field(description="OpenPGP fingerprint, or SHA-256 of the public key")
    kind: str = Field(description="openpgp or ecdsa-p256")
    withheld: tuple[str, ...] = Field(description="rpms that yum repositories list no more")
    releases: tuple[str, ...] = Field(description="that have such rpms, and need a new revision")


class RootShown(Answer):
    """Whom a root names."""

    header: Header = headed("root")
    version: int = Field(description="counted from 1")
    sha256: Sha256 = Field(description="of the file")
    expires: Day = Field(description="the day after which nobody takes it")
    roles: Mapping[str, tuple[str, ...]] = Field(description="ids of the keys that hold each role")
    threshold: int = Field(description="how many root keys have to sign a root")
    missing: tuple[str, ...] = Field(description="signatures that it lacks, in words; none: whole")
