"""Resolution: from a request to the component versions that fit together, each with its evidence."""

from kubewright.resolution.choose import choose
from kubewright.resolution.request import resolve_request
from kubewright.resolution.runtimes import runtimes
from kubewright.resolution.survey import survey

__all__ = ["choose", "resolve_request", "runtimes", "survey"]
