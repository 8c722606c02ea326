"""Finds the first solution of a problem: depth first, variables in their order, values best
first.
"""

from collections.abc import Mapping, Sequence

from kubewright.resolution.problem import Key, Problem, Rule, Value, Variable

Chosen = dict[Key, Value]
"""The value of every variable."""


def search(problem: Problem) -> Chosen | None:
    """The first solution in the order of variables and values, or None.

    Where a variable has no value left, the search goes straight back to the last one that had a
    part in that; so variables that have nothing to do with each other cost nothing.
    """
    touching: dict[Key, list[Rule]] = {}
    for variable in problem.variables:
        key = variable.key
        touching[key] = [rule for rule in problem.constraints if rule.touches(key)]
    chosen, _ = _extend({}, problem.variables, touching)
    return chosen


def fault(
    key: Key, value: Value, chosen: Chosen, constraints: Sequence[Rule]
) -> tuple[Rule, set[Key]] | None:
    """The first constraint that a value breaks beside others, and the variables that break it."""
    trial = {**chosen, key: value}
    for constraint in constraints:
        if constraint.touches(key) and (breakers := constraint.breakers(key, trial)):
            return constraint, breakers
    return None


def _extend(
    chosen: Chosen, rest: Sequence[Variable], touching: Mapping[Key, Sequence[Rule]]
) -> tuple[Chosen | None, set[Key]]:
    """A solution that keeps what is chosen; without one None, and the chosen variables that are in
    its way.
    """
    if not rest:
        return chosen, set()
    variable, *later = rest
    blamed: set[Key] = set()
    for entry in variable.domain:
        value = entry.beside(chosen)
        broken = fault(variable.key, value, chosen, touching[variable.key])
        if broken is None:
            solution, in_the_way = _extend({**chosen, variable.key: value}, later, touching)
            if solution is not None or variable.key not in in_the_way:
                return solution, in_the_way
            blamed |= in_the_way
        else:
            blamed |= broken[1]
        if entry.follows is not None:
            blamed.add(entry.follows)
    return None, blamed - {variable.key}
