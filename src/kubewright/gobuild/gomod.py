"""Renders hyperkube's go.mod for a Kubernetes release from that release's own go.mod."""

import re
from dataclasses import dataclass

from kubewright import versions
from kubewright.errors import RequestError, VerificationFailed

KUBERNETES = "k8s.io/kubernetes"
ETCD = "go.etcd.io/etcd"
ETCD_MODULES = ("etcdctl", "etcdutl", "server")
"""The modules of etcd whose programs hyperkube has; each is `go.etcd.io/etcd/NAME/v3`."""

_STAGING = re.compile(r"^\s*(?:replace\s+)?(\S+)\s+=>\s+\./staging/src/(\S+)\s*$", re.MULTILINE)
_REPLACE = re.compile(r"^\s*(?:replace\s+)?(\S+)(?: v\S+)?\s+=>\s+(\S+ \S+)\s*$", re.MULTILINE)
_REQUIRE = re.compile(r"^\s*(?:require\s+)?(\S+\.\S+/\S+)\s+(v\S+)(?:\s+//.*)?$", re.MULTILINE)
_COMMIT = re.compile(r"^// commit ([0-9a-f]{40})$", re.MULTILINE)


@dataclass(frozen=True)
class GoMod:
    """What a go.mod says: Go's version, GODEBUG settings, required versions, replacements."""

    go: str
    godebug: tuple[str, ...]
    requires: dict[str, str]
    replaces: dict[str, str]
    staging: tuple[str, ...]
    commit: str

    @property
    def etcd(self) -> str:
        """The version of etcd's client, without the `v`: the one that its server must have too."""
        return self.requires[f"{ETCD}/client/v3"].removeprefix("v")


def parse(text: str, place: str) -> GoMod:
    """Read a go.mod; `place` is what messages call it. Raises RequestError if it has no `go`
    line.
    """
    go = re.search(r"^go (\S+)$", text, re.MULTILINE)
    if go is None:
        raise RequestError(
            place, "has no `go` line, so it is not of a release", "choose another release"
        )
    commit = _COMMIT.search(text)
    return GoMod(
        go=go[1],
        godebug=tuple(re.findall(r"^godebug (\S+=\S+)$", text, re.MULTILINE)),
        requires=dict(_REQUIRE.findall(text)),
        replaces=dict(_REPLACE.findall(text)),
        staging=tuple(name for name, folder in _STAGING.findall(text) if name == folder),
        commit=commit[1] if commit else "",
    )


def render(kubernetes: str, release: GoMod, commit: str = "") -> str:
    """The go.mod of hyperkube for a release, before `go mod tidy` adds what is required indirectly.

    Replacements of a dependency do not count in Go, so those of the staging modules are stated
    again, at the versions under which they are published. `commit` is kept as a comment: only a
    module's origin knows it.
    """
    if not release.staging or f"{ETCD}/client/v3" not in release.requires:
        raise RequestError(
            f"{KUBERNETES} v{kubernetes}",
            "its go.mod has no staging modules or no etcd client",
            "choose another release",
        )
    published = staging_version(kubernetes)
    lines = ["module hyperkube", ""]
    lines += [f"// commit {commit}", ""] if commit else []
    lines += [f"go {release.go}", ""]
    for setting in release.godebug:
        lines += [f"godebug {setting}", ""]
    lines += ["require ("]
    lines += [f"\t{ETCD}/{name}/v3 v{release.etcd}" for name in ETCD_MODULES]
    lines += [f"\t{KUBERNETES} v{kubernetes}", ")", "", "replace ("]
    lines += [f"\t{name} => {name} {published}" for name in release.staging]
    return "\n".join([*lines, ")", ""])


def staging_version(kubernetes: str) -> str:
    """The version of the staging modules of a release: `v0.36.2` for `1.36.2`."""
    return f"v0.{kubernetes.split('.', 1)[1]}"


def check(locked: GoMod, kubernetes: str, release: GoMod, place: str) -> None:
    """Raises VerificationFailed, naming the line, where a locked go.mod is not what `release` makes
    of it.
    """
    wanted = parse(render(kubernetes, release), place)
    differing: dict[str, str | None] = {
        "go": None if locked.go == wanted.go else f"go {wanted.go}",
        "godebug": None
        if locked.godebug == wanted.godebug
        else f"godebug {' '.join(wanted.godebug)}",
    }
    for name, version in wanted.requires.items():
        differing[name] = None if locked.requires.get(name) == version else f"{name} {version}"
    for name, version in wanted.replaces.items():
        differing[name] = None if locked.replaces.get(name) == version else f"{name} => {version}"
    for name in locked.replaces.keys() - wanted.replaces.keys():
        differing[name] = f"no replacement of {name}"
    if wrong := [line for line in differing.values() if line]:
        raise VerificationFailed(
            place,
            f"Kubernetes v{kubernetes} itself asks for `{wrong[0]}`",
            f"make the lock again with `kubewright hyperkube lock v{kubernetes}`",
        )


def tags(kubernetes: str) -> tuple[str, ...]:
    """The build tags of our own sources for a release: which of its interfaces it has."""
    return (
        ("kubernetes_1_37",)
        if versions.parse(versions.minor(kubernetes)) >= versions.parse("1.37")
        else ()
    )
