"""Resolution: from a request to the component versions that fit together, each with its
evidence.
"""

from kubewright.resolution import upgrades
from kubewright.resolution.choose import Solution, choose, solve
from kubewright.resolution.explain import explain
from kubewright.resolution.options import component, read_options
from kubewright.resolution.pin_inputs import pin_inputs
from kubewright.resolution.request import avoided, candidates, require_known
from kubewright.resolution.runtimes import runtimes
from kubewright.resolution.statements import Facts

__all__ = [
    "Facts",
    "Solution",
    "avoided",
    "candidates",
    "choose",
    "component",
    "explain",
    "pin_inputs",
    "read_options",
    "require_known",
    "runtimes",
    "solve",
    "upgrades",
]
