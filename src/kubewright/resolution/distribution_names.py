"""Which distribution of `recipes/distros.toml` a name means: its key, a codename, a rebuild, or
what /etc/os-release says.
"""

import difflib
import re
from collections.abc import Iterable

from kubewright.errors import RequestError
from kubewright.models.distros import Distributions

_PARTS = re.compile(r"^(?P<word>[a-z][a-z-]*?)-?(?P<version>[0-9][0-9.]*)?$")


def distribution(name: str, known: Distributions) -> str:
    """The key of a distribution. Raises RequestError for any other, with what is right."""
    text = re.sub(r"[\s_:/-]+", "-", name.strip().lower()).strip("-")
    if text in known.distributions:
        return text
    word, _, codename = text.rpartition("-")
    if key := _codenames(known).get(codename):
        return _of_codename(name, word, codename, key, known)
    found = _PARTS.match(text)
    base = _base(found["word"], known) if found else None
    if found is None or base is None:
        raise _foreign(name, text, known)
    return _of_version(name, base, found["version"] or "", known)


def _codenames(known: Distributions) -> dict[str, str]:
    """The key that each codename stands for."""
    present = {one.codename: key for key, one in known.distributions.items() if one.codename}
    return {**known.past_codenames, **present}


def _base(word: str, known: Distributions) -> str | None:
    """What the keys of a distribution begin with, by any of its names."""
    for base, others in known.names.items():
        if word == base or word in others:
            return base
    return None


def _of_codename(name: str, word: str, codename: str, key: str, known: Distributions) -> str:
    """`noble`, `ubuntu-noble`; not `debian-noble`."""
    if word and key.rpartition("-")[0] != _base(word, known):
        raise RequestError(f"--distro {name}", f"{codename} is {key}", "ask for that")
    if key in known.past:
        raise _past(name, key, known)
    return key


def _of_version(name: str, base: str, version: str, known: Distributions) -> str:
    """The key of a base that a version is of: `9.4` is of `rhel-9`; without a version the only
    key.
    """
    if base in known.distributions:
        return base  # it has no versions
    keys = _beginning(base, known.distributions)
    parts = version.split(".") if version else []
    for count in range(len(parts), 0, -1):
        key = f"{base}-{'.'.join(parts[:count])}"
        if key in known.distributions:
            return key
        if key in known.past:
            raise _past(name, key, known)
    whole = f"{base}-{version}." if version else f"{base}-"
    every = [key for key in (*keys, *known.past) if key.startswith(whole)]
    present = [key for key in every if key in keys]
    if len(present) == 1 and (not version or len(every) == 1):
        return present[0]
    problem = "does not say which release" if present else "no such release is known"
    raise RequestError(f"--distro {name}", problem, f"known are {', '.join(present or keys)}")


def _beginning(base: str, keys: Iterable[str]) -> list[str]:
    return [key for key in keys if re.fullmatch(rf"{re.escape(base)}-[0-9.]+", key)]


def _past(name: str, key: str, known: Distributions) -> RequestError:
    keys = _beginning(key.rpartition("-")[0], known.distributions)
    return RequestError(
        f"--distro {name}",
        f"its end of life was {known.past[key]}, and no packages are made for it",
        f"known are {', '.join(keys)}",
    )


def _foreign(name: str, text: str, known: Distributions) -> RequestError:
    """A system that is none of ours, or a slip."""
    word = re.split(r"-?[0-9]", text, maxsplit=1)[0]
    for part in (word, word.partition("-")[0], word.rpartition("-")[2]):
        if part in known.elsewhere:
            return RequestError(
                f"--distro {name}",
                f"not known: {known.elsewhere[part]}",
                "leave it out, or ask for another distribution",
            )
    near = difflib.get_close_matches(text, [*known.distributions, *_codenames(known)], n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    return RequestError(
        f"--distro {name}",
        "no such distribution",
        f"{hint}known are {', '.join(known.distributions)}",
    )
