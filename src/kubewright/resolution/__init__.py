"""Resolution: from a request to the component versions that fit together, each with its
evidence.
"""

from kubewright.resolution import upgrades
from kubewright.resolution.asked import asked, component
from kubewright.resolution.choose import Solution, choose, solve
from kubewright.resolution.explain import explain
from kubewright.resolution.facts import Facts
from kubewright.resolution.request import avoided, candidates, require_known
from kubewright.resolution.runtimes import runtimes
from kubewright.resolution.survey import survey

__all__ = [
    "Facts",
    "Solution",
    "asked",
    "avoided",
    "candidates",
    "choose",
    "component",
    "explain",
    "require_known",
    "runtimes",
    "solve",
    "survey",
    "upgrades",
]
