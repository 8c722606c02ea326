"""What the stages would do: the answer to `--dry-run`, for which nothing is written anywhere."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from pydantic import Field

from kubewright.cache import Cache
from kubewright.errors import RequestError, VerificationFailed
from kubewright.log import amount
from kubewright.models.answer import Answer, headed
from kubewright.models.base import Arch, Format, Header
from kubewright.models.lock import Check, Input, Release
from kubewright.models.mirror import host_path
from kubewright.models.site import Change
from kubewright.packagers import plan as packages
from kubewright.recipes import Recipes
from kubewright.settings import Settings
from kubewright.signing.roles import Keys
from kubewright.stages import fetch, known_inputs, origins, publish, resolve
from kubewright.stages.promote import belonging
from kubewright.stages.site import addressed
from kubewright.stages.trust import believed
from kubewright.upstream import Upstream
from kubewright.workspace import Workspace


class Plan(Answer):
    """What is still to be done for a release. Packages and images may turn out to be there already,
    unchanged.
    """

    header: Header = headed("plan")
    release: str = Field(description="such as v1.36.4-1")
    inputs: int = Field(description="how many files it is made from")
    cached_bytes: int = Field(description="size of those that the cache has")
    fetch: tuple[str, ...] = Field(description="addresses of those that it has not")
    fetch_bytes: int | None = Field(None, description="their size; absent where it is not known")
    compile: tuple[str, ...] = Field(description="programs that would be compiled")
    packages: tuple[str, ...] = Field(description="that would be built, unless there unchanged")
    skipped: tuple[str, ...] = Field(description="packages that cannot be built, and why")
    images: tuple[str, ...] = Field(description="that would be built, unless there unchanged")
    architectures: tuple[Arch, ...] = Field(description="for which")
    site: str = Field("", description="where `release` would publish; empty: nothing is published")
    url: str = Field("", description="the address of that site; empty: none")
    channels: tuple[str, ...] = Field((), description="that would have it")
    changes: tuple[Change, ...] | None = Field(
        None, description="of the site; absent while the release is not signed, so not known"
    )

    def fetching(self) -> Iterator[str]:
        """What `fetch` would do."""
        yield from (f"would fetch {url}" for url in self.fetch)
        yield from (f"would compile {name}" for name in self.compile)
        yield f"{self.release}: would {self._fetch()}"

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
        yield f"{self.release}: would {self.intent()}"
        if self.changes is None:
            yield f"{self.release}: not signed yet, so what would change on the site is not known"

    def intent(self) -> str:
        """What `release` is about to do, in a sentence."""
        architectures, at = ", ".join(self.architectures), f" as {self.url}" if self.url else ""
        return (
            f"{self._fetch()}; build {len(self.packages)} packages and {len(self.images)} images"
            f" for {architectures}, as far as they are not there; sign them; publish to"
            f" {', '.join(self.channels)} of {self.site}{at}"
        )

    def _fetch(self) -> str:
        made = f" and compile {len(self.compile)}" if self.compile else ""
        cached = self.inputs - len(self.fetch) - len(self.compile)
        there = f", {amount(self.cached_bytes)}" if cached else ""
        size = "size not known" if self.fetch_bytes is None else amount(self.fetch_bytes)
        return (
            f"fetch {len(self.fetch)} of {self.inputs} inputs"
            f"{f', {size}' if self.fetch else ''}{made} ({cached} in the cache{there})"
        )


def plan(
    workspace: Workspace,
    release: Release,
    directory: Path,
    recipes: Recipes,
    only: str = "*",
    upstream: Upstream | None = None,
) -> Plan:
    """What the stages up to `sign` would do for a release, with this cache directory; of files that
    are read from an `upstream` in a directory the sizes are known.
    """
    recipes.node_spec(release)  # refuses what can be resolved only
    release = fetch.remembered(workspace, release)
    cache = Cache(directory)
    lacking = [
        entry for entry in release.inputs if entry.sha256 is None or not cache.sound(entry.sha256)
    ]
    wanted = [entry for entry in lacking if entry.check is not Check.built]
    there = [entry for entry in release.inputs if entry not in lacking]
    everything = packages.plan(release, recipes.packages.values(), recipes.components)
    gaps = {package.id: package.gap(release) for package in packages.wanted(everything, only)}
    return Plan(
        release=release.name,
        inputs=len(release.inputs),
        cached_bytes=sum(map(cache.size, there)),
        fetch=tuple(entry.url for entry in wanted),
        fetch_bytes=_size(wanted, upstream),
        compile=tuple(entry.id for entry in lacking if entry.check is Check.built),
        packages=tuple(name for name, gap in gaps.items() if gap is None),
        skipped=tuple(f"{name}: {gap}" for name, gap in gaps.items() if gap),
        images=tuple(recipes.image_definition(release).images),
        architectures=release.architectures,
    )


def _size(wanted: Iterable[Input], upstream: Upstream | None) -> int | None:
    """How many bytes are to be fetched, where they lie in a directory; no server is asked."""
    total = 0
    for entry in wanted:
        base = upstream.base(entry.url) if upstream else None
        place = Path(base.at(host_path(entry.url))) if base and base.local else None
        if place is None or not place.is_file():
            return None
        total += place.stat().st_size
    return total


def planned(
    workspace: Workspace, release: Release, settings: Settings, recipes: Recipes, keys: Keys | None
) -> Plan:
    """What `release` would do, and where it would publish."""
    upstream = Upstream(settings.upstream, settings.upstream_for)
    work = plan(workspace, release, settings.cache, recipes, settings.only, upstream)
    return published(work, release, settings, keys)


def published(found: Plan, release: Release, settings: Settings, keys: Keys | None) -> Plan:
    """A plan with where the release would be published."""
    names: tuple[str, ...] = settings.channels
    if not names:
        reader = believed(settings, keys) if keys else None
        state = reader.present().state if reader else None
        there = reader.channels(state) if reader and state else {}
        names = belonging(release.name, release.kubernetes, there)
    said = {"site": settings.site, "url": settings.url, "channels": tuple(dict.fromkeys(names))}
    return found.model_copy(update=said)


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
    planned_work = planned(workspace, release, settings, recipes, own)
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
