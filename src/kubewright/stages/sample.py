"""mirror sample: chooses what a sample mirror has, so that any of its Kubernetes versions can be
released from it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from kubewright import kubernetes_versions, mirror, resolution, versions
from kubewright.mirror import Summary
from kubewright.models.base import Arch
from kubewright.recipes import Recipes


def sample(
    dest: Path, recipes: Recipes, kubernetes: Sequence[str] = mirror.KUBERNETES,
    *, epoch: int = mirror.EPOCH, busybox: Mapping[Arch, Path] | None = None,
) -> Summary:  # fmt: skip
    """Write a sample mirror of these Kubernetes versions and every companion that may be chosen for
    one of them.

    Raises RequestError for a version that cannot be read or that the catalog does not know, and
    what `mirror.sample` raises.
    """
    asked = [kubernetes_versions.required(version) for version in kubernetes]
    wanted = _wanted(asked, recipes)
    return mirror.sample(dest, recipes.components, wanted, epoch=epoch, busybox=busybox)


def _wanted(kubernetes: Sequence[str], recipes: Recipes) -> dict[str, Sequence[str]]:
    """The known versions of every component that are in the range of a release; those to be avoided
    are not.
    """
    components = recipes.components
    wanted: dict[str, list[str]] = {"kubernetes": list(kubernetes)}
    for release in kubernetes:
        for chosen in resolution.choose(release, recipes.catalog, components, recipes.relations)[
            1:
        ]:
            versions_of = wanted.setdefault(chosen.name, [chosen.version])
            versions_of += [
                known.version
                for known in components.components[chosen.name].known
                if not known.avoid and known.version not in versions_of
                and versions.inside(known.version, chosen.range)
            ]  # fmt: skip
    return {name: sorted(set(known), key=versions.parse) for name, known in wanted.items()}
