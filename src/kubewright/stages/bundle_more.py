"""What a bundle has beside site and images: the installer, packages of distributions, a readme."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from kubewright.recipes import Recipes
from kubewright.stages import bundle_os, bundle_readme
from kubewright.stages.bundle import Asked, More, Site
from kubewright.stages.bundle_tar import Content


@contextmanager
def more(asked: Asked, systems: Sequence[str], recipes: Recipes) -> Iterator[More]:
    """What makes it. Raises RequestError and ToolMissing for distributions that cannot be had."""
    wanted = [bundle_os.wanted(name, recipes.distributions) for name in dict.fromkeys(systems)]
    with tempfile.TemporaryDirectory(prefix="kubewright-bundle-") as folder:

        def make(site: Site) -> list[Content]:
            found = []
            for number, one in enumerate(wanted):
                place = Path(tempfile.mkdtemp(prefix=f"{number}-", dir=folder))
                found.append(bundle_os.fetched(one, site, place))
            contents = [Content.of("install.sh", recipes.installer)]
            for system in found:
                for path, file in system.files.items():
                    contents.append(Content.of(f"os/{system.name}/{path}", file))
            text = bundle_readme.text(site, found, partial=asked.since is not None)
            contents.append(Content.of("readme.txt", text))
            return contents

        yield make
