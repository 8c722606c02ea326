"""Sets of keys that tests make, and roots by which a site goes from one set to another."""

from dataclasses import replace
from pathlib import Path

from tuf.api.metadata import Root

from kubewright.metadata import formats
from kubewright.metadata.formats import RoleKey
from kubewright.signing import roots
from kubewright.signing.keys import (
    Paths,
    artifact_key,
    development_root,
    freshness_key,
    initialise,
    repo_key,
    root_key,
)
from kubewright.signing.roles import Keys

SIGNERS: dict[bytes, RoleKey] = {}
"""Whose key signs the root after each root that was made here."""


def made(folder: Path, name: str, *, now: int, expires_days: int | None = None) -> Keys:
    """A whole set of keys, made in a folder."""
    paths = initialise(
        folder, f"{name} <{name.lower()}@example.org>", now=now, expires_days=expires_days
    )
    return read(paths, now=now)


def read(paths: Paths, *, now: int) -> Keys:
    """The set of keys in these files."""
    root = paths.root.read_bytes()
    SIGNERS[root] = root_key(f"file:{paths.root_secret}").role_key
    return Keys(
        repo=repo_key(f"file:{paths.repo_secret}", now=now),
        artifact=artifact_key(f"file:{paths.artifact_secret}"),
        freshness=freshness_key(f"file:{paths.freshness_secret}"),
        root=root,
    )


def development(now: int) -> Keys:
    """The development keys of this run."""
    root = development_root(now)
    SIGNERS[root] = root_key(None).role_key
    return Keys(
        repo=repo_key(None, now=now),
        artifact=artifact_key(None),
        freshness=freshness_key(None),
        root=root,
    )


def rooted(keys: Keys, folder: Path, *, now: int) -> Keys:
    """Keys with a freshness key and a root of their own, which names them."""
    other = made(folder / "rooted", "Rooted", now=now)
    if other.root is None:
        raise ValueError("keys without a root")
    signer = SIGNERS[other.root]
    holders = {
        "root": [signer.key],
        "targets": [keys.artifact.key],
        "snapshot": [keys.artifact.key],
        "timestamp": [other.roles.freshness.key],
    }
    root = roots.new(holders, [signer], now=now).data
    SIGNERS[root] = signer
    return replace(keys, freshness=other.freshness, root=root)


def following(before: Keys, after: Keys, *, now: int) -> Keys:
    """Keys whose root follows that of others: a site may go from those to these."""
    if before.root is None:
        raise ValueError("keys without a root")
    signer = SIGNERS[before.root]
    holders = {
        "targets": [after.roles.artifact.key],
        "snapshot": [after.roles.artifact.key],
        "timestamp": [after.roles.freshness.key],
    }
    old = formats.parse(Root, before.root, "the root before")
    root = roots.new(holders, [signer], now=now, before=old).data
    SIGNERS[root] = signer
    return replace(after, root=root, earlier=before.roots)
