"""The options with which somebody who reads a site says whom to believe."""

from pathlib import Path

import click

TRUSTED = click.option(
    "--key",
    "trusted",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A public key to trust, OpenPGP or PEM; repeatable.",
)

FIRST_USE = click.option(
    "--trust-on-first-use",
    "first_use",
    is_flag=True,
    help="Be content with the site's own keys where no --key is given.",
)
