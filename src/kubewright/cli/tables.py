"""What `resolve` and `explain` show to people: tables that fit into 80 columns and keep words
whole.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from kubewright.models.catalog import MinorFacts
from kubewright.models.distros import Distributions
from kubewright.models.lock import DistributionRuntime, Release
from kubewright.models.upgrades import Hop
from kubewright.resolution import avoided
from kubewright.resolution.explain import Considered, Explanation

LEGEND = (
    "validated: upstream says so; supported: inside a stated bound; "
    "unknown: carried forward, to be avoided, or nothing is stated"
)


def show_release(release: Release, known: Distributions, today: str) -> None:
    """The choice, the packages of the distributions that were asked for, and what the evidence
    stands for.
    """
    rows = []
    for component in release.components:
        sources = dict.fromkeys(item.source for item in component.evidence)
        rows.append(
            (
                component.name,
                component.version,
                component.status,
                component.reason,
                ", ".join(sources),
            )
        )
    _table(
        f"{release.name}, nodes run {release.runtime}",
        ("component", "version", "status", "why", "evidence"),
        rows,
    )
    _print(LEGEND)
    if end := release.end_of_life:
        tense = "is past its end: upstream's support ended" if end < today else "is supported until"
        _print(f"Kubernetes {release.minor} {tense} {end}")
    for name in release.request.distributions if release.request else ():
        packages = [entry for entry in release.distributions if entry.distribution == name]
        _distribution(name, release.tag, packages, known)
    click.echo()
    for line in _sources(release):
        _print(line)


def show_path(hops: Sequence[Hop], catalog: Mapping[str, MinorFacts]) -> None:
    """An upgrade, hop by hop."""
    if not hops:
        click.echo("nothing to upgrade: that version is there already")
        return
    rows = []
    for hop in hops:
        changes = ", ".join(
            f"{change.component} {change.before or 'none'} to {change.after or 'none'}"
            for change in hop.components
        )
        if hop.runtime is not None:
            changes = f"nodes run {hop.runtime.after}, not {hop.runtime.before}; {changes}"
        rows.append((f"v{hop.from_version}", f"v{hop.to}", hop.kubelets, changes or "nothing else"))
    click.echo()
    _table(
        f"upgrade in {len(hops)} hop{'s' if len(hops) > 1 else ''}",
        ("from", "to", "kubelets that may stay", "what else changes"),
        rows,
    )
    for hop in hops:
        if avoided(hop.to, catalog):
            _print(f"v{hop.to}: {hop.reason}")


def show_explanation(explanation: Explanation) -> None:
    """Why this one, who says so, and what else was considered."""
    name, kubernetes = explanation.component, f"Kubernetes v{explanation.kubernetes}"
    if not explanation.version:
        _print(f"no {name} for {kubernetes}: {explanation.reason}")
        return
    head = f"{name} {explanation.version} for {kubernetes}"
    _print(f"{head}: {explanation.status}, {explanation.reason}")
    _section("allowed", [explanation.range])
    grounds = [
        f"{ground.place}: {ground.reason}\n{ground.source}" for ground in explanation.grounds
    ]
    _section("what it had to meet", grounds)
    _section("newer, but not chosen", _considered(explanation.newer))
    _section("would do too", [", ".join(explanation.others)] if explanation.others else [])
    for distribution, packages in explanation.packages.items():
        _section(f"on {distribution}, best first", _considered(packages))
    _section("kubeadm's own check says of", _considered(explanation.judgements))
    neighbours = [
        f"v{neighbour.kubernetes}: {neighbour.version} ({neighbour.status})"
        for neighbour in explanation.neighbours
    ]
    _section("in the minors beside it", neighbours)


def _considered(entries: Iterable[Considered]) -> Iterator[str]:
    """What was considered, with those of one verdict in a line."""
    for verdict, group in groupby(entries, key=lambda entry: entry.verdict):
        yield f"{', '.join(entry.what for entry in group)}: {verdict}"


def _distribution(
    name: str, kubernetes: str, packages: Sequence[DistributionRuntime], known: Distributions
) -> None:
    """The packages of a distribution, and what holds a chosen one at its version."""
    verdicts = {True: "fits", False: "does not fit"}
    rows = [
        (
            entry.family,
            f"{entry.package} {entry.version}",
            entry.repository,
            "taken" if entry.chosen else verdicts[entry.fits],
        )
        for entry in packages
    ]
    click.echo()
    _table(name, ("for", "package", "from", "verdict"), rows)
    if packages:
        _print(f"why: kubewright explain {packages[0].family} {kubernetes} --distro {name}")
    for entry in packages:
        if entry.chosen and entry.repository in known.repositories:
            enable = known.repositories[entry.repository].enable[known.distributions[name].format]
            _print(f"enable {entry.repository} there: {enable}")
        if entry.chosen and entry.pin:
            click.echo(f"hold {entry.package} there with:")
            for line in entry.pin.splitlines():
                click.echo(f"    {line}")


def _sources(release: Release) -> Iterator[str]:
    """What the short names of evidence stand for, each once."""
    named: set[tuple[str, str]] = set()
    for component in release.components:
        named.update((item.source, item.cited) for item in component.evidence if item.cited)
    yield from (f"{key}: {text}" for key, text in sorted(named))


def _section(title: str, entries: Iterable[str]) -> None:
    entries = list(entries)
    if entries:
        click.echo(f"\n{title}:")
    for entry in entries:
        first, *more = entry.split("\n")
        _print(first, indent=2)
        for line in more:
            _print(line, indent=4)


def _table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table whose columns wrap between words; where the terminal is too narrow for that, each row
    as a paragraph.
    """
    rows = list(rows)
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    console, least = Console(highlight=False), 0
    for number, column in enumerate(columns):
        words = [column, *" ".join(row[number] for row in rows).split()]
        table.add_column(column, min_width=max(map(len, words)))
        least += max(map(len, words)) + 1
    if least > console.width:
        _print(title)
        _paragraphs(columns, rows)
        return
    for row in rows:
        table.add_row(*row)
    with console.capture() as shown:
        console.print(table)
    for line in shown.get().splitlines():
        click.echo(line.rstrip())


def _paragraphs(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Rows below each other: the first two cells as a heading, the others by name."""
    for row in rows:
        _print(" ".join(row[:2]))
        for column, cell in zip(columns[2:], row[2:], strict=True):
            if cell:
                _print(f"{column}: {cell}", indent=2)


def _print(text: str, indent: int = 0) -> None:
    """A paragraph, wrapped between words."""
    console = Console(highlight=False)
    for line in Text(text).wrap(console, max(console.width - indent, 20)):
        click.echo(" " * indent + line.plain.rstrip())
