"""site move: the site goes to another address and stays the same site."""

from kubewright.errors import RequestError
from kubewright.models.site import Change
from kubewright.recipes import Recipes
from kubewright.settings import Settings
from kubewright.signing.roles import Keys
from kubewright.site import channels
from kubewright.site.draft import Draft
from kubewright.stages.site import Special, edit


def move(settings: Settings, recipes: Recipes, keys: Keys) -> tuple[str, list[Change]]:
    """Publish every channel for the address of --url; the old address, and what was written.

    Raises RequestError for a site that is there already, or that has nothing.
    """
    address = settings.url.rstrip("/")
    before: list[str] = []

    def change(draft: Draft) -> None:
        state = draft.present.state
        if state is None:
            raise RequestError(settings.site, "nothing is published", "publish with this --url")
        known = [state.url, *(record.url for record in draft.channels.values())]
        before.append(next(filter(None, known), ""))
        if not address or set(known) == {address}:
            raise RequestError(
                f"--url {address}", "that is where the site is", "give its new address with --url"
            )
        draft.address = address
        for record in draft.channels.values():
            new = channels.renewed(record, now=settings.now, repo_key=keys.fingerprint)
            draft.put(new.model_copy(update={"url": address}), draft.contents(record))

    done = edit(settings, recipes, keys, change, may=Special.move)
    return before[-1], list(done.changes)
