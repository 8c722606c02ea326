"""What the stages would do: the answer to `--dry-run`, for which nothing is written anywhere."""

from collections.abc import Callable, Iterator
from pathlib import Path

from kubewright.cache import Cache
from kubewright.errors import RequestError, VerificationFailed
from kubewright.models.base import Arch, Format, Model
from kubewright.models.lock import Check, Input, Release
from kubewright.models.site import Change
from kubewright.packagers import plan as packages
from kubewright.recipes import Recipes
from kubewright.settings import Settings
from kubewright.signing.roles import Keys
from kubewright.stages import fetch, known_inputs, origins, publish, resolve
from kubewright.stages.site import addressed
from kubewright.workspace import Workspace


class Plan(Model):
    """What is still to be done for a release. Packages and images may turn out to be there already,
    unchanged.
    """

    release: str
    inputs: int
    fetch: tuple[str, ...]
    compile: tuple[str, ...]
    packages: tuple[str, ...]
    skipped: tuple[str, ...]
    images: tuple[str, ...]
    architectures: tuple[Arch, ...]
    channels: tuple[str, ...] = ()
    changes: tuple[Change, ...] | None = None
    """What would change on the site; None as long as that is not known: the release is not signed
    yet.
    """

    def fetching(self) -> Iterator[str]:
        """What `fetch` would do."""
        yield from (f"would fetch {url}" for url in self.fetch)
        yield from (f"would compile {name}" for name in self.compile)
        yield f"{self.release}: {self._fetch()}"

    def packaging(self) -> Iterator[str]:
        """What `package` would do."""
        yield from (f"would build {name}" for name in self.packages)
        yield from (f"would skip {text}" for text in self.skipped)
        yield (
            f"{self.release}: would build {len(self.packages)} packages, "
            "unless they are there unchanged"
        )

    def imaging(self) -> Iterator[str]:
        """What `image` would do."""
        yield from (
            f"would build the image {name} for {', '.join(self.architectures)}"
            for name in self.images
        )
        yield (
            f"{self.release}: would build {len(self.images)} images, "
            "unless they are there unchanged"
        )

    def signing(self) -> Iterator[str]:
        """What `sign` would do."""
        rpms = sum(name.startswith(f"{Format.rpm}/") for name in self.packages)
        yield (
            f"{self.release}: would sign {rpms} rpms, {len(self.images)} images and the manifest, "
            "unless that is done"
        )

    def everything(self) -> Iterator[str]:
        """What `release` would do before it publishes."""
        yield (
            f"{self.release}: {self._fetch()}, build {len(self.packages)} packages and "
            f"{len(self.images)} images, sign them and publish; what is there unchanged stays"
        )
        if self.changes is None:
            yield f"{self.release}: not signed yet, so what would change on the site is not known"

    def _fetch(self) -> str:
        made = f" and compile {len(self.compile)}" if self.compile else ""
        cached = self.inputs - len(self.fetch) - len(self.compile)
        return (
            f"would fetch {len(self.fetch)} of {self.inputs} inputs{made} ({cached} in the cache)"
        )


def plan(
    workspace: Workspace, release: Release, directory: Path, recipes: Recipes, only: str = "*"
) -> Plan:
    """What the stages up to `sign` would do for a release, with this cache directory."""
    recipes.node_spec(release)  # refuses what can be resolved only
    release = fetch.remembered(workspace, release)
    cache = Cache(directory)
    lacking = [
        entry for entry in release.inputs if entry.sha256 is None or not cache.sound(entry.sha256)
    ]
    everything = packages.plan(release, recipes.packages.values(), recipes.components)
    gaps = {package.id: package.gap(release) for package in packages.wanted(everything, only)}
    return Plan(
        release=release.name,
        inputs=len(release.inputs),
        fetch=tuple(_label(entry) for entry in lacking if entry.check is not Check.built),
        compile=tuple(_label(entry) for entry in lacking if entry.check is Check.built),
        packages=tuple(name for name, gap in gaps.items() if gap is None),
        skipped=tuple(f"{name}: {gap}" for name, gap in gaps.items() if gap),
        images=tuple(recipes.image_definition(release).images),
        architectures=release.architectures,
    )


def rehearse(
    request: str, settings: Settings, recipes: Recipes, keys: Callable[[], Keys | None]
) -> Plan:
    """What `release` would do; it refuses what that would refuse. `keys` gives None where a
    development key would have to be made first.
    """
    own = keys()
    if own is not None:
        settings = addressed(settings, own)
        origins.refuse_exposed(settings, own)
    workspace, release = resolve.resolve(request, settings, recipes)
    if own is not None:
        origins.refuse(release, settings, own, recipes.components)
        known_inputs.compare_with_site(release, settings, own)
    planned_work = plan(workspace, release, settings.cache, recipes, settings.only)
    signed = own is not None and _is_signed(workspace, release)
    if own is None or not signed or not _agrees(workspace, settings, own):
        return planned_work
    channels, changes = publish.publish(workspace, settings, recipes, own)
    return planned_work.model_copy(update={"channels": tuple(channels), "changes": tuple(changes)})


def _is_signed(workspace: Workspace, release: Release) -> bool:
    """Whether everything is there, whole, up to `sign`, of just this lock."""
    if not workspace.lock_path.is_file() or workspace.release() != release:
        return False
    try:
        for stage in ("package", "image", "sign"):
            workspace.sealed(stage)
    except (RequestError, VerificationFailed):  # something is to be made first, or again
        return False
    return True


def _agrees(workspace: Workspace, settings: Settings, keys: Keys) -> bool:
    """Whether all of it was made with these keys and options."""
    options = {
        "url": settings.url,
        "registry": settings.registry,
        "repo_key": keys.repo.fingerprint,
        "artifact_key": keys.artifact.key_id,
    }
    for stage in ("package", "image", "sign"):
        record = workspace.record(stage)
        made = record.options if record else {}
        if any(options.get(name, value) != value for name, value in made.items()):
            return False
    return True


def _label(entry: Input) -> str:
    return entry.id if entry.check is Check.built else entry.url
