"""The store that the settings name: where a site is written."""

from pathlib import Path

from kubewright.errors import RequestError
from kubewright.settings import Settings
from kubewright.site.directory import DirectoryStore
from kubewright.site.store import Store


def store(settings: Settings) -> Store:
    """The store of the site that the settings name."""
    if "://" in settings.site:
        raise RequestError(
            f"--site {settings.site}", "only directories can be published to", "give a path"
        )
    return DirectoryStore(Path(settings.site))
