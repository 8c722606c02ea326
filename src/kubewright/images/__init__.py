"""Container images without a daemon: built, checked, and loaded into an engine."""

from kubewright.images.build import build, load_definition
from kubewright.images.check import check_layout
from kubewright.images.engine import load

__all__ = ["build", "check_layout", "load", "load_definition"]
