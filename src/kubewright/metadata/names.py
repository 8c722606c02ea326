"""Where the files of the four roles lie on a site."""

from typing import Final

FOLDER: Final = "tuf/"
"""All of them."""

TIMESTAMP: Final = f"{FOLDER}timestamp.json"
"""The site's one pointer."""


def role_path(role: str, version: int) -> str:
    """A version of a role, which never changes."""
    return f"{FOLDER}{version}.{role}.json"
