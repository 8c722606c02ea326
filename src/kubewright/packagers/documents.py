"""The documents that every package carries: its copyright, and for Debian its changelog."""

import zlib
from email.utils import formatdate
from pathlib import Path

from kubewright.models.base import Format
from kubewright.models.components import ComponentSource
from kubewright.models.description import Description, Payload


def add(description: Description, source: ComponentSource, work: Path) -> Description:
    """The description with its documents, which are written below `work`."""
    texts = {"copyright": copyright_file(description, source).encode()}
    if description.format is Format.deb:
        texts["changelog.Debian.gz"] = zlib.compress(changelog(description).encode(), level=9, wbits=31)
    work.mkdir(parents=True, exist_ok=True)
    entries = []
    for name, data in texts.items():
        (work / name).write_bytes(data)
        entries.append(
            Payload(target=f"/usr/share/doc/{description.name}/{name}", kind="file", mode=0o644, path=work / name)
        )
    payload = sorted((*description.payload, *entries), key=lambda entry: entry.target)
    return description.model_copy(update={"payload": tuple(payload)})


def copyright_file(description: Description, source: ComponentSource) -> str:
    """A machine-readable copyright file (DEP 5)."""
    return (
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n"
        f"Upstream-Name: {description.name}\n"
        f"Source: {source.home}\n"
        "\n"
        "Files: *\n"
        f"Copyright: the authors of {source.home}\n"
        f"License: {source.license}\n"
        "\n"
        f"License: {source.license}\n"
        " On Debian systems the text of the Apache License 2.0 is in\n"
        " /usr/share/common-licenses/Apache-2.0; elsewhere at\n"
        " https://www.apache.org/licenses/LICENSE-2.0.\n"
    )


def changelog(description: Description) -> str:
    """The one entry that this package can know of."""
    version = f"{description.version}-{description.revision}"
    if description.epoch:
        version = f"{description.epoch}:{version}"
    date = formatdate(description.source_date_epoch)
    return (
        f"{description.name} ({version}) stable; urgency=medium\n\n"
        f"  * Packaged from upstream's release {description.version}.\n\n"
        f" -- {description.maintainer}  {date}\n"
    )
