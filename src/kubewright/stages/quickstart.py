"""quickstart: the whole product on one machine, with nothing but Python and the package managers
that are there.
"""

import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from kubewright import files, versions
from kubewright.clients import ClientUnavailable, Installed, apt, dnf, node_check, run_installed
from kubewright.clients.server import serve
from kubewright.errors import RequestError
from kubewright.files import explained
from kubewright.log import step
from kubewright.recipes import Recipes
from kubewright.settings import Settings
from kubewright.signing.roles import Keys
from kubewright.site import layout
from kubewright.stages.origins import refuse_placeholders
from kubewright.stages.release import release
from kubewright.stages.sample import sample

log = logging.getLogger(__name__)

REQUEST = "stable"
PACKAGES = ("kubernetes-node",)

STAMP = "made-by-quickstart"
"""A file in every directory that quickstart may clear."""


def quickstart(home: Path, settings: Settings, recipes: Recipes, keys: Keys) -> Iterator[str]:
    """Make everything below `home`, install from it, and say in a few lines what was made and what
    to do next.

    What an earlier run left there is made anew: the site's address is part of what it publishes.
    """
    refuse_placeholders("quickstart", settings, keys, "leave out --repo-key and --artifact-key")
    home = home.resolve()
    site, roots = home / "site", home / "roots"
    _clear(home, site, roots)
    with step(log, "sample upstream mirror"):
        sample(home / "mirror", recipes)
    with serve(site) as url:
        settings = settings.model_copy(
            update={
                "upstream": str(home / "mirror"),
                "upstream_for": (),
                "dist": home / "dist",
                "site": str(site),
                "url": "",  # so that any server can serve it, whatever it is called
            }
        )
        with step(log, f"release {REQUEST}"):
            workspace, channels, changes = release(REQUEST, settings, recipes, keys)
        suite = f"stable-{versions.minor(workspace.release().kubernetes)}"
        yield (
            f"release   {workspace.root.name} in {', '.join(channels)}:"
            f" {len(changes)} objects written, all verified"
        )
        clients = {
            "apt": lambda root: apt.install(url, suite, site / layout.KEYRING, PACKAGES, root),
            "dnf": lambda root: dnf.install(
                url, suite, site / layout.KEYRING_ARMORED, PACKAGES, root, fixed=False
            ),
        }
        for name, install in clients.items():
            yield from _client(name, install, roots / name)
    yield from _next_steps(home, site, recipes, keys)


def _clear(home: Path, site: Path, roots: Path) -> None:
    """Remove what an earlier run left. Raises RequestError where somebody else's files are."""
    stamp = home / STAMP
    if home.is_dir() and any(home.iterdir()) and not stamp.is_file():
        raise RequestError(
            f"--keep {home}",
            "holds other things, which quickstart would replace",
            "name a new directory",
        )
    with explained(home):
        files.write(
            stamp, b"Made by `kubewright quickstart`, which makes all of it anew each time.\n"
        )
        for old in (home / "dist", site, roots):
            shutil.rmtree(old, ignore_errors=True)
        site.mkdir(parents=True)


def _client(name: str, install: Callable[[Path], Installed], root: Path) -> Iterator[str]:
    """Install with one client and run what it installed; a client that cannot run here is named
    with the reason.
    """
    try:
        with step(log, f"install {' '.join(PACKAGES)} with {name}"):
            installed = install(root)
    except ClientUnavailable as reason:
        yield f"{name:9} not tried: {reason}"
        return
    transcript = root.with_suffix(".log")
    files.write(transcript, "".join(f"{line}\n" for line in installed.transcript).encode())
    yield (
        f"{name:9} {installed.client} {installed.version}, signatures checked:"
        f" {len(installed.packages)} packages installed"
        f" ({transcript.relative_to(root.parents[1])})"
    )
    version = run_installed(root, ["/usr/bin/kubelet", "--version"]).strip()
    yield f"{'':9} kubelet --version: {version}"
    yield f"{'':9} kube-node-check: {node_check(root)}; in a private root nothing is started"


def _next_steps(home: Path, site: Path, recipes: Recipes, keys: Keys) -> Iterator[str]:
    yield f"made in   {home}"
    yield f"site      {site}/index.html; any web server can serve the directory"
    trust = (
        ", a development key: only this machine should trust the site" if keys.development else ""
    )
    yield f"key       {keys.repo.fingerprint}{trust}"
    command = "./nox -s" if (recipes.root / "noxfile.py").is_file() else "kubewright"
    dashes = " --" if command.startswith("./nox") else ""
    yield f"next      {command} verify{dashes} {site} --trust-on-first-use"
    yield f"          python3 -m http.server --directory {site} 8000   # for a node to install from"
    yield f"          {command} resolve{dashes} stable --offline   # what a real release would have"
    yield "          README.md, A first real release"
