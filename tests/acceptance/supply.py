"""What the machines of a run come from: the mirror, the release on its site, the registry, and clean Debian roots."""

import argparse
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import cluster
from engine import Engine

ROOTS = {
    "machine": "systemd,systemd-sysv,dbus,ca-certificates,curl,sudo,procps,iproute2,kmod",
    "services": "docker-registry,busybox-static",
}
"""Clean Debian 12 roots by name, with what each has beyond the minimum; none has anything of ours."""


class Supply:
    """The work directory of a run, and what is made in it before the machines start."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.work: Path = options.work.resolve()
        self.compile: bool = options.upstream is None
        self.upstream: Path = (options.upstream or self.work / "mirror").resolve()
        self.cache: Path = (options.cache or self.work / "cache").resolve()
        self.version: str = options.version.removeprefix("v")
        self.engine = Engine(self.work / "engine", self.work / "log.txt")
        self.manifest: dict[str, Any] = {}

    def kubewright(self, *words: str, registry: str = cluster.IMAGES) -> None:
        """Run a verb of the console command in the work directory."""
        where = ["--upstream", str(self.upstream), "--cache", str(self.cache), "--flavour", "monolith",
                 "--arch", "amd64", "--url", cluster.SITE_URL, "--registry", registry]  # fmt: skip
        keys = f"KUBEWRIGHT_DATA={self.work}/keys"
        self.engine.run(["env", keys, sys.executable, "-m", "kubewright", *words, *where], cwd=self.work)

    def mirror(self) -> None:
        """Compile real Kubernetes and its companions; what an earlier run has compiled is kept."""
        words = [
            "mirror",
            "source",
            f"v{self.version}",
            str(self.upstream),
            "--arch",
            "amd64",
            "--cache",
            str(self.cache),
        ]
        self.engine.run([sys.executable, "-m", "kubewright", *words], cwd=self.work)

    def release(self) -> None:
        """Make the release into a fresh site."""
        shutil.rmtree(self.work / "site", ignore_errors=True)
        self.kubewright("release", f"v{self.version}", "--channel", self.channel)
        found = self.work / "site" / "releases" / f"v{self.version}-1" / "manifest.json"
        self.manifest = json.loads(found.read_text())

    @property
    def channel(self) -> str:
        """The channel of the release's minor."""
        return f"stable-{self.version.rpartition('.')[0]}"

    def root(self, name: str) -> None:
        """Make a clean root, unless an earlier run has, and give it to the engine."""
        archive = self.work / "roots" / f"{name}.tar"
        archive.parent.mkdir(exist_ok=True)
        if not archive.exists():
            partial = archive.with_suffix(".partial.tar")
            self.engine.run(
                ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={ROOTS[name]}", "bookworm", partial]
            )
            partial.rename(archive)
        self.engine.run([*self.engine.docker, "import", archive, f"{name}:clean"])

    def services(self) -> None:
        """Serve the site over HTTP, start the registry and push the images."""
        (self.work / "registry.yml").write_text(cluster.REGISTRY_CONFIG)
        site, settings = f"--volume={self.work}/site:/site:ro", f"--volume={self.work}/registry.yml:/registry.yml:ro"
        httpd = ["busybox", "httpd", "-f", "-p", "8000", "-h", "/site"]
        self.engine.container("site", cluster.SITE, "services:clean", [site], httpd)
        registry = ["docker-registry", "serve", "/registry.yml"]
        self.engine.container("registry", cluster.REGISTRY, "services:clean", [settings], registry)
        self.kubewright("image", f"v{self.version}", "--push", registry=f"http://{cluster.IMAGES}")
