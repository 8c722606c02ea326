"""quickstart: the whole product on one machine, with nothing but Python and the package managers that are there."""

import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from kubewright import clients, mirror, recipes, versions
from kubewright.clients import ClientUnavailable, Installed, apt, dnf
from kubewright.files import explained
from kubewright.log import step
from kubewright.settings import Settings
from kubewright.stages.release import release
from kubewright.stages.sign import Keys

log = logging.getLogger(__name__)

REQUEST = "stable"
PACKAGES = ("kubernetes-node",)


def quickstart(home: Path, settings: Settings, keys: Keys) -> Iterator[str]:
    """Make everything below `home`, install from it, and say in a few lines what was made and what to do next."""
    home = home.resolve()
    roots = home / "roots"
    with explained(roots):
        shutil.rmtree(roots, ignore_errors=True)
        home.mkdir(parents=True, exist_ok=True)
    with step(log, "sample upstream mirror"):
        mirror.sample(home / "mirror", recipes.components(), mirror.KUBERNETES, epoch=mirror.EPOCH)
    site = home / "site"
    with clients.serve(site) as url:
        settings = settings.model_copy(
            update={
                "upstream": str(home / "mirror"),
                "dist": home / "dist",
                "site": str(site),
                "allow_development": True,
            }
        )
        with step(log, f"release {REQUEST}"):
            workspace, channels, changes = release(REQUEST, settings, keys)
        suite = f"stable-{versions.minor(workspace.release().kubernetes)}"
        yield f"release   {workspace.root.name} in {', '.join(channels)}: {len(changes)} objects written, all verified"
        yield from _client(
            "apt", lambda: apt.install(url, suite, site / "keys/kubewright.gpg", PACKAGES, roots / "apt"), roots
        )
        yield from _client(
            "dnf", lambda: dnf.install(url, suite, site / "keys/kubewright.asc", PACKAGES, roots / "dnf"), roots
        )
    yield from _next_steps(home, site, keys)


def _client(name: str, install: Callable[[], Installed], roots: Path) -> Iterator[str]:
    """Install with one client and run what it installed; a client that cannot run here is named with the reason."""
    try:
        with step(log, f"install {' '.join(PACKAGES)} with {name}"):
            installed = install()
    except ClientUnavailable as reason:
        yield f"{name:9} not tried: {reason}"
        return
    yield f"{name:9} {installed.client} {installed.version} installed {len(installed.packages)} packages, signatures checked"
    kubelet = clients.run_installed(roots / name, ["/usr/bin/kubelet", "--version"])
    yield f"{'':9} kubelet --version: {kubelet.splitlines()[0]}"
    check = clients.node_check(roots / name)
    yield f"{'':9} kube-node-check: {check}"


def _next_steps(home: Path, site: Path, keys: Keys) -> Iterator[str]:
    yield f"made in   {home}"
    yield f"site      {site}/index.html (serve the directory with any web server)"
    yield f"key       {keys.repo.fingerprint}, a development key: nobody else should trust this site"
    yield f"next      kubewright verify {site}"
    yield "          kubewright release stable-1.36 --upstream DIR|URL --site DIR   (docs/, README.md)"
