"""Where this program keeps what is its user's own: caches, and what it remembers (XDG)."""

import os
from pathlib import Path


def cache_directory() -> Path:
    """The user's cache directory for this program (XDG)."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "kubewright"


def state_directory() -> Path:
    """Where this program remembers what it has seen (XDG)."""
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local/state") / "kubewright"
