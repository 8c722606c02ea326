"""What a distribution's repositories offer for a component, and how to depend on such a package or
pin it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from semver import Version

from kubewright import package_versions, versions
from kubewright.models.base import Format
from kubewright.models.distros import Distributions

OWN_REPOSITORY = "kubewright"
"""The repository of our own packages, which have whatever version a lock chooses."""

_COMPANIONS = {"docker-ce": ("docker-ce-cli",)}
"""Packages that must be pinned together."""


@dataclass(frozen=True)
class Candidate:
    """A package that brings a component to a distribution."""

    distribution: str
    """A key of `recipes/distros.toml`, e.g. `debian-12`."""
    family: str
    """`docker` or `containerd`: the component's name."""
    package: str
    version: str
    """As the package manager writes it, e.g. `5:29.8.1-1~debian.12~bookworm`."""
    upstream: str
    repository: str
    source: str
    format: Format


def candidates(
    distribution: str, family: str, distributions: Distributions
) -> tuple[Candidate, ...]:
    """What brings a component to a distribution, in the order of `recipes/distros.toml`."""
    facts = distributions.distributions[distribution]
    return tuple(
        Candidate(
            distribution=distribution, family=family, package=one.name, version=one.version,
            upstream=_upstream(family, one.version, facts.format), repository=one.repository,
            source=distributions.sources[one.source], format=facts.format,
        )
        for one in facts.packages
        if one.family == family
    )  # fmt: skip


def ours(distribution: str, family: str, distributions: Distributions, upstream: str) -> Candidate:
    """Our own package of the version that a release was resolved to."""
    name = own_name(family)
    return Candidate(
        distribution=distribution,
        family=family,
        package=name,
        version=versions.package_version(upstream),
        upstream=upstream,
        repository=OWN_REPOSITORY,
        source=f"recipes/packages/{name}.toml",
        format=distributions.distributions[distribution].format,
    )


def own_name(family: str) -> str:
    """What our own package of a component is called."""
    return f"kubernetes-{family}"


_upstream = cache(package_versions.upstream_of)


def fits(candidate: Candidate, allowed: str) -> bool:
    """Whether a candidate's upstream version is in a component's range."""
    return versions.inside(candidate.upstream, allowed)


def depends(candidate: Candidate, allowed: str, others: Sequence[Candidate] = ()) -> str:
    """The Depends (deb) or Requires (rpm) of a range, with the others as alternatives. All
    candidates must fit.

    Of a range with gaps it is the unbroken part that each candidate is in.
    """
    wanted = {one.package: _bounds(one, allowed) for one in (candidate, *others)}
    if candidate.format is Format.deb:
        # Debian has no brackets: each bound is a clause of its own. These packages conflict with
        # each other, so no two of them can share the clauses.
        clauses = []
        for number in range(max(map(len, wanted.values()))):
            either = [
                bounds[number] if number < len(bounds) else name for name, bounds in wanted.items()
            ]
            clauses.append(" | ".join(either))
        return ", ".join(clauses)
    if len(wanted) == 1:
        return ", ".join(wanted[candidate.package])
    parts = [
        f"({' with '.join(bounds)})" if len(bounds) > 1 else bounds[0] for bounds in wanted.values()
    ]
    return f"({' or '.join(parts)})"


def pin(candidate: Candidate, allowed: str = "*") -> str:
    """What holds the package manager to a candidate: a stanza of apt preferences, or two dnf
    commands.

    apt stays in the candidate's minor as long as all the rest of it is in the range, else at the
    very package: `2.2.1*` would be 2.2.10 too.
    """
    names = (candidate.package, *_COMPANIONS.get(candidate.package, ()))
    if candidate.format is Format.rpm:
        exact = " ".join(
            f"{name}-{package_versions.parse_rpm(candidate.version).upstream}" for name in names
        )
        return f"dnf install {exact}\ndnf versionlock add {' '.join(names)}"
    major, minor, _ = candidate.upstream.split(".", 2)
    _, end = _stretch(candidate.upstream, allowed)
    whole = end is None or end >= Version(int(major), int(minor) + 1)
    held = f"{_epoch(candidate)}{major}.{minor}.*" if whole else candidate.version
    return f"Package: {' '.join(names)}\nPin: version {held}\nPin-Priority: 1001"


def _bounds(candidate: Candidate, allowed: str) -> list[str]:
    """A relation to each end of the range, as far as it has ends; else the name alone."""
    name = candidate.package
    start, end = _stretch(candidate.upstream, allowed)
    relation, below = ("{} ({} {})", "<<") if candidate.format is Format.deb else ("{} {} {}", "<")
    ends = [(">=", start), (below, end)]
    bounds = [
        relation.format(name, sign, _epoch(candidate) + _written(bound))
        for sign, bound in ends
        if bound
    ]
    return bounds or [name]


def _epoch(candidate: Candidate) -> str:
    parse = (
        package_versions.parse_deb if candidate.format is Format.deb else package_versions.parse_rpm
    )
    epoch = parse(candidate.version).epoch
    return f"{epoch}:" if epoch else ""


def _written(bound: Version) -> str:
    """`20.10~` for 20.10.0: before everything that a packager may append, and before its
    pre-releases.
    """
    if bound.prerelease:
        return versions.package_version(str(bound))
    return f"{bound.major}.{bound.minor}" + (f".{bound.patch}" if bound.patch else "") + "~"


@cache
def _stretch(upstream: str, allowed: str) -> tuple[Version | None, Version | None]:
    """The unbroken part of a range that a version is in: its first version and the first beyond;
    None has no end.
    """
    if allowed == "*":
        return None, None
    version = versions.parse(upstream)
    merged: list[tuple[Version, Version]] = []
    for low, high in sorted(_ends(part, version) for part in versions.range_of(allowed).terms):
        if merged and low <= merged[-1][1]:  # the next one touches or overlaps it
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    start, end = next((low, high) for low, high in merged if low <= version < high)
    return None if start == _FIRST else start, None if end == _LAST else end


_FIRST, _LAST = Version(0), Version(10**9)


def _ends(part: Sequence[versions.Comparison], version: Version) -> tuple[Version, Version]:
    """Where an intersection of bounds begins and ends; of `!=`, the side that the version is on."""
    starts, ends = [_FIRST], [_LAST]
    for operator, bound in part:
        sign = (">" if version > bound else "<") if operator == "!=" else operator
        if sign in (">=", "=", ">"):
            starts.append(bound.bump_patch() if sign == ">" else bound)
        if sign in ("<=", "=", "<"):
            ends.append(bound if sign == "<" else bound.bump_patch())
    return max(starts), min(ends)
