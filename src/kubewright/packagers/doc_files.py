"""The documents that every package carries: its copyright, and for Debian its changelog."""

from email.utils import formatdate
from pathlib import Path

from kubewright import archives
from kubewright.errors import RequestError
from kubewright.models.base import Format
from kubewright.models.description import Description, Payload

_LICENSES = {
    "Apache-2.0": """\
 On Debian systems the text of the Apache License 2.0 is in
 /usr/share/common-licenses/Apache-2.0; elsewhere at
 https://www.apache.org/licenses/LICENSE-2.0.
""",
}
"""Where the text of each licence is, as a copyright file says it."""


def add(description: Description, work: Path) -> Description:
    """The description with its documents, which are written below `work`. Raises RequestError for a
    strange licence.
    """
    texts = {"copyright": copyright_file(description).encode()}
    if description.format is Format.deb:
        texts["changelog.Debian.gz"] = archives.gzip_stored(changelog(description).encode())
    work.mkdir(parents=True, exist_ok=True)
    entries = []
    for name, data in texts.items():
        (work / name).write_bytes(data)
        entries.append(
            Payload(
                target=f"/usr/share/doc/{description.name}/{name}",
                kind="file",
                mode=0o644,
                path=work / name,
            )
        )
    payload = sorted((*description.payload, *entries), key=lambda entry: entry.target)
    return description.model_copy(update={"payload": tuple(payload)})


def copyright_file(description: Description) -> str:
    """A machine-readable copyright file (DEP 5). Raises RequestError for a licence whose text is
    not known here.
    """
    if description.license not in _LICENSES:
        raise RequestError(
            f"recipes/components.toml: {description.name}: license",
            f"no text for {description.license!r}",
            "say in src/kubewright/packagers/doc_files.py where it is",
        )
    return (
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n"
        f"Upstream-Name: {description.name}\n"
        f"Source: {description.home}\n"
        "\n"
        "Files: *\n"
        f"Copyright: the authors of {description.home}\n"
        f"License: {description.license}\n"
        "\n"
        f"License: {description.license}\n"
        f"{_LICENSES[description.license]}"
    )


def changelog(description: Description) -> str:
    """The one entry that this package can know of."""
    date = formatdate(description.source_date_epoch)
    return (
        f"{description.name} ({description.full_version}) stable; urgency=medium\n\n"
        f"  * Packaged from upstream's release {description.version}.\n\n"
        f" -- {description.maintainer}  {date}\n"
    )
