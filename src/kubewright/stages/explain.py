"""explain: why a release has this version of a component."""

from kubewright import recipes, resolution
from kubewright.moments import day
from kubewright.resolution.explain import Explanation
from kubewright.settings import Settings
from kubewright.stages.resolve import facts, solution
from kubewright.upstream import Upstream


def explanation(name: str, request: str, settings: Settings) -> Explanation:
    """Why a request gives this version of a component; nothing is written."""
    name = resolution.component(name, recipes.components())
    upstream = None if settings.offline else Upstream(settings.upstream)
    found = solution(request, settings, upstream)
    return resolution.explain(name, found, facts(), settings.asked, today=day(settings.now))
