"""What the machines of a run come from: the mirror, the releases on a site, the registry, and clean
Debian roots.
"""

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cluster
from engine import Engine
from network import Network

ROOTS = {
    "machine": "systemd,systemd-sysv,dbus,ca-certificates,curl,sudo,procps,iproute2,kmod",
    "services": "docker-registry,busybox-static",
    "conformance": "bash-static,bind9-dnsutils,busybox-static,curl,iperf,iproute2,"
    "netcat-openbsd,nginx-light",
}
"""Clean Debian 12 roots by name, with what each has beyond the minimum; none has anything of
ours.
"""

PUBLIC = {"openpgp": "repo-key.pub.asc", "ecdsa-p256": "artifact-key.pub"}
"""The release manager's public keys, which lie in the work directory as `key init` has them."""

KEYS = tuple(word for name in PUBLIC.values() for word in ("--key", name))
"""What `kubewright verify` is told to trust."""

Manifest = dict[str, Any]
"""A release's manifest.json."""


def minor(version: str) -> str:
    """The minor of a version: `1.36` of `1.36.2`."""
    return version.rpartition(".")[0]


def channel(version: str) -> str:
    """The channel of a version's minor."""
    return f"stable-{minor(version)}"


def front_page(manifest: Manifest) -> str:
    """The commands that a release's manifest, and so the front page of its site, has for debs."""
    found: str = next(one["commands"] for one in manifest["install"] if one["format"] == "deb")
    return found


class Supply:
    """The work directory of a run, and what is made in it."""

    def __init__(
        self, work: Path, upstream: Path | None, cache: Path | None, network: Network
    ) -> None:
        self.work = work.resolve()
        self.compiles = upstream is None
        self.upstream = (upstream or self.work / "mirror").resolve()
        self.cache = (cache or self.work / "cache").resolve()
        self.site = self.work / "site"
        self.network = network
        self.engine = Engine(self.work, network)

    def kubewright(self, *words: str, settings: Sequence[str] = ()) -> str:
        """Run a verb of the console command in the work directory; what it said."""
        environment = [
            f"KUBEWRIGHT_DATA={self.work}/keys",
            f"KUBEWRIGHT_STATE={self.work}/state",
            *settings,
        ]
        command = [sys.executable, "-m", "kubewright", *words]
        return self.engine.run(["env", *environment, *command], cwd=self.work)

    def settings(self, registry: str) -> list[str]:
        """What the verbs of a release are to do, each of them as far as it asks."""
        return [
            f"KUBEWRIGHT_UPSTREAM={self.upstream}",
            f"KUBEWRIGHT_CACHE={self.cache}",
            "KUBEWRIGHT_FLAVOUR=monolith",
            "KUBEWRIGHT_ARCH=amd64",
            f"KUBEWRIGHT_URL={self.network.site}",
            f"KUBEWRIGHT_REGISTRY={registry}",
        ]

    def mirror(self, version: str) -> None:
        """Compile real Kubernetes and its companions; what an earlier run has compiled is kept."""
        words = [
            "mirror",
            "source",
            f"v{version}",
            str(self.upstream),
            "--arch",
            "amd64",
            "--cache",
            str(self.cache),
        ]
        self.kubewright(*words)

    def release(self, version: str, *more: str) -> None:
        """Make a release and publish it on the site, in the channel of its minor; `more` are
        options.
        """
        words = ["release", f"v{version}", "--channel", channel(version), *more]
        self.kubewright(*words, settings=self.settings(self.network.registry))
        for key in self.manifest(version)["keys"]:
            kept = self.work / PUBLIC[key["kind"]]
            if not kept.exists():
                shutil.copy(self.site / key["url"], kept)

    def images(self, version: str) -> None:
        """Make the images of a release, and nothing else of it."""
        settings = self.settings(self.network.registry)
        for verb in ("resolve", "fetch", "image"):
            self.kubewright(verb, f"v{version}", settings=settings)

    def push(self, version: str) -> None:
        """Push the images of a release."""
        settings = self.settings(f"http://{self.network.registry}")
        self.kubewright("image", f"v{version}", "--push", settings=settings)

    def manifest(self, version: str) -> Manifest:
        """The manifest of a release on the site."""
        found: Manifest = json.loads(
            (self.site / "releases" / f"v{version}-1" / "manifest.json").read_text()
        )
        return found

    def manifests(self) -> list[Manifest]:
        """The manifests of all releases on the site."""
        return [
            json.loads(path.read_text())
            for path in sorted(self.site.glob("releases/*/manifest.json"))
        ]

    def clear(self) -> None:
        """Remove what is on the site, and what is known of it; its directory stays, as a container
        may serve it.
        """
        shutil.rmtree(self.work / "state", ignore_errors=True)
        for name in PUBLIC.values():
            (self.work / name).unlink(missing_ok=True)
        self.site.mkdir(exist_ok=True)
        for path in self.site.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def root(self, name: str) -> None:
        """Make a clean root, unless an earlier run has, and give it to the engine."""
        archive = self.work / "roots" / f"{name}.tar"
        archive.parent.mkdir(exist_ok=True)
        if not archive.exists():
            partial = self.engine.temporary / archive.name
            self.engine.run(
                [
                    "mmdebstrap",
                    "--quiet",
                    "--variant=minbase",
                    f"--include={ROOTS[name]}",
                    "bookworm",
                    partial,
                ]
            )
            partial.rename(archive)
        self.engine.run([*self.engine.docker, "import", archive, f"{name}:clean"])

    def serve(self) -> None:
        """Serve the site over HTTP and start the registry."""
        self.serve_site("site", self.site)
        self.serve_registry()

    def serve_registry(self) -> None:
        """Start the registry."""
        (self.work / "registry.yml").write_text(cluster.REGISTRY_CONFIG)
        settings = f"--volume={self.work}/registry.yml:/registry.yml:ro"
        self.engine.container(
            "registry", "services:clean", [settings], ["docker-registry", "serve", "/registry.yml"]
        )

    def serve_site(self, name: str, folder: Path) -> None:
        """Serve a folder over HTTP from a container of this name, at network.url."""
        served = ["busybox", "httpd", "-f", "-p", "8000", "-h", "/site"]
        self.engine.container(name, "services:clean", [f"--volume={folder}:/site:ro"], served)
