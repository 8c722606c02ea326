"""Builds packages with fpm (a Ruby gem on PATH): a pure argument list, and one call."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from kubewright import run
from kubewright.models.base import Format
from kubewright.models.description import Description, Script
from kubewright.packagers import relation_syntax

INSTALL = "`gem install fpm`, or choose another backend with --backend nfpm"

_SCRIPTS = {
    "preinst": "--before-install", "postinst": "--after-install",
    "prerm": "--before-remove", "postrm": "--after-remove", "posttrans": "--rpm-posttrans",
}  # fmt: skip


def version() -> str:
    """fpm's own version."""
    return run.run([run.find("fpm", install=INSTALL), "--version"]).stdout.strip()


def package(description: Description, work: Path, target: Path) -> None:
    """Build one package into `target`."""
    root = work / "root"
    lay_out(description, root)
    scripts: dict[Script, Path] = {}
    for name, text in description.scripts.items():
        scripts[name] = work / name
        scripts[name].write_text(text)
    program = run.find("fpm", install=INSTALL)
    run.run(
        [program, *argv(description, root, scripts, target)],
        env={"SOURCE_DATE_EPOCH": str(description.source_date_epoch)},
    )


def argv(
    description: Description, root: Path, scripts: Mapping[Script, Path], target: Path
) -> list[str]:
    """What fpm is asked to do."""
    form = description.format
    words = [
        "--input-type", "dir",
        "--output-type", form.value,
        "--name", description.name,
        "--version", description.version,
        "--iteration", description.revision,
        "--architecture", description.package_arch,
        "--maintainer", description.maintainer,
        "--description", f"{description.summary}\n{description.description}",
        "--url", description.home,
        "--license", description.license,
        "--category", description.section,
        "--source-date-epoch-default", str(description.source_date_epoch),
        "--package", str(target),
        "--chdir", str(root),
    ]  # fmt: skip
    if description.epoch:
        words += ["--epoch", str(description.epoch)]
    words += _related(description)
    if form is Format.deb:
        # Only what the recipe calls configuration is configuration.
        words += ["--deb-no-default-config-files"]
    else:
        words += ["--rpm-os", "linux", "--rpm-user", "root", "--rpm-group", "root"]
    for entry in description.payload:
        if entry.kind == "config":
            words += ["--config-files", entry.target]
        elif entry.kind == "dir":
            words += ["--directories", entry.target]
    for name, path in scripts.items():
        words += [_SCRIPTS[name], str(path)]
    return [*words, "."]


def _related(description: Description) -> list[str]:
    """Relations, each with its option; fpm knows no rpm recommendations, and rpm's Obsoletes are
    not wanted.
    """
    options = {
        "--depends": description.depends,
        "--provides": description.provides,
        "--conflicts": description.conflicts,
    }
    if description.format is Format.deb:
        options |= {"--replaces": description.replaces, "--deb-recommends": description.recommends}
    words: list[str] = []
    for option, related in options.items():
        for text in relation_syntax.render(related, description.format):
            words += [option, text]
    return words


def lay_out(description: Description, root: Path) -> None:
    """Make the file tree of a package below `root`, with its modes and its one date."""
    when = (description.source_date_epoch, description.source_date_epoch)
    for entry in description.payload:
        target = root / entry.target.lstrip("/")
        _make_directory(target.parent)
        if entry.kind == "dir":
            target.mkdir(exist_ok=True)
        elif entry.kind == "link":
            target.symlink_to(entry.to)
        elif entry.path is not None:
            shutil.copyfile(entry.path, target)
        if entry.kind != "link":
            target.chmod(entry.mode)
    for path in sorted(root.rglob("*"), reverse=True):
        os.utime(path, when, follow_symlinks=False)


def _make_directory(directory: Path) -> None:
    """Make a directory that anybody may enter, whatever the umask, and those above it."""
    if not directory.is_dir():
        _make_directory(directory.parent)
        directory.mkdir()
        directory.chmod(0o755)
