"""hyperkube and mirror source: the verbs that compile, with what the recipes and the settings say
for them.
"""

from pathlib import Path

from kubewright import content, recipes, resolution, versions
from kubewright.gobuild import go, module_lock
from kubewright.gobuild import parity as gate
from kubewright.models.base import Arch
from kubewright.settings import Settings
from kubewright.stages.mirror import SourceSummary, source_mirror


def lock(version: str) -> list[Path]:
    """Lock the Go modules of a Kubernetes release in images/hyperkube/locks/; give the files that
    changed.
    """
    return module_lock.lock(_plain(version), content.folder("images"))


def parity(version: str, settings: Settings) -> gate.Parity:
    """Compile hyperkube and the separate programs for this machine, and compare what they say of
    themselves.
    """
    kubernetes = _plain(version)
    epoch = resolution.choose(kubernetes, recipes.catalog(), recipes.components())[0].epoch
    return gate.check(
        kubernetes, Arch.own(),
        epoch=epoch, cache=settings.cache, content=content.folder("images"), progress=go.announce,
    )  # fmt: skip


def source(version: str, directory: Path, settings: Settings) -> SourceSummary:
    """Have a Kubernetes release and its companions, compiled from their Go modules, in an upstream
    mirror.
    """
    return source_mirror(
        version, directory, recipes.components(),
        cache=settings.cache, architectures=settings.architectures,
        progress=go.announce, epoch=settings.source_date_epoch,
    )  # fmt: skip


def _plain(version: str) -> str:
    return str(versions.parse(version))
