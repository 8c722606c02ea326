"""What lintian finds in packages and is meant to be so, each with its reason."""

from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from kubewright.models.description import Description, Payload

_WHOLE_MACHINE = frozenset(
    f"/usr/lib/systemd/system/{name}.service"
    for name in ("kubelet", "containerd", "docker", "cri-docker")
)
"""Services that no sandbox fits."""


class _Override(NamedTuple):
    """A tag, what it is said of (with * and ?), why it is no mistake, and where it comes up."""

    tag: str
    about: str
    reason: str
    applies: Callable[[Description], bool]


def lintian(description: Description) -> str:
    """The overrides file of a deb; empty where lintian has nothing to say."""
    lines: list[str] = []
    for override in _OVERRIDES:
        if override.applies(description):
            lines += [f"# {override.reason}", f"{override.tag} {override.about}".rstrip()]
    return "".join(f"{line}\n" for line in lines)


def _programs(description: Description) -> bool:
    return any(_is_program(entry) for entry in description.payload)


def _is_program(entry: Payload) -> bool:
    """Whether a file is an ELF program."""
    return entry.path is not None and entry.kind == "file" and _begins(entry.path, b"\x7fELF")


def _begins(path: Path, wanted: bytes) -> bool:
    with path.open("rb") as stream:
        return stream.read(len(wanted)) == wanted


def _installs(*starts: str) -> Callable[[Description], bool]:
    """Whether anything is installed below one of some paths."""

    def applies(description: Description) -> bool:
        return any(entry.target.startswith(starts) for entry in description.payload)

    return applies


def _says(word: str) -> Callable[[Description], bool]:
    """Whether a maintainer script has a word in it."""

    def applies(description: Description) -> bool:
        return any(word in text for text in description.scripts.values())

    return applies


def _undocumented(description: Description) -> bool:
    """Whether it has programs of an upstream among the commands; those come without manual."""
    return any(
        entry.target.startswith("/usr/bin/") and (entry.kind == "link" or _is_program(entry))
        for entry in description.payload
    )


def _ends_diversions(description: Description) -> bool:
    """Whether it may end a diversion that another package has begun, and begins none itself."""
    begins, ends = (
        "dpkg-divert" in description.scripts.get(name, "") for name in ("preinst", "postrm")
    )
    return ends and not begins


def _bounded(description: Description) -> bool:
    """Whether a conflict is with some versions alone."""
    alternatives = chain.from_iterable(each.alternatives for each in description.conflicts)
    return any(each.operator for each in alternatives)


_OVERRIDES = (
    _Override(
        "statically-linked-binary",
        "[*]",
        "Programs of Go; upstream links them statically, so they run on every distribution.",
        _programs,
    ),
    _Override(
        "dir-or-file-in-opt",
        "[opt/cni/*]",
        "Kubernetes and every container runtime look for network plugins in /opt/cni/bin.",
        _installs("/opt/cni/"),
    ),
    _Override(
        "no-manual-page",
        "[usr/bin/*]",
        "Upstream has no manual pages; each program says all with --help.",
        _undocumented,
    ),
    _Override(
        "maintainer-script-should-not-use-dpkg-maintscript-helper",
        "*",
        "The lint is for scripts that debhelper could make; no debhelper makes these.",
        _says("dpkg-maintscript-helper"),
    ),
    _Override(
        "command-with-path-in-maintainer-script",
        "/usr/sbin/policy-rc.d *",
        "Policy 9.3.3 has policy-rc.d at this very path.",
        _says("/usr/sbin/policy-rc.d"),
    ),
    _Override(
        "uses-dpkg-database-directly",
        "[*]",
        "They look at systems below another root, whose dpkg they cannot run.",
        _installs("/usr/share/kubewright/guard/", "/usr/bin/kube-node-check"),
    ),
    _Override(
        "remove-of-unknown-diversion",
        "*",
        "The diversion is another package's of ours, which is gone; it lasts until its files are.",
        _ends_diversions,
    ),
    _Override(
        "initial-upload-closes-no-bugs",
        "*",
        "The packages are in no archive that has a list of bugs for them.",
        lambda description: description.revision == "1",
    ),
    _Override(
        "systemd-service-file-missing-hardening-features",
        "[usr/lib/systemd/system/*]",
        "kubelet and container runtimes run other people's containers and need the whole machine.",
        lambda description: any(entry.target in _WHOLE_MACHINE for entry in description.payload),
    ),
    _Override(
        "bash-term-in-posix-shell",
        "* [usr/bin/kube-node-check:*]",
        "They are functions of awk inside of the shell script.",
        _installs("/usr/bin/kube-node-check"),
    ),
    _Override(
        "conflicts-with-version",
        "containerd *",
        "A containerd of the next major version must not be unpacked beside it at all.",
        _bounded,
    ),
    _Override(
        "openpgp-file-has-implementation-specific-extension",
        "[usr/share/keyrings/*.gpg]",
        "It is the name that the entries of installed machines have in Signed-By.",
        _installs("/usr/share/keyrings/"),
    ),
)
