"""The recipes that every verb works with: made here, once a process, and handed on from here."""

from functools import cache

from kubewright import content
from kubewright.recipes import Recipes


@cache
def shipped() -> Recipes:
    """The recipes of this checkout, or those in the wheel. Raises as `content.root` does."""
    return Recipes(content.root())
