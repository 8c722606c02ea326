"""The images that conformance tests ask for, made of what registries of packages and modules have.

They are pushed to the run's registry, which containerd takes for registry.k8s.io: so tests ask for
them by the names that they have everywhere, and pull them.
"""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from supply import Supply

UPSTREAM = "registry.k8s.io"

TARGETS: Mapping[str, tuple[str, ...]] = {
    "agnhost": ("Agnhost", "AgnhostPrev"),
    "busybox": ("BusyBox",),
    "debian": ("GlibcDnsTesting",),
    "kitten": ("Kitten",),
    "nautilus": ("Nautilus",),
    "nginx": ("Nginx", "NginxNew"),
    "nonewprivs": ("Nonewprivs",),
    "nonroot": ("NonRoot",),
    "sample-apiserver": ("APIServer",),
}
"""Each target of the Dockerfile, and which images of test/utils/image/manifest.go it is. Two are
one image under two names: tests ask that an update takes place, not what is in it.
"""

PROGRAMS = ("agnhost", "nnp", "sample-apiserver")
"""What is compiled for them."""

FILES: Mapping[str, str] = {
    "agnhost/porter/localhost.crt": "localhost.crt",
    "agnhost/porter/localhost.key": "localhost.key",
    "kitten/html/data.json": "kitten/data.json",
    "kitten/html/kitten.jpg": "kitten/kitten.jpg",
    "nautilus/html/data.json": "nautilus/data.json",
    "nautilus/html/nautilus.jpg": "nautilus/nautilus.jpg",
}
"""What is taken from Kubernetes' test/images, and what the Dockerfile calls it."""


def names(manifest: str) -> dict[str, str]:
    """The references of the images that are made, without the registry, by their identifier in
    test/utils/image/manifest.go. Raises ValueError for one that is not there.
    """
    pattern = r"configs\[(\w+)\] = Config\{list\.(\w+), \"([^\"]+)\", \"([^\"]+)\"\}"
    known = {one[0]: one[1:] for one in re.findall(pattern, manifest)}
    found = {}
    for identifier in (one for several in TARGETS.values() for one in several):
        if known.get(identifier, ("", "", ""))[0] != "PromoterE2eRegistry":
            raise ValueError(f"test/utils/image/manifest.go has no {identifier} as it had")
        _, name, tag = known[identifier]
        found[identifier] = f"e2e-test-images/{name}:{tag}"
    return found


def make(supply: Supply, programs: Mapping[str, Path], sources: Path) -> list[str]:
    """Make all images and push them; their references as tests say them."""
    docker, registry = supply.engine.docker, supply.network.registry
    context = supply.engine.temporary / "conformance"
    shutil.rmtree(context, ignore_errors=True)
    context.mkdir(parents=True)
    shutil.copy(Path(__file__).with_name("Dockerfile"), context)
    for name in PROGRAMS:
        shutil.copy(programs[name], context / name)
    for place, name in FILES.items():
        (context / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(sources / "test" / "images" / place, context / name)
    wanted = names((sources / "test" / "utils" / "image" / "manifest.go").read_text())
    for target, identifiers in TARGETS.items():
        for identifier in identifiers:
            tag = f"{registry}/{wanted[identifier]}"
            command = ["build", "--quiet", "--network=none", f"--target={target}", f"--tag={tag}"]
            supply.engine.run([*docker, *command, context])
            supply.engine.run([*docker, "push", "--quiet", tag])
    return [f"{UPSTREAM}/{name}" for name in wanted.values()]
