"""A small installer, for people who write one: it follows a site's metadata to the packages.

    pip install 'tuf>=7.0.1,<8'
    python example_installer.py https://packages.example.org 1.root.json stable-1.36 node amd64

It downloads and checks the packages of a role, and prints the command that installs them. Its exit
code is 1 where anything is not as it was signed.
"""

import argparse
import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from tuf.api.exceptions import DownloadError, RepositoryError
from tuf.ngclient import Updater, UpdaterConfig

NODE = ["kubelet", "kubeadm", "kubernetes-cni", "cri-tools", "kubernetes-node"]
ROLES = {"node": NODE, "control-plane": [*NODE, "kubectl", "kubernetes-control-plane"]}
RUNTIMES = {
    "containerd": ["kubernetes-runtime-containerd", "kubernetes-containerd"],
    "docker": [
        "kubernetes-runtime-docker", "cri-dockerd", "kubernetes-docker", "kubernetes-containerd",
    ],
}  # fmt: skip
"""With the site's own containerd and Docker; leave these out where the distribution's own fits."""


class Site:
    """A site that is read by its metadata alone."""

    def __init__(self, url: str, root: Path, state: Path) -> None:
        """`state` is a folder to keep: it remembers what was seen, so that nothing older counts."""
        self.url, self.state = url.rstrip("/"), state
        state.mkdir(parents=True, exist_ok=True)
        self.client = Updater(
            metadata_dir=str(state),
            metadata_base_url=f"{self.url}/tuf/",
            target_base_url=f"{self.url}/",
            config=UpdaterConfig(prefix_targets_with_hash=False),
            bootstrap=root.read_bytes(),
        )
        self.client.refresh()

    def document(self, path: str) -> Any:
        """A document that the metadata vouches for."""
        info = self.client.get_targetinfo(path)
        if info is None:
            raise ValueError(f"{path}: the site's metadata does not name it")
        return json.loads(
            Path(self.client.download_target(info, str(self.state / "file"))).read_bytes()
        )

    def channel(self, name: str) -> Any:
        """The record of a channel, by its copy: that never changes, whoever publishes meanwhile."""
        signed = json.loads((self.state / "targets.json").read_bytes())["signed"]["targets"]
        copies = [
            path for path in signed if re.match(rf"publications/channels/{re.escape(name)}/", path)
        ]
        if len(copies) != 1:
            raise ValueError(f"{name}: the site has no such channel")
        return self.document(copies[0])

    def download(self, file: dict[str, Any], folder: Path) -> Path:
        """A file that a manifest names, checked by size and digest."""
        path = folder / Path(file["url"]).name
        with urlopen(f"{self.url}/{file['url']}", timeout=30) as answer:  # noqa: S310 - as you gave it
            data = answer.read(file["size"] + 1)
        if len(data) != file["size"] or hashlib.sha256(data).hexdigest() != file["sha256"]:
            raise ValueError(f"{file['url']}: not what the signed manifest says")
        path.write_bytes(data)
        return path


def offered(channel: Any, *, development: bool) -> Any:
    """The release that a channel offers."""
    current = [release for release in channel["releases"] if release["status"] == "current"]
    if not current:
        raise ValueError(f"{channel['channel']}: offers nothing now")
    if current[0].get("development") and not development:
        raise ValueError(f"{current[0]['name']}: not for production; --allow-development takes it")
    return current[0]


def packages(manifest: Any, names: list[str], form: str, arch: str) -> list[dict[str, Any]]:
    """The files of packages, for one format and architecture."""
    found = {}
    for package in manifest["packages"]:
        if package["format"] == form and package["arch"] in (arch, "all"):
            found[package["package"]] = package
    missing = [name for name in names if name not in found]
    if missing:
        raise ValueError(f"no {form} of {', '.join(missing)} for {arch}")
    return [found[name] for name in names]


def main() -> None:
    """Download what a role needs, and say how to install it."""
    asked = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    for word in ("site", "root", "channel"):
        asked.add_argument(word)
    asked.add_argument("role", choices=ROLES)
    asked.add_argument("arch", help="as Go calls it: amd64, arm64, …")
    asked.add_argument("--runtime", choices=RUNTIMES, default="containerd")
    asked.add_argument("--format", choices=["deb", "rpm"], default="deb")
    asked.add_argument("--to", type=Path, default=Path("packages"))
    asked.add_argument("--state", type=Path, default=Path("state"))
    asked.add_argument("--allow-development", action="store_true")
    given = asked.parse_args()
    try:
        site = Site(given.site, Path(given.root), given.state)
        release = offered(site.channel(given.channel), development=given.allow_development)
        manifest = site.document(release["manifest_url"])
        given.to.mkdir(parents=True, exist_ok=True)
        names = [*RUNTIMES[given.runtime], *ROLES[given.role]]
        wanted = packages(manifest, names, given.format, given.arch)
        files = [site.download(package, given.to) for package in wanted]
    except (ValueError, OSError, RepositoryError, DownloadError) as error:
        sys.exit(f"example_installer.py: {error}")
    install = {"deb": "apt-get install", "rpm": "dnf install"}[given.format]
    print(install, *(f"./{file}" for file in files))


if __name__ == "__main__":
    main()
