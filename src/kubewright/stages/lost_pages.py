"""Pages of a site that are lost and cannot be made again as they were: they are published anew."""

from kubewright import files
from kubewright.models.site import Change
from kubewright.recipes import Recipes
from kubewright.settings import Settings
from kubewright.signing.roles import Keys
from kubewright.site import layout
from kubewright.site.draft import Draft
from kubewright.stages.site import edit
from kubewright.stages.store import store


def publish_anew(settings: Settings, recipes: Recipes, keys: Keys) -> tuple[Change, ...]:
    """Publish the pages anew that are not there as the state names them, if there are any.

    What they show follows from documents, but another version shows it otherwise.
    """
    site = store(settings)

    def change(draft: Draft) -> None:
        state = draft.present.state
        lost = set[str]()
        for path, digest in (state.files if state else {}).items():
            if layout.is_page(path):
                stored = site.get(path)
                if stored is None or files.sha256(stored.data) != digest:
                    lost.add(path)
        draft.remade = frozenset(lost)

    return edit(settings, recipes, keys, change).changes
