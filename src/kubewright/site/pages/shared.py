"""What several pages show: releases, and the commands that install them."""

from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import Any, Final

from kubewright.addresses import is_exposed
from kubewright.models.base import Evidence
from kubewright.models.manifest import Manifest
from kubewright.models.site import WITHDRAWN, YANKED, IndexedRelease
from kubewright.site import layout
from kubewright.site.install_commands import MANAGERS, NEWEST, Entry, Role, command, setup

UPSTREAM_REGISTRY: Final = "registry.k8s.io"
"""Where Kubernetes' own images are; ours are named so too where they were pushed nowhere, for
kubeadm asks for those names.
"""


def site(url: str, root: str) -> dict[str, Any]:
    """What every page has: the site's address, "" where none is fixed, and the way to its root."""
    return {"site_url": url, "root": root, "exposed": is_exposed(url)}


def release(one: IndexedRelease) -> dict[str, Any]:
    """A release as a row of a table."""
    return {
        "version": f"v{one.kubernetes}",
        "name": one.name,
        "page": layout.release_page(one.name),
        "channels": [WITHDRAWN] if one.status == YANKED else list(one.channels),
        "status": "withdrawn" if one.status == YANKED else one.status,
        "reason": one.reason,
        "avoid": one.avoid or "",
        "manifest_url": one.manifest_url,
        "end_of_life": one.end_of_life or "",
        "runtime": {
            name: one.components[name] for name in ("containerd", "etcd") if name in one.components
        },
    }


def ways(url: str, channel: str, wanted: Sequence[Role] = NEWEST) -> list[dict[str, Any]]:
    """The commands of each package manager: what lets it know a channel, and each role's."""
    entry = Entry("", site_url=url, channel=channel, provenance="")
    found = []
    for manager in MANAGERS:
        roles = []
        for role in wanted:
            commands = f"{command(manager, role.names[manager.format])}{role.check}\n"
            roles.append({"title": role.title, "commands": commands})
        text = setup(manager, entry)
        found.append({"name": manager.name, "title": manager.title, "setup": text, "roles": roles})
    return found


def nearest(minor: str) -> Callable[[str], tuple[bool, bool, str]]:
    """Sorts channels: `stable-1.NN`, others of that minor alone, those that go on to the next."""
    return lambda name: (name != f"stable-{minor}", not name.endswith(f"-{minor}"), name)


def components(manifest: Manifest) -> list[dict[str, Any]]:
    """What is in a release, why in this version, and who says so."""
    found = []
    for one in manifest.components.values():
        facts = {"name": one.name, "version": one.version, "status": one.status}
        cited = [_cited(evidence) for evidence in one.evidence]
        found.append({**facts, "reason": one.reason, "evidence": cited})
    return found


def _cited(evidence: Evidence) -> str:
    """Who says it, with what."""
    source = evidence.cited or evidence.source
    return f"{source}: {evidence.note}" if evidence.note else source


def images(manifest: Manifest) -> list[dict[str, str]]:
    """The images of a release. Upstream's registry, where nobody has pushed them, is not named."""
    found = []
    for one in manifest.images:
        name = one.reference.removeprefix(f"{UPSTREAM_REGISTRY}/")
        found.append({"name": name, "digest": one.index})
    return found


def requirements(manifest: Manifest) -> list[str]:
    """What a node needs, in short sentences."""
    return manifest.requirements.node.sentences()


def distributions(manifest: Manifest) -> list[dict[str, Any]]:
    """Which of each distribution's own packages, and of Docker's repository, fit the release."""
    rows: dict[str, dict[str, Any]] = {}
    for one in manifest.requirements.distributions:
        name = distribution_name(one.distribution)
        row = rows.setdefault(one.distribution, {"name": name, "packages": []})
        fact = {"name": one.package, "version": one.version, "fits": one.fits, "why": one.reason}
        row["packages"].append({**fact, "own": one.repository == "distribution"})
    return [*rows.values()]


_NAMES: Final = MappingProxyType({
    "rhel": "RHEL and its kin", "amazon": "Amazon Linux", "opensuse-leap": "openSUSE Leap",
    "opensuse": "openSUSE",
})  # fmt: skip


def distribution_name(key: str) -> str:
    """A distribution as people write it: `Debian 12` for `debian-12`."""
    family, _, release = key.rpartition("-")
    return f"{_NAMES.get(family, family.capitalize())} {release.capitalize()}"


def origin(manifest: Manifest) -> str:
    """Whose the programs are: `sample`, `source` (compiled by somebody else), or `upstream`."""
    kinds = {entry.mirror.kind for entry in manifest.inputs if entry.mirror}
    return next((kind for kind in ("sample", "source") if kind in kinds), "upstream")
