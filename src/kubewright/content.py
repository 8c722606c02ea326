"""Where the content folders (recipes/, packaging/, images/, repo/, docs/) are: in a checkout or
inside the wheel.
"""

from pathlib import Path

from kubewright.errors import RequestError

FOLDERS = ("recipes", "packaging", "images", "repo", "docs")


def root() -> Path:
    """The folder that holds the content folders.

    A checkout's own folders win over the wheel's, so that an edited recipe is what is built.
    """
    here = Path(__file__).resolve().parent
    for candidate in (here.parent.parent, here / "content"):
        if all((candidate / folder).is_dir() for folder in FOLDERS):
            return candidate
    raise RequestError(
        str(here), "no recipes/ beside it", "install the wheel again or use a complete checkout"
    )
