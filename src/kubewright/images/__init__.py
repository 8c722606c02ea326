"""Container images without a daemon: built, checked, loaded into an engine and pushed to a
registry.
"""

from kubewright.images.build import build
from kubewright.images.check import check_layout
from kubewright.images.debs import fetch_packages
from kubewright.images.engine import load, offered
from kubewright.images.layer_entries import ImageInputs
from kubewright.images.registry import Attachment, PushReport, confirm, prefix, push

__all__ = [
    "Attachment",
    "ImageInputs",
    "PushReport",
    "build",
    "check_layout",
    "confirm",
    "fetch_packages",
    "load",
    "offered",
    "prefix",
    "push",
]
