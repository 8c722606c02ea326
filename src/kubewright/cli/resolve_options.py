"""The options with which a person asks for more than a version of Kubernetes."""

import functools
from collections.abc import Callable
from typing import Any

import click

from kubewright.settings import Settings

Command = Callable[..., None]

OPTIONS = (
    click.option(
        "--with",
        "wanted",
        multiple=True,
        metavar="NAME[=RANGE]",
        help="Have a component, in a range: docker, docker=20.10, 'containerd>=2.2,<2.3'; "
        "repeatable.",
    ),
    click.option(
        "--without",
        multiple=True,
        metavar="NAME",
        help="Do without docker or containerd, or without the files of a companion that upstream "
        "lacks; repeatable.",
    ),
    click.option(
        "--distro",
        "distros",
        multiple=True,
        metavar="NAME",
        help="Say what a distribution takes, such as debian-12; repeatable.",
    ),
    click.option(
        "--etcd",
        type=click.Choice(["kubeadm", "external"]),
        default="kubeadm",
        help="external: etcd is not kubeadm's but your own.",
    ),
)


def resolve_options(command: Command) -> Command:
    """Give a verb these options; they become `settings.asked`. It stands below `shared`."""

    @functools.wraps(command)
    def wrapper(settings: Settings, **given: Any) -> None:
        from kubewright.cli.shipped import shipped
        from kubewright.resolution import read_options

        recipes = shipped()
        options = read_options(
            recipes.components, recipes.distributions,
            wanted=given.pop("wanted"), without=given.pop("without"), distros=given.pop("distros"),
            external_etcd=given.pop("etcd") == "external",
        )  # fmt: skip
        command(settings=settings.model_copy(update={"asked": options}), **given)

    decorated: Command = wrapper
    for option in reversed(OPTIONS):
        decorated = option(decorated)
    return decorated
