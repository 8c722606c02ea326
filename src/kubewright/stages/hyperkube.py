"""hyperkube: locks its Go modules, and compares it with the programs that it stands for."""

from pathlib import Path

from kubewright import kubernetes_versions, resolution
from kubewright.gobuild import go, module_lock
from kubewright.gobuild import parity as gate
from kubewright.models.base import Arch
from kubewright.recipes import Recipes
from kubewright.settings import Settings


def lock(version: str, recipes: Recipes) -> list[Path]:
    """Lock the Go modules of a Kubernetes release in images/hyperkube/locks/; give the files that
    changed.
    """
    return module_lock.lock(kubernetes_versions.required(version), recipes.images)


def parity(version: str, settings: Settings, recipes: Recipes) -> gate.Parity:
    """Compile hyperkube and the separate programs for this machine, and compare what they say of
    themselves.
    """
    kubernetes = kubernetes_versions.required(version)
    epoch = resolution.choose(kubernetes, recipes.catalog, recipes.components)[0].epoch
    return gate.check(
        kubernetes,
        Arch.own(),
        epoch=epoch,
        cache=settings.cache,
        content=recipes.images,
        recipe=recipes.go,
        accepting=recipes.parity,
        progress=go.announce,
    )
