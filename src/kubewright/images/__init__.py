"""Container images without a daemon: built, checked, loaded into an engine and pushed to a
registry.
"""

from kubewright.images.build import build, load_definition
from kubewright.images.check import check_layout
from kubewright.images.debs import bring
from kubewright.images.engine import load
from kubewright.images.registry import Extra, PushReport, prefix, push
from kubewright.images.sources import Supply

__all__ = [
    "Extra",
    "PushReport",
    "Supply",
    "bring",
    "build",
    "check_layout",
    "load",
    "load_definition",
    "prefix",
    "push",
]
