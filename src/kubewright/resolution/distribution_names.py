"""Which distribution of `recipes/distros.toml` a name means: its key, a codename, a rebuild, or
what /etc/os-release says.
"""

import difflib
import re
from itertools import pairwise

from kubewright.errors import RequestError
from kubewright.models.distros import Distributions

_PARTS = re.compile(r"^(?P<word>[a-z][a-z-]*?)-?(?P<version>[0-9][0-9.]*)?\Z")
_NEAR = 0.8
"""How like a name a slip must be to be taken for it, from 0 to 1."""


def distribution(name: str, known: Distributions) -> str:
    """The key of a distribution. Raises RequestError for any other, with what is right."""
    words, in_brackets = _words(name, known)
    text = "-".join(words)
    text = known.aliases.get(text, text)
    codenames = _codenames(known)
    said = [word for word in (*words, *in_brackets) if word in codenames]
    if text in known.distributions and not said:
        return text
    if reason := _elsewhere(words, known):
        raise RequestError(
            f"--distro {name}",
            f"not known: {reason}",
            "leave it out, or ask for another distribution",
        )
    if said:
        rest = [word for word in words if word not in codenames]
        key = _of_codenames(name, said, rest, known)
    else:
        key = _of_version(name, text, known)
    if key in known.past:
        raise _past(name, key, known)
    return key


def _words(name: str, known: Distributions) -> tuple[list[str], list[str]]:
    """What a name says: the words before any bracket that tell something, and those after."""
    plain, _, bracket = name.lower().partition("(")
    text = "-".join(re.findall(r"[a-z0-9]+(?:\.[0-9]+)*", plain))
    asides = "|".join(map(re.escape, sorted(known.asides, key=len, reverse=True)))
    told = re.sub(rf"(?:^|(?<=-))(?:{asides})(?=-|$)", "", text) if asides else text
    return [word for word in told.split("-") if word], re.findall(r"[a-z]+", bracket)


def _elsewhere(words: list[str], known: Distributions) -> str:
    """Why a system is never here, by two of its words that belong together, or by one of them."""
    plain = [word.rstrip("0123456789.") for word in words]
    said = ["-".join(pair) for pair in pairwise(plain)] + plain + words
    reason = next((known.elsewhere[one] for one in said if one in known.elsewhere), "")
    kin = next((one for one in words if one in known.kin_codenames), "")
    if kin and not reason:
        system = known.kin_codenames[kin]
        reason = f"{kin} is a codename of {system}, and {known.elsewhere[system]}"
    return reason


def _codenames(known: Distributions) -> dict[str, str]:
    """The key that each codename stands for."""
    present = {one.codename: key for key, one in known.distributions.items() if one.codename}
    return {**known.past_codenames, **present}


def _of_codenames(name: str, said: list[str], rest: list[str], known: Distributions) -> str:
    """`noble`, `ubuntu-noble`, `Ubuntu 24.04 (noble)`; not `debian-noble`."""
    codenames = _codenames(known)
    key = codenames[said[0]]
    others = {codenames[one] for one in said} - {key}
    if others or (rest and key not in _meant("-".join(rest), known)):
        raise RequestError(f"--distro {name}", f"{said[0]} is {key}", "ask for that")
    return key


def _of_version(name: str, text: str, known: Distributions) -> str:
    """The key, here or past, of a base and a version: `rocky-9.4` is `rhel-9`."""
    keys = _meant(text, known)
    present = [key for key in keys if key in known.distributions]
    if len(present) > 1:
        known_are = f"known are {', '.join(present)}"
        raise RequestError(f"--distro {name}", "does not say which release", known_are)
    if keys:
        return present[0] if present else max(keys, key=known.past.__getitem__)
    found = _PARTS.match(text)
    base = _base(found["word"], known) if found else None
    if found is None or base is None:
        raise _foreign(name, text, known)
    releases = _releases(base, known)
    first = min(map(_number, releases), default=())
    older = found["version"] and _number(f"{base}-{found['version']}") < first
    raise RequestError(
        f"--distro {name}",
        "older than what packages are made for" if older else "no such release is known",
        f"known are {', '.join(releases)}",
    )


def _meant(text: str, known: Distributions) -> list[str]:
    """Every key, here or past, that a base and what it has of a version may mean."""
    found = _PARTS.match(text)
    base = _base(found["word"], known) if found else None
    if found is None or base is None:
        return []
    version = found["version"] or ""
    kin = [key for key in known.distributions if key.startswith(f"{found['word']}-")]
    if not version and found["word"] != base and len(kin) > 1:
        return kin  # opensuse alone is Leap or Tumbleweed
    if base in known.distributions:
        return [base]  # it has no versions
    every = [key for key in (*known.past, *known.distributions) if _is_of(key, base)]
    parts = version.split(".") if version else []
    for count in range(len(parts), 0, -1):
        if (key := f"{base}-{'.'.join(parts[:count])}") in every:
            return [key]
    if squeezed := [key for key in every if key.replace(".", "") == f"{base}-{version}"]:
        return squeezed
    whole = f"{base}-{version}." if version else f"{base}-"
    return [key for key in every if key.startswith(whole)]


def _base(word: str, known: Distributions) -> str | None:
    """What the keys of a distribution begin with, by any of its names."""
    for base, others in known.names.items():
        if word == base or word in others:
            return base
    return None


def _is_of(key: str, base: str) -> bool:
    return re.fullmatch(rf"{re.escape(base)}-[0-9.]+", key) is not None


def _releases(base: str, known: Distributions) -> list[str]:
    """The keys of a base that are here."""
    return [key for key in known.distributions if key == base or _is_of(key, base)]


def _number(key: str) -> tuple[int, ...]:
    return tuple(int(part) for part in key.rpartition("-")[2].split(".") if part.isdigit())


def _past(name: str, key: str, known: Distributions) -> RequestError:
    return RequestError(
        f"--distro {name}",
        f"its end of life was {known.past[key]}, and no packages are made for it",
        f"known are {', '.join(_releases(key.rpartition('-')[0], known))}",
    )


def _foreign(name: str, text: str, known: Distributions) -> RequestError:
    """A system that nobody knows, or a slip; a hint never changes the version."""
    present = [one.codename for one in known.distributions.values() if one.codename]
    near = [
        one
        for one in difflib.get_close_matches(text, [*known.distributions, *present], cutoff=_NEAR)
        if re.findall(r"[0-9.]+", one) == re.findall(r"[0-9.]+", text)
    ]
    hint = f"did you mean {near[0]}? " if near else ""
    return RequestError(
        f"--distro {name}",
        "no such distribution",
        f"{hint}known are {', '.join(known.distributions)}",
    )
