"""release: all stages in their order, from a request to a verified site."""

import logging
from collections.abc import Iterable, Sequence
from functools import partial

from kubewright.course import Course
from kubewright.errors import VerificationFailed
from kubewright.log import amount
from kubewright.models.artifact import Artifact
from kubewright.models.site import Change
from kubewright.recipes import Recipes
from kubewright.settings import Settings
from kubewright.signing.roles import Keys
from kubewright.stages import (
    fetch,
    image,
    known_inputs,
    origins,
    package,
    publish,
    resolve,
    sign,
    verify,
)
from kubewright.stages.carried import listed_rpms, reading
from kubewright.stages.dryrun import planned
from kubewright.stages.site import addressed, keyring, published_keys
from kubewright.stages.site_keys import settled, site_keyring
from kubewright.stages.store import refuse_unwritable, store
from kubewright.stages.trust import believed
from kubewright.verification import Report
from kubewright.workspace import Workspace

log = logging.getLogger(__name__)

STAGES = ("resolve", "fetch", "package", "image", "sign", "publish", "verify")
"""In their order."""


def release(
    request: str, settings: Settings, recipes: Recipes, keys: Keys
) -> tuple[Workspace, list[str], list[Change]]:
    """Run every stage; each does only what is not done yet."""
    refuse_unwritable(settings)
    settings = addressed(settings, keys)
    origins.refuse_exposed(settings, keys)
    course = Course(log, STAGES)
    with course.stage("resolve") as said:
        workspace, lock = resolve.resolve(request, settings, recipes)
        origins.refuse(lock, settings, keys, recipes.components)
        known_inputs.compare_with_site(lock, settings, keys)
        said.append(f"{lock.name} of {len(lock.components)} components")
    log.info("plan: %s", planned(workspace, lock, settings, recipes, keys).intent())
    with course.stage("fetch") as said:
        inputs = fetch.fetch(workspace, settings, recipes).inputs
        said.append(f"{len(inputs)} inputs")
    site = store(settings)
    there = keyring(settings, keys)
    keys, known = settled(keys, there), site_keyring(keys.certificates, there)
    with course.stage("package") as said:
        built = package.package(workspace, settings, recipes, keys.repo, known)
        said.append(f"{len(built.packages)} packages, {_size(built.packages)}")
    with course.stage("image") as said:
        archives, images = image.image(workspace, settings, recipes)
        said.append(f"{len(images.images)} images, {_size(archives.artifacts)}")
    with course.stage("sign"):
        listed = partial(listed_rpms, believed(settings, keys))
        sign.sign(workspace, settings, recipes, keys, reading(site), listed)
    with course.stage("publish") as said:
        channels, changes = publish.publish(workspace, settings, recipes, keys)
        said.append(_published(changes))
    if changes:
        with course.stage("verify") as said:
            said.append(f"{check(settings, keys).checked} checks, all sound")
    else:
        log.info("nothing changed; `kubewright verify %s` checks the site again", settings.site)
    _sum_up(course, settings, published=bool(changes))
    return workspace, channels, changes


def _sum_up(course: Course, settings: Settings, *, published: bool) -> None:
    """What each stage took and made, and what comes next."""
    for line in course.summary():
        log.info("%s", line)
    if published:
        log.info("next: let any web server serve %s%s", settings.site, _at(settings))


def _at(settings: Settings) -> str:
    """Where a site is to be served, and what checks it there."""
    if not settings.url:
        return ", and check it where it is: `kubewright verify URL --key FILE`"
    return f" at {settings.url}, and check it there: `kubewright verify {settings.url} --key FILE`"


def _published(changes: Sequence[Change]) -> str:
    """What a publication wrote."""
    written = sum(change.size for change in changes if change.action != "link")
    return f"{len(changes)} objects, {amount(written)}" if changes else "nothing new"


def _size(made: Iterable[Artifact]) -> str:
    return amount(sum(one.size for one in made))


def check(settings: Settings, keys: Keys) -> Report:
    """Verify the site just published on, believing none but its publisher's keys and those that
    the publisher has published there. Raises VerificationFailed with the first finding.
    """
    report = verify.verify(
        settings.site,
        published_keys(settings, keys),
        now=settings.now,
        s3_endpoint=settings.s3_endpoint,
    )
    if report.findings:
        first = report.findings[0]
        raise VerificationFailed(
            f"{settings.site}/{first.place}",
            f"{first.problem} ({len(report.findings)} of {report.checked} checks failed)",
            "run `kubewright verify` for all of them, and `kubewright repair` to restore what is "
            "damaged",
        )
    return report
