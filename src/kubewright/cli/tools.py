"""The verbs beside the pipeline: mirror, key, quickstart."""

from pathlib import Path

import click

from kubewright.cli.hyperkube import source
from kubewright.cli.option_table import OPTIONS
from kubewright.cli.options import KEYS, PUBLICATION, say, shared, show_json
from kubewright.cli.resolve_options import resolve_options
from kubewright.cli.roots import root
from kubewright.cli.tool_answers import (
    Certified,
    KeyFiles,
    KeyRevoked,
    KeyRotated,
    KeysChecked,
    KeysShown,
)
from kubewright.errors import VerificationFailed
from kubewright.files import sha256
from kubewright.mirror import KUBERNETES
from kubewright.models.base import Arch
from kubewright.moments import day
from kubewright.settings import Settings


@click.group()
def mirror() -> None:
    """Make an upstream mirror directory, for --upstream."""


@mirror.command()
@click.argument("directory", type=click.Path(path_type=Path), metavar="DIR")
@click.option(
    "--kubernetes",
    multiple=True,
    default=KUBERNETES,
    metavar="VERSION",
    help="A version to have; repeatable.",
)
@click.option(
    "--busybox",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A static busybox for amd64, so that the sample's hyperkube image can dispatch.",
)
@shared()
def sample(
    settings: Settings,
    as_json: bool,
    directory: Path,
    kubernetes: tuple[str, ...],
    busybox: Path | None,
) -> None:
    """Small placeholder programs in the exact layout of the real upstreams; takes seconds."""
    from kubewright.cli.shipped import shipped
    from kubewright.stages import sample as sampling

    summary = sampling.sample(
        directory, shipped(), kubernetes, busybox={Arch.amd64: busybox} if busybox else None
    )
    if as_json:
        show_json(summary)
        return
    click.echo(
        f"{directory}: {summary.files} files, {summary.written} written; "
        f"use it with --upstream {directory}"
    )


@mirror.command()
@click.argument("request_", metavar="REQUEST")
@click.argument("directory", type=click.Path(path_type=Path), metavar="DIR")
@shared(
    "upstream", "upstream-for", "offline", "arch", "allow-unverified", "cache", "jobs", "now",
    "dry-run",
)  # fmt: skip
@resolve_options
def download(settings: Settings, as_json: bool, request_: str, directory: Path) -> None:
    """Copies of all that a release is made of, from the real upstreams or those of --upstream:
    `release` needs no network with --upstream DIR. REQUEST is what `resolve` takes.

    With --dry-run the addresses alone, with --offline too all that may exist.
    """
    from kubewright.cli.shipped import shipped
    from kubewright.stages import download as downloading

    found = downloading.download(request_, directory, settings, shipped())
    if as_json:
        show_json(found)
        return
    if settings.dry_run:
        for address in found.addresses:
            click.echo(address.url)
        return
    click.echo(
        f"{directory}: v{found.kubernetes}: {found.files} files, {found.written} written; "
        f"use it with --upstream {directory}"
    )


@click.group()
def key() -> None:
    """Make and show signing keys."""


@key.command()
@click.argument("directory", type=click.Path(path_type=Path), metavar="DIR")
@click.option(
    "--name",
    default="Kubewright",
    help="The user id of the OpenPGP key, e.g. 'Example <keys@example.org>'.",
)
@click.option(
    "--expires",
    type=int,
    metavar="DAYS",
    show_default="never",
    help="When the OpenPGP keys expire; dnf and rpm never learn that a key was extended.",
)
@shared("now")
def init(
    settings: Settings, as_json: bool, directory: Path, name: str, expires: int | None
) -> None:
    """Make a repository key, the one that comes after it, an artifact key, a freshness key, and the
    root that names the last two, in DIR.
    """
    from kubewright.stages.keys import init as make_keys

    paths = make_keys(directory, name, settings, expires_days=expires)
    if as_json:
        show_json(KeyFiles(**{field: str(path) for field, path in vars(paths).items()}))
        return
    click.echo(
        "the secret files have no passphrase: keep them safe, and a copy elsewhere", err=True
    )
    click.echo(f"keep {paths.next_secret} off this machine until its turn comes", err=True)
    click.echo(f"keep {paths.root_secret} off it too: it signs who may sign", err=True)
    click.echo(
        f"--repo-key file:{paths.repo_secret} --artifact-key file:{paths.artifact_secret}"
        f" --next-repo-key file:{paths.next_public} --freshness-key file:{paths.freshness_secret}"
        f" --root {paths.root}"
    )


@key.command()
@shared(*KEYS, "dry-run")
def show(settings: Settings, as_json: bool) -> None:
    """Show the keys that the options name: fingerprints, and whether they are development keys."""
    from kubewright.stages.keys import keys

    own = keys(settings)
    shown = KeysShown(
        openpgp=own.fingerprint,
        user_id=own.repo.user_id,
        expires=own.repo.expires,
        ecdsa=own.artifact.key_id,
        freshness=own.freshness.key_id if own.freshness else None,
        root=sha256(own.root) if own.root else None,
        development=own.development,
    )
    if as_json:
        show_json(shown)
        return
    words = {
        "openpgp": shown.openpgp,
        "user_id": shown.user_id,
        "expires": "never" if shown.expires is None else day(shown.expires),
        "ecdsa": shown.ecdsa,
        "freshness": shown.freshness or "none",
        "root": shown.root or "none",
        "development": "yes" if shown.development else "no",
    }
    for label, value in words.items():
        click.echo(f"{label:12} {value}")


@key.command()
@click.argument("uri", metavar="URI")
@click.argument("path", type=click.Path(path_type=Path), metavar="FILE")
@click.option(
    "--name", default="Kubewright", help="The user id, e.g. 'Example <keys@example.org>'."
)
@shared("passphrase-file", "now")
def certify(settings: Settings, as_json: bool, uri: str, path: Path, name: str) -> None:
    """Write the OpenPGP certificate of an RSA key in a token or a service (hsm:, awskms:)."""
    from kubewright.stages.keys import certify as write

    fingerprint = write(uri, path, name, settings)
    if as_json:
        show_json(Certified(fingerprint=fingerprint, certificate=str(path)))
        return
    click.echo(f"{path}: {fingerprint}")
    click.echo(f"--repo-key '{uri}?certificate={path}'")


@key.command()
@click.option("--at", metavar="DATE", help="The day to ask about: 2027-05-31; default: today.")
@shared(*KEYS)
def check(settings: Settings, as_json: bool, at: str | None) -> None:
    """Fail if a key that the options name cannot sign on a day: ask for one ahead of time."""
    from kubewright.stages.keys import expired

    when, found = expired(settings, at)
    if as_json:
        show_json(KeysChecked(at=day(when), expired=tuple(found)))
    for line in found if not as_json else []:
        click.echo(line)
    if found:
        raise VerificationFailed(
            f"--at {day(when)}", f"{len(found)} keys cannot sign then", "rotate them (docs/keys.md)"
        )
    if not as_json:
        click.echo(f"every key can sign on {day(when)}")


@key.command()
@click.argument("step", type=click.Choice(["announce", "overlap", "switch", "retire"]))
@shared(*PUBLICATION)
def rotate(settings: Settings, as_json: bool, step: str) -> None:
    """Take one step from a repository key to the next, so that no client notices.

    announce: hand out --next-repo-key. overlap: --second-repo-key, the new one, signs too.
    switch: --repo-key is the new one, --second-repo-key the old one. retire: the new one alone.
    """
    from kubewright.cli.shipped import shipped
    from kubewright.stages.keys import keys
    from kubewright.stages.rotation import Step
    from kubewright.stages.rotation import rotate as take

    changes = take(Step(step), settings, shipped(), keys(settings))
    if as_json:
        show_json(KeyRotated(step=step, dry_run=settings.dry_run, changes=tuple(changes)))
        return
    would = "would be written" if settings.dry_run else "written"
    click.echo(f"{settings.site}: {step}: {len(changes)} objects {would}")


@key.command()
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE")
@shared(*PUBLICATION)
def revoke(settings: Settings, as_json: bool, path: Path) -> None:
    """End the key in FILE, which somebody else may have: it is handed out no more, everything that
    is served is signed by the key that follows, and yum repositories list no rpm that it signed.

    FILE is the secret key's, from which a revocation is made, or its certificate; of an artifact
    key the public one. A key that was not announced follows with --trust FILE.
    """
    from kubewright.cli.shipped import shipped
    from kubewright.stages.keys import keys
    from kubewright.stages.revocation import revoke as end

    done = end(path, settings, shipped(), keys(settings))
    if as_json:
        show_json(
            KeyRevoked(
                key=done.key.id,
                kind=done.key.kind,
                withheld=done.withheld,
                releases=done.affected,
                dry_run=settings.dry_run,
                changes=done.changes,
            )
        )
        return
    would = "would be written" if settings.dry_run else "written"
    say(f"{settings.site}: {done.key.id} revoked: {len(done.changes)} objects {would}")
    for name in done.affected:
        say(f"  {name} has rpms that this key signed; yum repositories list them no more: publish")
        say("  it again with the next --revision and --raise-companions 1 (docs/keys.md)")


@click.command()
@click.option(
    "--keep",
    type=click.Path(path_type=Path),
    default=Path(".kubewright/quickstart"),
    help="Where to leave what is made.",
)
@shared(
    *(set(OPTIONS) - {"upstream", "upstream-for", "dist", "site", "url", "dry-run"}), to_json=False
)
def quickstart(settings: Settings, keep: Path) -> None:
    """Try all of it on this machine: sample upstream, development key, local site, real apt and
    dnf.
    """
    from kubewright.cli.shipped import shipped
    from kubewright.stages.keys import keys
    from kubewright.stages.quickstart import quickstart as start

    for line in start(keep, settings, shipped(), keys(settings)):
        click.echo(line)


mirror.add_command(source)
key.add_command(root)
