"""What packages and images are made of beside inputs, as one digest that the lock names."""

from kubewright.models.lock import Release
from kubewright.recipes import Recipes
from kubewright.workspace import fingerprint, folder_digests


def content_digest(release: Release, recipes: Recipes) -> str:
    """The SHA-256 over the recipes and content files that decide a release's packages and images.

    Module locks of other Kubernetes versions do not count, nor which versions components have:
    what was chosen of those stands in the lock itself.
    """
    own_lock = f"hyperkube/locks/{release.tag}/"
    images = {
        path: digest
        for path, digest in folder_digests(recipes.images).items()
        if not path.startswith("hyperkube/locks/") or path.startswith(own_lock)
    }
    upstreams = recipes.components.components
    return fingerprint(
        folder_digests(recipes.folder, ("packages/*.toml", "node-spec.toml")),
        recipes.components.packaging.model_dump(mode="json"),
        {name: one.packaged for name, one in upstreams.items()},
        folder_digests(recipes.packaging),
        folder_digests(recipes.repo, ("templates/kubewright.*",)),
        images,
    )
