"""Gives rpms the directories that no distribution brings, for rpm takes away only what it owns."""

from pathlib import PurePosixPath

from kubewright.models.base import Format
from kubewright.models.description import Description, Payload

_THEIRS = frozenset(
    {
        "/", "/boot", "/etc", "/etc/default", "/etc/pki", "/etc/pki/rpm-gpg", "/etc/sysconfig",
        "/etc/systemd", "/etc/systemd/system", "/etc/yum.repos.d", "/opt", "/usr", "/usr/bin",
        "/usr/lib", "/usr/lib/modules-load.d", "/usr/lib/sysctl.d", "/usr/lib/systemd",
        "/usr/lib/systemd/system", "/usr/lib/systemd/system-preset", "/usr/lib/sysusers.d",
        "/usr/lib/tmpfiles.d", "/usr/libexec", "/usr/sbin", "/usr/share",
        "/usr/share/bash-completion", "/usr/share/bash-completion/completions", "/usr/share/doc",
        "/usr/share/fish", "/usr/share/fish/vendor_completions.d", "/usr/share/keyrings",
        "/usr/share/licenses", "/usr/share/man", "/usr/share/zsh",
        "/usr/share/zsh/site-functions", "/var", "/var/lib", "/var/log",
    }
)  # fmt: skip
"""What `filesystem`, systemd and rpm themselves own on every distribution."""


def add(description: Description) -> Description:
    """The description with every directory above its files that is nobody's; a deb's are dpkg's."""
    if description.format is not Format.rpm:
        return description
    there = {entry.target for entry in description.payload}
    missing: set[str] = set()
    for target in there:
        missing |= {str(parent) for parent in PurePosixPath(target).parents}
    missing = {name for name in missing - there - _THEIRS if not _sections(name)}
    made = [Payload(target=name, kind="dir", mode=0o755) for name in missing]
    payload = sorted((*description.payload, *made), key=lambda entry: entry.target)
    return description.model_copy(update={"payload": tuple(payload)})


def _sections(name: str) -> bool:
    """Whether it is a directory of manual pages, such as /usr/share/man/man8."""
    return name.startswith("/usr/share/man/")
