"""catalog: what the recipes state, checked against itself and against an upstream."""

from kubewright.recipes import Recipes
from kubewright.resolution.lint import Contradiction, contradictions
from kubewright.resolution.updates import Update, updates
from kubewright.settings import Settings


def check(recipes: Recipes) -> tuple[Contradiction, ...]:
    """Every contradiction in the catalog. Raises RequestError for a file that is wrong in
    itself, and for package recipes that do not fit the others.
    """
    recipes.check_packages()
    return tuple(
        contradictions(recipes.catalog, recipes.components, recipes.relations, recipes.skew)
    )


def size(recipes: Recipes) -> dict[str, int]:
    """How much is stated: minors, patches, statements about components, known versions,
    relations.
    """
    catalog, components = recipes.catalog.values(), recipes.components.components.values()
    statements = 0
    for facts in catalog:
        for key, group in facts.groups():
            statements += len(group) if key.startswith("components.") else 0
    return {
        "minors": len(catalog),
        "patches": sum(len(facts.patches) for facts in catalog),
        "statements": statements,
        "known versions": sum(len(component.known) for component in components),
        "relations": len(recipes.relations.relations),
    }


def diff(settings: Settings, recipes: Recipes) -> tuple[Update, ...]:
    """What the settings' upstream has and the recipes lack."""
    from kubewright.stages.upstreams import opened

    return updates(
        recipes.catalog, recipes.components, opened(settings, recipes), jobs=settings.jobs
    )
