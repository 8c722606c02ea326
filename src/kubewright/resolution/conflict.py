"""Says why nothing meets a request: the smallest set of constraints in conflict, and what would
work instead.
"""

from collections.abc import Iterator

from kubewright.errors import RequestError
from kubewright.models.resolve_options import ResolveOptions, Wanted
from kubewright.resolution.alternatives import Alternatives
from kubewright.resolution.build_problem import Case, build_case, option
from kubewright.resolution.domains import FAMILIES
from kubewright.resolution.problem import Key, Problem, Value, Variable
from kubewright.resolution.search import Chosen, search
from kubewright.resolution.statements import Facts


def core(problem: Problem) -> Problem:
    """The part of an unsolvable problem that is unsolvable still, but no more so without any one
    constraint.

    Found by deletion: each constraint, then each variable, is left out for good where the rest has
    no solution either.
    """
    for constraint in problem.constraints:
        others = tuple(other for other in problem.constraints if other is not constraint)
        fewer = Problem(problem.variables, others)
        if search(fewer) is None:
            problem = fewer
    for variable in problem.variables:
        rest = tuple(other for other in problem.variables if other is not variable)
        fewer = Problem(rest, problem.constraints)
        if search(fewer) is None:
            problem = fewer
    return problem


def refusal(failed: Case, conflict: Problem, others: Alternatives) -> RequestError:
    """The error for a case without a solution: what is in conflict, each with its place and source,
    and the remedy.
    """
    lines = [f"v{failed.kubernetes}: no solution: these constraints conflict:"]
    lines += [f"  {constraint}" for constraint in conflict.constraints]
    for variable in conflict.variables:
        if _limits(variable, conflict):
            lines.append(f"  {_offer(variable, others.asked)}")
    works = list(_works(failed, conflict, others)) if others.asked != ResolveOptions() else []
    if works:
        lines += ["what would work:", *(f"  {way}" for way in works)]
    else:
        lines.append("add a known version to recipes/components.toml, or correct what is stated")
    return RequestError("\n".join(lines))


def missed(failed: Case, conflict: Problem) -> str:
    """In a line, which version has no solution and what stands in its way."""
    stated = "; ".join(str(rule) for rule in conflict.constraints if not rule.asked)
    reason = stated or "nothing known fits"
    return f"v{failed.kubernetes} does not go with what was asked for: {reason}"


def everywhere(conflict: Problem, asked: ResolveOptions) -> bool:
    """Whether a conflict is one with any Kubernetes: what was asked for by name, and nothing of
    some minors only.
    """
    for constraint in conflict.constraints:
        if constraint.place.startswith("recipes/catalog/") or constraint.kubernetes_specific:
            return False
    return all(
        asked.wants(str(variable.key)) and not variable.has_prereleases
        for variable in conflict.variables
    )


def _limits(variable: Variable, conflict: Problem) -> bool:
    """Whether what there is of a component is a part of the conflict; two ranges may exclude each
    other without.
    """
    touching = [rule for rule in conflict.constraints if rule.touches(variable.key)]
    return bool(variable.key.distribution) or len(touching) < 2


def _offer(variable: Variable, asked: ResolveOptions) -> str:
    component, distribution = variable.key
    known = ", ".join(str(value) for value in variable.domain if value != Value()) or "nothing"
    if distribution:
        return f"--distro {distribution}: brings for {component}: {known} [recipes/distros.toml]"
    brought = asked.distributions and component in FAMILIES
    files = "recipes/components.toml" + (" and recipes/distros.toml" if brought else "")
    return f"{component}: known are {known} [{files}]"


def _works(failed: Case, conflict: Problem, others: Alternatives) -> Iterator[str]:
    """What would work: without each option in turn, with one more, and another Kubernetes for all
    of it.

    Nothing about which nothing is stated is among it.
    """
    asked = others.asked
    keys = [variable.key for variable in conflict.variables]
    for change, changed in (*_relaxed(asked), *_extended(failed, asked)):
        if solution := _tried(failed.kubernetes, others.facts, changed):
            yield f"v{failed.kubernetes} {change}: {_summary(keys, *solution)}"
    if not everywhere(conflict, asked) and (solution := others.nearest(failed.kubernetes)):
        case, chosen = solution
        yield f"v{case.kubernetes} with all that was asked for: {_summary(keys, case, chosen)}"


def _relaxed(asked: ResolveOptions) -> Iterator[tuple[str, ResolveOptions]]:
    for wanted in asked.wanted:
        kept = tuple(other for other in asked.wanted if other is not wanted)
        yield f"without {option(wanted)}", asked.model_copy(update={"wanted": kept})
    for name in asked.without:
        kept_out = tuple(other for other in asked.without if other != name)
        yield f"without --without {name}", asked.model_copy(update={"without": kept_out})
    for name in asked.distributions:
        others = tuple(other for other in asked.distributions if other != name)
        yield f"without --distro {name}", asked.model_copy(update={"distributions": others})


def _extended(failed: Case, asked: ResolveOptions) -> Iterator[tuple[str, ResolveOptions]]:
    """An etcd of one's own, and the other runtime where a distribution is what fails."""
    if asked.wants("etcd") and not asked.etcd:
        yield "with --etcd external", asked.model_copy(update={"etcd": "external"})
    for family in FAMILIES if asked.distributions else ():
        if (
            family != failed.runtime
            and not any(map(asked.wants, FAMILIES))
            and family not in asked.without
        ):
            more = (*asked.wanted, Wanted(component=family))
            yield f"with --with {family}", asked.model_copy(update={"wanted": more})


def _tried(kubernetes: str, facts: Facts, asked: ResolveOptions) -> tuple[Case, Chosen] | None:
    try:
        case = build_case(kubernetes, facts, asked)
    except RequestError:
        return None
    chosen = search(case.problem) if case.speaks else None
    return None if chosen is None else (case, chosen)


def _summary(keys: list[Key], case: Case, chosen: Chosen) -> str:
    """What is chosen then of the components in conflict, or as the runtime of the distributions in
    it.
    """
    parts: dict[str, None] = {}
    for component, distribution in keys:
        taken = chosen.get(Key(case.runtime, distribution)) if distribution else None
        if taken is not None:
            parts[f"{taken} on {distribution}"] = None
        else:
            parts[f"{component} {chosen.get(Key(component), 'is left out')}"] = None
    return ", ".join(parts)
