"""Finds the first solution of a problem: depth first, variables in their order, values best
first.
"""

from collections.abc import Mapping, Sequence

from kubewright.resolution.problem import Problem, Rule, Value, Variable

Chosen = dict[str, Value]
"""The value of every variable by its name."""


def search(problem: Problem) -> Chosen | None:
    """The first solution in the order of variables and values, or None.

    Where a variable has no value left, the search goes straight back to the last one that had a
    part in that; so variables that have nothing to do with each other cost nothing.
    """
    touching = {
        one.name: [rule for rule in problem.constraints if rule.touches(one.name)]
        for one in problem.variables
    }
    found = _extend({}, problem.variables, touching)
    return found if isinstance(found, dict) else None


def fault(
    name: str, value: Value, chosen: Chosen, constraints: Sequence[Rule]
) -> tuple[Rule, set[str]] | None:
    """The first constraint that a value breaks beside others, and the variables that break it."""
    trial = {**chosen, name: value}
    for constraint in constraints:
        if constraint.touches(name) and (breakers := constraint.breakers(name, trial)):
            return constraint, breakers
    return None


def _extend(
    chosen: Chosen, rest: Sequence[Variable], touching: Mapping[str, Sequence[Rule]]
) -> Chosen | set[str]:
    """A solution that keeps what is chosen; else the names of the chosen variables that are in its
    way.
    """
    if not rest:
        return chosen
    variable, *later = rest
    blamed: set[str] = set()
    for entry in variable.domain:
        value = entry.beside(chosen)
        broken = fault(variable.name, value, chosen, touching[variable.name])
        if broken is None:
            found = _extend({**chosen, variable.name: value}, later, touching)
            if isinstance(found, dict) or variable.name not in found:
                return found
            blamed |= found
        else:
            blamed |= broken[1]
        blamed.add(entry.follows)
    return blamed - {variable.name, ""}
