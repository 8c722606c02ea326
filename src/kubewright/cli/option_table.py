"""The table of the options that several verbs have, each stated once."""

from pathlib import Path
from typing import Any, get_args

import click

from kubewright.cli.upstreams import UPSTREAMS
from kubewright.models.base import Arch, Flavour, PackageCompression
from kubewright.settings import Backend


def _parts(_context: click.Context, _parameter: click.Parameter, given: Any) -> Any:
    """The words between the commas."""
    return (
        [part.strip() for part in given.split(",") if part.strip()]
        if isinstance(given, str)
        else given
    )


OPTIONS: dict[str, dict[str, Any]] = {
    **UPSTREAMS,
    "dist": {"type": click.Path(path_type=Path), "help": "Where stages meet."},
    "cache": {
        "type": click.Path(path_type=Path),
        "show_default": "the user's",
        "help": "Where fetched files are kept.",
    },
    "site": {"metavar": "DIR|s3://…", "help": "The site to publish on: a directory or a bucket."},
    "s3-endpoint": {
        "metavar": "URL",
        "show_default": "Amazon's",
        "help": "Where a bucket is that is not Amazon's.",
    },
    "url": {"show_default": "as it is", "help": "The site's public base URL."},
    "registry": {"metavar": "PREFIX", "help": "Where images live."},
    "channel": {
        "field": "channels",
        "multiple": True,
        "help": "Publish in this channel; repeatable.",
    },
    "valid-for": {
        "type": int,
        "metavar": "DAYS",
        "show_default": "as before; 14 in a new channel of production keys",
        "help": "Let the channels expire, 0: never; `refresh` renews them.",
    },
    "note": {"metavar": "TEXT", "help": "Why: one line for `kubewright history`."},
    "again": {"is_flag": True, "help": "Publish a release again that was withdrawn."},
    "arch": {
        "field": "architectures",
        "type": click.UNPROCESSED,
        "callback": _parts,
        "metavar": "A,B",
        "show_default": ",".join(Arch.usual()),
        "help": f"Architectures of {', '.join(Arch)}, separated by commas.",
    },
    "revision": {"type": int, "help": "Package revision of Kubernetes' own packages."},
    "raise-companions": {
        "type": int,
        "metavar": "N",
        "help": "Add N to the revisions of all others, which a revoked key has signed.",
    },
    "repo-key": {
        "metavar": "URI",
        "show_default": "a development key",
        "help": "OpenPGP key, for repositories and rpms.",
    },
    "next-repo-key": {
        "metavar": "URI",
        "show_default": "none",
        "help": "Certificate of the OpenPGP key that signs after this one; handed out already.",
    },
    "second-repo-key": {
        "metavar": "URI",
        "show_default": "none",
        "help": "OpenPGP key that signs repositories too, while a rotation is under way.",
    },
    "artifact-key": {
        "metavar": "URI",
        "show_default": "a development key",
        "help": "ECDSA key, for images and manifest.",
    },
    "freshness-key": {
        "metavar": "URI",
        "show_default": "a development key",
        "help": "ECDSA key that says which publication is the newest, and signs nothing else.",
    },
    "root": {
        "field": "roots",
        "type": click.Path(path_type=Path),
        "multiple": True,
        "metavar": "FILE",
        "show_default": "the development root",
        "help": "TUF root that names the keys of the site; repeatable, to publish the next.",
    },
    "passphrase-file": {
        "type": click.Path(path_type=Path),
        "metavar": "FILE",
        "show_default": "none",
        "help": "What opens a locked key file, in its first line; /dev/fd/N reads a descriptor.",
    },
    "trust": {
        "type": click.Path(path_type=Path),
        "multiple": True,
        "metavar": "FILE",
        "help": "A public key that may have signed what is published already; repeatable.",
    },
    "state": {
        "type": click.Path(path_type=Path),
        "metavar": "DIR",
        "show_default": "the user's",
        "help": "Where is remembered what was seen of sites.",
    },
    "allow-development": {
        "is_flag": True,
        "help": "Let a development key sign for a public site, and production keys a sample.",
    },
    "allow-expired": {
        "is_flag": True,
        "help": "Go on from a publication whose metadata has expired, if you know it as the last.",
    },
    "allow-http": {
        "is_flag": True,
        "help": "Let production keys sign for an address without TLS.",
    },
    "allow-unverified": {
        "multiple": True,
        "metavar": "NAME",
        "help": "Accept a component that nothing vouches for.",
    },
    "allow-changed": {
        "multiple": True,
        "metavar": "NAME",
        "help": "Accept other bytes of a component than are pinned or published for its version.",
    },
    "offline": {"is_flag": True, "help": "Resolve from the catalog alone."},
    "backend": {"type": click.Choice(get_args(Backend)), "help": "What builds packages."},
    "maintainer": {"metavar": "'NAME <ADDRESS>'", "help": "Who packages name."},
    "compression": {
        "type": click.Choice(get_args(PackageCompression)),
        "show_default": "small; fast with a development key",
        "help": "How hard packages are compressed.",
    },
    "flavour": {
        "type": click.Choice(get_args(Flavour)),
        "help": "hyperkube: separate programs behind a script, or one program compiled by Go.",
    },
    "zstd": {"is_flag": True, "help": "Give registries image layers by zstd too, after gzip."},
    "only": {"metavar": "GLOB", "help": "Build only these packages."},
    "jobs": {"type": int, "help": "How much to do at once."},
    "dry-run": {"is_flag": True, "help": "Say what would be written, and write nothing."},
    "now": {"type": int, "hidden": True, "help": "The publication clock, epoch seconds."},
}
"""Every option that becomes a setting, in the order of `--help`; `field` where the setting has
another name.
"""
