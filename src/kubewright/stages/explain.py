"""explain: why a release has this version of a component."""

from kubewright import resolution
from kubewright.moments import day
from kubewright.recipes import Recipes
from kubewright.resolution.explain import Explanation
from kubewright.settings import Settings
from kubewright.stages.resolve import facts, solution
from kubewright.stages.upstreams import opened


def explanation(name: str, request: str, settings: Settings, recipes: Recipes) -> Explanation:
    """Why a request gives this version of a component; nothing is written."""
    name = resolution.component(name, recipes.components)
    upstream = None if settings.offline else opened(settings, recipes)
    found = solution(request, settings, recipes, upstream)
    stated, today = facts(recipes), day(settings.now)
    return resolution.explain(name, found, stated, settings.asked, today=today)
