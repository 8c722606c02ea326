"""release: all stages in their order, from a request to a verified site."""

import logging
from functools import partial

from kubewright.errors import VerificationFailed
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
from kubewright.stages.site import keyring, published_keys, refuse_keys
from kubewright.stages.site_keys import settled, site_keyring
from kubewright.stages.store import store
from kubewright.stages.trust import believed
from kubewright.verification import Report
from kubewright.workspace import Workspace

log = logging.getLogger(__name__)


def release(
    request: str, settings: Settings, recipes: Recipes, keys: Keys
) -> tuple[Workspace, list[str], list[Change]]:
    """Run every stage; each does only what is not done yet."""
    origins.refuse_exposed(settings, keys)
    refuse_keys(settings, keys)
    workspace, lock = resolve.resolve(request, settings, recipes)
    origins.refuse(lock, settings, keys, recipes.components)
    known_inputs.compare_with_site(lock, settings, keys)
    fetch.fetch(workspace, settings, recipes)
    site = store(settings)
    there = keyring(settings, keys)
    keys, known = settled(keys, there), site_keyring(keys.certificates, there)
    package.package(workspace, settings, recipes, keys.repo, known)
    image.image(workspace, settings, recipes)
    listed = partial(listed_rpms, believed(settings, keys))
    sign.sign(workspace, settings, recipes, keys, reading(site), listed)
    channels, changes = publish.publish(workspace, settings, recipes, keys)
    if changes:
        checked = check(settings, keys).checked
        log.info("verified %s: %d checks, all sound", settings.site, checked)
    else:
        log.info(
            "%s: nothing changed; `kubewright verify %s` checks the site again",
            settings.site,
            settings.site,
        )
    return workspace, channels, changes


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
