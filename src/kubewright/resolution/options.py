"""Reads what a person asks for beside a version: `--with`, `--without`, `--distro` and `--etcd`."""

import difflib
import re
from collections.abc import Iterable, Sequence

from kubewright import versions
from kubewright.errors import RequestError
from kubewright.models.components import Components
from kubewright.models.distros import Distributions
from kubewright.models.resolve_options import ResolveOptions, Wanted
from kubewright.resolution.build_problem import GOES_WITH, spared_as
from kubewright.resolution.distribution_names import distribution
from kubewright.resolution.domains import FAMILIES

_WANTED = re.compile(r"^([a-z][a-z-]*) *(?:= *(?=[<>=!\d])|(?=[<>=!])|$)(.*)$")
"""`docker`, `docker=20.10`, `containerd=>=2.2,<2.3` or `containerd>=2.2,<2.3`."""


def read_options(
    components: Components, distributions: Distributions,
    *, wanted: Iterable[str] = (), without: Iterable[str] = (), distros: Iterable[str] = (),
    external_etcd: bool = False,
) -> ResolveOptions:  # fmt: skip
    """What options ask for. Raises RequestError that names the option and what would do instead."""
    wanted_components = {_wanted(text, components) for text in wanted}
    refused = {_removable(name, components) for name in without}
    left_out = refused & set(GOES_WITH)
    named = {entry.component for entry in wanted_components}
    for name in sorted(refused):
        if both := sorted(named & set(GOES_WITH.get(name, (name,)))):
            raise RequestError(
                f"--with {both[0]}, --without {name}",
                "contradict each other",
                "leave one of them out",
            )
    if left_out >= set(FAMILIES):
        raise RequestError(
            f"--without {','.join(FAMILIES)}",
            "a node needs one of them",
            "leave one of the options out",
        )
    asked_distributions = {distribution(name, distributions) for name in distros}
    return ResolveOptions(
        wanted=tuple(sorted(wanted_components, key=lambda entry: (entry.component, entry.range))),
        without=tuple(sorted(left_out)),
        lacking=tuple(sorted(refused - left_out)),
        etcd="external" if external_etcd else "",
        distributions=tuple(
            name for name in distributions.distributions if name in asked_distributions
        ),
    )


def component(name: str, components: Components) -> str:
    """The name of a component. Raises RequestError with the nearest and all there are."""
    return _known(name, "", "component", sorted(components.components))


def _wanted(text: str, components: Components) -> Wanted:
    found = _WANTED.match(text)
    if found is None:
        raise RequestError(
            f"--with {text!r}",
            "cannot be read",
            "write it like docker, docker=20.10 or 'containerd=>=2.2,<2.3'",
        )
    name = _known(found[1], "--with", "component", sorted(components.components))
    if name == "kubernetes":
        raise RequestError(
            f"--with {text}",
            "Kubernetes itself is asked for by the request",
            "put its version there",
        )
    allowed = found[2] or "*"
    if allowed[0].isdigit():
        allowed = f"={allowed}"
    try:
        if allowed != "*":
            versions.Range.parse(allowed)
    except RequestError as error:
        raise RequestError(f"--with {text}: {error}") from error
    return Wanted(component=name, range=allowed)


def _removable(name: str, components: Components) -> str:
    """What a release can be without: a runtime, or the files of a companion."""
    known = components.components
    possible = [
        other
        for other, source in sorted(known.items())
        if source.spared and spared_as(other) == other
    ]
    if name in known and name not in possible:
        whole = spared_as(name)
        raise RequestError(
            f"--without {name}",
            f"{whole} needs it" if whole in possible else "every release needs it",
            f"possible are {', '.join(possible)}",
        )
    return _known(name, "--without", "component", possible)


def _known(name: str, option: str, kind: str, known: Sequence[str]) -> str:
    if name in known:
        return name
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise RequestError(
        f"{option} {name}".strip(), f"no such {kind}", f"{hint}known are {', '.join(known)}"
    )
