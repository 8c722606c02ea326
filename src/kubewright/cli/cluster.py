"""The verbs for clusters of one container: cluster up, down, list, kubeconfig."""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from kubewright.cli.options import say, shared, show_json
from kubewright.cli.tool_answers import Clusters
from kubewright.files import expanded
from kubewright.log import console
from kubewright.models.cluster import Cluster
from kubewright.printable import printable
from kubewright.settings import Settings

NAME = click.argument("name", default="dev", metavar="[NAME]")
MERGE = click.option(
    "--merge",
    is_flag=True,
    help="Put its access into $KUBECONFIG or ~/.kube/config, as the current context.",
)
CONTEXT = click.option(
    "--context", default="", metavar="NAME", show_default="the cluster's name",
    help="What the kubeconfig calls the cluster.",
)  # fmt: skip


@click.group()
def cluster() -> None:
    """Begin, list and remove clusters of one container, by a Docker engine."""


@cluster.command()
@click.argument("words", nargs=-1, metavar="[NAME] [VERSION|IMAGE] [-- OPTION...]")
@click.option(
    "--archive",
    type=click.Path(path_type=Path),
    metavar="FILE|DIR",
    help="Load the image from a release's archive or layout.",
)
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    metavar="PORT",
    show_default="the first free one from 6443",
    help="Of its API on 127.0.0.1.",
)
@click.option(
    "--publish",
    multiple=True,
    metavar="HERE:NODEPORT",
    help="Let a node port be a port of 127.0.0.1; repeatable.",
)
@click.option(
    "--network",
    default="",
    metavar="NAME",
    show_default="Docker's own",
    help="A network of the engine's, where other containers reach it by its name.",
)
@MERGE
@CONTEXT
@shared("registry")
def up(
    settings: Settings,
    as_json: bool,
    words: tuple[str, ...],
    archive: Path | None,
    merge: bool,
    **chosen: Any,
) -> None:
    """Begin a cluster and wait until it is ready; one that has stopped is started again.

    The image is PREFIX/hyperkube-cluster:vVERSION of --registry, any other one, or the newest that
    the engine has. What stands after -- are options of the cluster itself; `docker run --rm IMAGE
    cluster --help` lists them.
    """
    from kubewright.stages import cluster as stage

    archive = expanded(str(archive)) if archive else None
    wanted = stage.wanted(words, settings, archive, **chosen)
    with progress(wanted.name) as tell:
        begun = stage.up(wanted, archive, _merge(merge), tell)
    if as_json:
        show_json(begun)
        return
    one = begun.cluster
    seconds = f"{begun.milliseconds / 1000:.1f} s"
    say(f"{one.name}: Kubernetes {one.version} at {one.server}, ready in {seconds}")
    if begun.kubeconfig:
        say(f"    kubectl get nodes        {begun.kubeconfig} has the context {begun.context}")
    else:
        say(f"    kubewright cluster kubeconfig {one.name} --merge")
    say(f"    kubewright cluster down {one.name}")


@cluster.command()
@NAME
@shared()
def down(settings: Settings, as_json: bool, name: str) -> None:
    """Remove a cluster and all that it had: container, volume, and what kubeconfigs say of it.

    The image stays in the engine.
    """
    from kubewright.stages import cluster as stage

    ended = stage.down(name, kubeconfigs())
    if as_json:
        show_json(ended)
        return
    say(f"{name}: removed")
    for path in ended.kubeconfigs:
        say(f"    taken out of {path}")


@cluster.command("list")
@shared()
def listing(settings: Settings, as_json: bool) -> None:
    """List the clusters of the engine."""
    from kubewright.stages import cluster as stage

    there = stage.listing()
    if as_json:
        show_json(Clusters(clusters=tuple(there)))
        return
    for line in table(there):
        say(line)


@cluster.command()
@NAME
@MERGE
@CONTEXT
@shared(to_json=False)
def kubeconfig(settings: Settings, name: str, merge: bool, context: str) -> None:
    """Print the kubeconfig of a cluster, which has all rights in it, once the cluster is ready."""
    from kubewright.stages import cluster as stage

    where = _merge(merge)
    with progress(name) as tell:
        text = stage.access(name, context, where, tell)
    if where:
        say(f"{where} has the context {context or name}, the current one")
    else:
        click.echo(text, nl=False)


def table(there: list[Cluster]) -> list[str]:
    """Clusters as lines of text in columns."""
    rows = [("NAME", "VERSION", "STATE", "SERVER", "IMAGE")]
    for one in there:
        rows.append((one.name, one.version or "-", one.state, one.server or "-", one.image or "-"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        lines.append("  ".join(cells).rstrip())
    return lines


def kubeconfigs() -> list[Path]:
    """The files in which kubectl looks."""
    named = [part for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    return [expanded(part) for part in named or ["~/.kube/config"]]


def _merge(wanted: bool) -> Path | None:
    """Where kubectl would write what is new: the first file that is there, else the last."""
    if not wanted:
        return None
    paths = kubeconfigs()
    return next((path for path in paths if path.exists()), paths[-1])


@contextmanager
def progress(name: str) -> Iterator[Callable[[str], None]]:
    """Show what is under way in one line, where somebody sees it; `-q` and pipes have none."""
    quiet = not logging.getLogger("kubewright").isEnabledFor(logging.INFO)
    if quiet or not console().is_terminal:
        yield lambda _: None
        return
    with console().status(f"{name} …") as status:
        yield lambda text: status.update(printable(f"{name}: {text}"))
