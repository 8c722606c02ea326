"""What `resolve` and `explain` show to people: tables that fit into 80 columns and keep words
whole.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from kubewright import recipes
from kubewright.models.lock import DistributionRuntime, Release
from kubewright.models.upgrades import Hop
from kubewright.resolution import avoided
from kubewright.resolution.explain import Considered, Explanation

LEGEND = (
    "validated: upstream says so; supported: inside a stated bound; "
    "unknown: carried forward, to be avoided, or nothing is stated"
)


def show_release(release: Release) -> None:
    """The choice, the packages of the distributions that were asked for, and what the evidence
    stands for.
    """
    rows = [
        (
            one.name,
            one.version,
            one.status,
            one.reason,
            ", ".join(dict.fromkeys(item.source for item in one.evidence)),
        )
        for one in release.components
    ]
    _table(
        f"{release.name}, nodes run {release.runtime}",
        ("component", "version", "status", "why", "evidence"),
        rows,
    )
    _print(LEGEND)
    for name in release.request.distributions if release.request else ():
        _distribution(
            name, release.tag, [one for one in release.distributions if one.distribution == name]
        )
    click.echo()
    for line in _sources(release):
        _print(line)


def show_path(hops: Sequence[Hop]) -> None:
    """An upgrade, hop by hop."""
    if not hops:
        click.echo("nothing to upgrade: that version is there already")
        return
    rows = []
    for one in hops:
        changes = ", ".join(
            f"{each.component} {each.before or 'none'} to {each.after or 'none'}"
            for each in one.components
        )
        if one.runtime is not None:
            changes = f"nodes run {one.runtime.after}, not {one.runtime.before}; {changes}"
        rows.append((f"v{one.from_version}", f"v{one.to}", one.kubelets, changes or "nothing else"))
    click.echo()
    _table(
        f"upgrade in {len(hops)} hop{'s' if len(hops) > 1 else ''}",
        ("from", "to", "kubelets that may stay", "what else changes"),
        rows,
    )
    for one in hops:
        if avoided(one.to, recipes.catalog()):
            _print(f"v{one.to}: {one.reason}")


def show_explanation(found: Explanation) -> None:
    """Why this one, who says so, and what else was considered."""
    head = f"{found.component} {found.version} for Kubernetes v{found.kubernetes}"
    if not found.version:
        _print(f"no {found.component} for Kubernetes v{found.kubernetes}: {found.reason}")
        return
    _print(f"{head}: {found.status}, {found.reason}")
    _section("allowed", [found.range])
    _section(
        "what it had to meet", (f"{one.place}: {one.reason}\n{one.source}" for one in found.grounds)
    )
    _section("newer, but not chosen", _considered(found.newer))
    _section("would do too", [", ".join(found.others)] if found.others else [])
    for name, packages in found.packages.items():
        _section(f"on {name}, best first", _considered(packages))
    _section("kubeadm's own check says of", _considered(found.judgements))
    _section(
        "in the minors beside it",
        (f"v{one.kubernetes}: {one.version} ({one.status})" for one in found.neighbours),
    )


def _considered(found: Iterable[Considered]) -> Iterator[str]:
    """What was considered, with those of one verdict in a line."""
    for verdict, group in groupby(found, key=lambda one: one.verdict):
        yield f"{', '.join(one.what for one in group)}: {verdict}"


def _distribution(name: str, kubernetes: str, packages: Sequence[DistributionRuntime]) -> None:
    """The packages of a distribution, and what holds a chosen one at its version."""
    verdicts = {True: "fits", False: "does not fit"}
    rows = [
        (
            one.family,
            f"{one.package} {one.version}",
            one.repository,
            "taken" if one.chosen else verdicts[one.fits],
        )
        for one in packages
    ]
    click.echo()
    _table(name, ("for", "package", "from", "verdict"), rows)
    if packages:
        _print(f"why: kubewright explain {packages[0].family} {kubernetes} --distro {name}")
    there = recipes.distributions()
    for one in packages:
        if one.chosen and one.repository in there.repositories:
            enable = there.repositories[one.repository].enable[there.distributions[name].format]
            _print(f"enable {one.repository} there: {enable}")
        if one.chosen and one.pin:
            click.echo(f"hold {one.package} there with:")
            click.echo("".join(f"    {line}\n" for line in one.pin.splitlines()), nl=False)


def _sources(release: Release) -> Iterator[str]:
    """What the short names of evidence stand for, each once."""
    named = {
        (item.source, item.cited)
        for one in release.components
        for item in one.evidence
        if item.cited
    }
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
    """Only the last two columns wrap, and between words."""
    rows = list(rows)
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for number, column in enumerate(columns):
        words = [word for row in rows for word in row[number].split()] + [column]
        table.add_column(column, min_width=max(map(len, words), default=0))
    for row in rows:
        table.add_row(*row)
    console = Console(highlight=False)
    with console.capture() as shown:
        console.print(table)
    for line in shown.get().splitlines():
        click.echo(line.rstrip())


def _print(text: str, indent: int = 0) -> None:
    """A paragraph, wrapped between words."""
    console = Console(highlight=False)
    for line in Text(text).wrap(console, max(console.width - indent, 20)):
        click.echo(" " * indent + line.plain.rstrip())
