"""The short names of evidence in a recipe file, each of which its `[sources]` must explain."""

from collections.abc import Iterator, Mapping


def unexplained(used: Mapping[str, str], sources: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What is wrong between the names in use, by the key where each stands, and `sources`: key and
    problem.
    """
    for key, source in used.items():
        if source not in sources:
            yield key, f"{source!r} is not explained; say under [sources] what it stands for"
    for source in sorted(sources.keys() - set(used.values())):
        yield f"sources.{source}", "nothing uses it; remove it, or name it where it is the evidence"
