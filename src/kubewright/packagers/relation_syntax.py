"""Relations between packages: read in Debian's syntax, written for deb and for rpm."""

import re
from collections.abc import Iterable, Mapping

from kubewright.errors import RequestError
from kubewright.models.base import Format
from kubewright.models.description import Alternative, Relation

_ALTERNATIVE = re.compile(
    r"^(?P<name>[A-Za-z0-9/][\w+./-]*)(?:\s*\((?P<op><<|<=|=|>=|>>)\s*(?P<version>\S+)\))?\Z"
)
_RPM_OPERATORS = {"<<": "<", ">>": ">"}


def parse(text: str, values: Mapping[str, str], place: str) -> Relation:
    """Read `containerd (>= 2.2~) | kubernetes-containerd`, filling `{names}` from `values`.

    Raises RequestError that starts with `place`.
    """
    try:
        filled = text.format_map(values)
    except (KeyError, ValueError) as error:
        raise RequestError(
            place,
            f"{text!r}: unknown placeholder {error}",
            f"known: {', '.join(sorted(values))}",
        ) from error
    alternatives = []
    for part in filled.split("|"):
        match = _ALTERNATIVE.match(part.strip())
        if match is None:
            raise RequestError(
                place,
                f"{part.strip()!r} is not a relation",
                "write it like 'kubelet (>= 1.36.4)'",
            )
        alternatives.append(
            Alternative(name=match["name"], operator=match["op"], version=match["version"] or "")
        )
    return Relation(alternatives=tuple(alternatives))


def render(relations: Iterable[Relation], form: Format) -> list[str]:
    """Relations as the format writes them, in their order."""
    return [_deb(relation) if form is Format.deb else _rpm(relation) for relation in relations]


def _deb(relation: Relation) -> str:
    parts = []
    for alternative in relation.alternatives:
        bound = f" ({alternative.operator} {alternative.version})" if alternative.operator else ""
        parts.append(f"{alternative.name}{bound}")
    return " | ".join(parts)


def _rpm(relation: Relation) -> str:
    """More than one alternative is a rich dependency, which rpm understands since 4.13."""
    parts = []
    for alternative in relation.alternatives:
        bound = ""
        if alternative.operator:
            operator = _RPM_OPERATORS.get(alternative.operator, alternative.operator)
            bound = f" {operator} {alternative.version}"
        parts.append(f"{alternative.name}{bound}")
    return parts[0] if len(parts) == 1 else f"({' or '.join(parts)})"
