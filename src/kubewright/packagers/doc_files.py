"""The documents that every package carries: whose it is, the licences, the linked modules, and for
Debian its changelog and lintian's overrides.
"""

import textwrap
from collections.abc import Mapping
from email.utils import formatdate
from pathlib import Path

from kubewright import archives
from kubewright.errors import RequestError
from kubewright.models.base import Format
from kubewright.models.description import Attribution, Description, Payload
from kubewright.packagers import go_modules, lint_overrides

LICENSES = "licenses"
"""The folder below packaging/ with the text of each licence, by SPDX identifier."""

_COMMON = frozenset({"Apache-2.0"})
"""Licences whose text is on every Debian system."""

_MANUALS = "/usr/share/man/"

_DEBIAN = {"MIT": "Expat"}
"""DEP 5's short names where they are not SPDX's."""

_MODULES = (
    "go-modules.txt in this directory lists the Go modules that are linked into\n"
    " the programs. Each has a licence of its own, in its source."
)


def add(description: Description, content: Path, work: Path) -> Description:
    """The description with its documents, which are written below `work`; `content` is the folder
    that packaging/ is in. Raises RequestError for a licence without a text there.
    """
    licenses = {name: _text(name, content) for name in description.licenses}
    texts = _documents(description, licenses)
    work.mkdir(parents=True, exist_ok=True)
    entries = []
    for number, (target, data) in enumerate(texts.items()):
        path = work / f"{number}-{Path(target).name}"
        path.write_bytes(data)
        entries.append(Payload(target=target, kind="file", mode=0o644, path=path))
    entries += (_compressed(entry, work) for entry in description.payload)
    payload = sorted(entries, key=lambda entry: entry.target)
    return description.model_copy(update={"payload": tuple(payload)})


def _compressed(entry: Payload, work: Path) -> Payload:
    """A manual page as distributions have it; anything else as it is."""
    if not entry.target.startswith(_MANUALS) or entry.path is None or entry.path.suffix == ".gz":
        return entry
    path = work / f"{Path(entry.target).name}.gz"
    path.write_bytes(archives.gzip_stored(entry.path.read_bytes()))
    return entry.model_copy(update={"target": f"{entry.target}.gz", "path": path})


def _documents(description: Description, licenses: Mapping[str, str]) -> dict[str, bytes]:
    """The documents by the path that they are installed at."""
    name, folder = description.name, f"/usr/share/doc/{description.name}"
    modules = module_list(description)
    made = {
        f"{folder}/copyright": copyright_file(description, licenses, modules=bool(modules)),
        f"{folder}/go-modules.txt": modules,
    }
    if description.format is Format.rpm:
        made |= {f"/usr/share/licenses/{name}/{spdx}": text for spdx, text in licenses.items()}
    else:
        made[f"/usr/share/lintian/overrides/{name}"] = lint_overrides.lintian(description)
    documents = {target: text.encode() for target, text in made.items() if text}
    if description.format is Format.deb:
        packed = archives.gzip_stored(changelog(description).encode())
        documents[f"{folder}/changelog.Debian.gz"] = packed
    return documents


def _text(license_: str, content: Path) -> str:
    path = content / "packaging" / LICENSES / license_
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise RequestError(
            f"recipes/components.toml: license {license_!r}",
            f"its text is not in packaging/{LICENSES}/",
            f"put it there, in a file named {license_}",
        ) from error


def copyright_file(
    description: Description, licenses: Mapping[str, str], *, modules: bool = False
) -> str:
    """A machine-readable copyright file (DEP 5); `licenses` are the texts by SPDX identifier, and
    `modules` whether a list of Go modules lies beside it.
    """
    head = ["Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/"]
    if description.component:
        head += [f"Upstream-Name: {description.component}", f"Source: {description.home}"]
    if modules:
        head.append(f"Comment: {_MODULES}")
    paragraphs = ["\n".join(head), *map(_paragraph, description.attributions)]
    for name, text in licenses.items():
        if description.format is Format.rpm:
            where = f"/usr/share/licenses/{description.name}/{name}"
            said = f" The text is in\n {where}."
        elif name in _COMMON:
            said = f" On Debian systems the text is in\n /usr/share/common-licenses/{name}."
        else:
            said = _indented(text)
        paragraphs.append(f"License: {_DEBIAN.get(name, name)}\n{said}")
    return "\n\n".join(paragraphs) + "\n"


def _paragraph(attribution: Attribution) -> str:
    lines = ["Files: " + "\n       ".join(attribution.files)]
    lines.append("Copyright: " + "\n           ".join(attribution.copyright))
    names = (_DEBIAN.get(name, name) for name in attribution.licenses)
    lines.append(f"License: {' and '.join(names)}")
    if attribution.comment:
        lines.append(f"Comment:\n{_indented(attribution.comment)}")
    return "\n".join(lines)


def _indented(text: str) -> str:
    """The lines of a field; an empty line is a dot."""
    return "\n".join(f" {line.rstrip() or '.'}" for line in text.strip("\n").splitlines())


def module_list(description: Description) -> str:
    """The modules that are linked into the Go programs of a package; empty without such programs,
    or where they do not say.
    """
    modules: set[go_modules.GoModule] = set()
    versions: set[str] = set()
    for entry in description.payload:
        if entry.kind == "file" and entry.path is not None and entry.mode & 0o111:
            program = go_modules.linked(entry.path)
            if program is not None:
                modules.update(program.modules)
                versions.add(program.go)
    lines = (" ".join(filter(None, module)) for module in sorted(modules))
    head = (
        f"# Go modules in the programs of {description.name}, by {', '.join(sorted(versions))}.\n"
        "# Path, version, and Go's checksum as in go.sum; (devel) is a checkout.\n"
    )
    return head + "".join(f"{line}\n" for line in lines) if modules else ""


def _wrapped(text: str) -> str:
    return textwrap.fill(text, width=76, subsequent_indent="    ", break_on_hyphens=False)


def changelog(description: Description) -> str:
    """Debian's changelog: the entry of this version. Of earlier ones a package does not know when
    they were made, or whether.
    """
    date = formatdate(description.source_date_epoch)
    changes = "".join(f"  * {_wrapped(text)}\n" for text in description.changes)
    return (
        f"{description.name} ({description.full_version}) stable; urgency=medium\n\n"
        f"{changes}\n"
        f" -- {description.maintainer}  {date}\n"
    )
