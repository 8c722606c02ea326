"""Writes node-packages.toml anew: `python -m kubewright.images.pins [FILE]` pins what apt's sources
have now.
"""

import json
import sys
from collections.abc import Iterable
from pathlib import Path

from kubewright import content, files, recipes
from kubewright.images import debs
from kubewright.models.image import Pin, PinnedPackages

HEAD = "packages = [\n"


def pinned(old: PinnedPackages) -> tuple[Pin, ...]:
    """Pin what `old` wants, without what it leaves out, for its architectures; by name and
    architecture.
    """
    pins: set[Pin] = set()
    for arch in old.architectures:
        closure = debs.closure(old.wanted, arch)
        pins |= {pin for pin in closure if pin.package not in old.left_out}
    return tuple(sorted(pins, key=lambda pin: (pin.package, pin.arch)))


def render(text: str, pins: Iterable[Pin]) -> str:
    """The file `text` with other pins, which are its end."""
    kept = text.partition(HEAD)[0]
    return f"{kept}{HEAD}{''.join(_line(pin) for pin in pins)}]\n"


def _line(pin: Pin) -> str:
    values = ", ".join(
        f"{key} = {json.dumps(value)}" for key, value in pin.model_dump(mode="json").items()
    )
    return f"  {{ {values} }},\n"


def main(path: Path) -> None:
    """Rewrite the pins in `path`."""
    pins = pinned(recipes.load(path, PinnedPackages))
    files.write(path, render(path.read_text(), pins).encode())


if __name__ == "__main__":
    main(
        Path(sys.argv[1])
        if len(sys.argv) > 1
        else content.root() / "images" / "hyperkube" / "node-packages.toml"
    )
