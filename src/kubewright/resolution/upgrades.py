"""Which Kubernetes versions may follow which, by the version skew policy, and the path from one to
another.
"""

from collections.abc import Mapping, Sequence

from kubewright import kubernetes_versions, versions
from kubewright.errors import RequestError
from kubewright.models.catalog import MinorFacts
from kubewright.models.manifest import Upgrade
from kubewright.models.skew import Distance, Skew
from kubewright.models.upgrades import Hop
from kubewright.resolution.statements import facts_of
from kubewright.versions import Range


def sources(kubernetes: str, skew: Skew) -> tuple[Upgrade, ...]:
    """The ranges from which a version may be reached in one step: what its manifest declares.

    The first holds the version itself: a higher revision of its packages is an upgrade too. A
    pre-release may be left for what is newer in its own minor only.
    """
    version = versions.parse(kubernetes)
    own = f"{version.major}.{version.minor}.0"
    first = f"{version.major}.{max(version.minor - skew.upgrade.minors, 0)}.0"
    within = {"from": f">={own}-0,<={kubernetes}", "to": kubernetes, "skew": "within a minor"}
    words = "one minor" if skew.upgrade.minors == 1 else f"{skew.upgrade.minors} minors"
    across = {
        "from": f">={first},<{own}",
        "to": kubernetes,
        "skew": f"{words} at a time: {skew.policy}",
    }
    return tuple(
        Upgrade.model_validate(one) for one in (within, across) if one is within or first != own
    )


def rule(start: str, goal: str, skew: Skew) -> Upgrade | None:
    """What allows to go from one version to a newer one in one step; None if nothing does."""
    allowed = (one for one in sources(goal, skew) if start in Range.parse(one.from_range))
    return next(allowed, None) if start != goal else None


def partners(kubernetes: str, skew: Skew) -> dict[str, dict[str, str]]:
    """By component of a Kubernetes version, the ranges of others that may run beside it, by their
    names.
    """
    ranges: dict[str, dict[str, str]] = {}
    for of, component in sorted({(rule.of, rule.component) for rule in skew.distances}):
        ranges.setdefault(of, {})[component] = partner(component, (of,), kubernetes, skew)
    return ranges


def partner(component: str, of: Sequence[str], kubernetes: str, skew: Skew) -> str:
    """The range of a component's versions that may run beside every one of `of` at a Kubernetes
    version.
    """
    version = versions.parse(kubernetes)
    rules = [rule for rule in skew.distances if rule.component == component and rule.of in of]
    oldest = max(version.minor - max(rule.older for rule in rules), 0)
    newest = version.minor + max(rule.newer for rule in rules)
    fitting = []
    for minor in range(oldest, newest + 1):
        if all(_near(rule, minor, version.minor, version.major) for rule in rules):
            fitting.append(minor)
    return f">={version.major}.{fitting[0]}.0,<{version.major}.{fitting[-1] + 1}.0"


def _near(rule: Distance, minor: int, other: int, major: int) -> bool:
    """Whether a minor is near enough to another one by a rule, or the rule is about other
    versions.
    """
    if rule.when is not None:
        concerned = minor if rule.when.component == rule.component else other
        if f"{major}.{concerned}.0" not in Range.parse(rule.when.range):
            return True
    return other - rule.older <= minor <= other + rule.newer


def path(start: str, goal: str, catalog: Mapping[str, MinorFacts], skew: Skew) -> tuple[Hop, ...]:
    """The shortest way from one version to another, over the newest good patch of each minor
    between.

    No hop at all leads from a version to itself. The goal is taken as it was resolved, be it one to
    avoid. Raises RequestError for a downgrade, for a start that never was, and for a minor that the
    catalog lacks.
    """
    at, goal = kubernetes_versions.required(start), goal.removeprefix("v")
    _require_known(at, catalog)
    facts_of(goal, catalog)
    if versions.parse(at) > versions.parse(goal):
        raise RequestError(
            f"v{at} to v{goal}",
            "a downgrade, which Kubernetes does not support",
            f"ask for v{at} or newer, or restore a backup of etcd into a new cluster of v{goal}",
        )
    hops: list[Hop] = []
    while at != goal:
        hops.append(_hop(at, goal, catalog, skew))
        at = hops[-1].to
    return tuple(hops)


def _hop(at: str, goal: str, catalog: Mapping[str, MinorFacts], skew: Skew) -> Hop:
    """The step that leads furthest: to the goal if that is near enough."""
    for to, reason in ((goal, "what was asked for"), *_between(at, goal, catalog, skew)):
        found = rule(at, to, skew)
        if found is not None:
            kubelets = partner("kubelet", ("kube-apiserver", "kubeadm"), to, skew)
            patch = catalog[versions.minor(to)].patch(to)
            warning = (
                f", although it is to be avoided: {patch.avoid}" if patch and patch.avoid else ""
            )
            return Hop.model_validate(
                {
                    "from": at,
                    "to": to,
                    "skew": found.skew,
                    "reason": reason + warning,
                    "kubelets": kubelets,
                }
            )
    minor = versions.next_minor(at)
    raise RequestError(
        f"v{at} to v{goal}",
        f"the catalog has no release of {minor} to go through",
        f"add its patches to recipes/catalog/{minor}.toml",
    )


def _between(
    at: str, goal: str, catalog: Mapping[str, MinorFacts], skew: Skew
) -> tuple[tuple[str, str], ...]:
    """What may be stepped on before the goal: the newest good patch of each minor in reach, the
    furthest first.
    """
    reach = versions.parse(at).minor + skew.upgrade.minors
    found = []
    for minor, facts in reversed(list(catalog.items())):
        if (
            versions.parse(at).minor
            <= versions.parse(minor).minor
            <= min(reach, versions.parse(goal).minor)
        ):
            found += [(facts.newest, f"the newest good patch of {minor}")] if facts.newest else []
    return tuple(found)


def _require_known(version: str, catalog: Mapping[str, MinorFacts]) -> None:
    """A cluster runs what was released; of pre-releases the catalog need not know each."""
    facts = facts_of(version, catalog)
    if versions.is_final(version) and facts.patch(version) is None:
        newest = f"the newest {facts.minor} there is v{facts.offered[0]}, " if facts.offered else ""
        raise RequestError(
            f"v{version}",
            "not in the catalog",
            f"{newest}say which version the cluster runs, "
            f"or add the patch to recipes/catalog/{facts.minor}.toml",
        )
