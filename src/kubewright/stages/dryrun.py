"""What the stages would do: the answer to `--dry-run`, for which nothing is written anywhere."""

from collections.abc import Callable, Iterator
from pathlib import Path

from kubewright import recipes
from kubewright.cache import Cache
from kubewright.errors import RequestError, VerificationFailed
from kubewright.models.base import Arch, Format, Model
from kubewright.models.lock import Check, Input, Release
from kubewright.models.site import Change
from kubewright.settings import Settings
from kubewright.signing.roles import Keys
from kubewright.stages import image, package, publish, resolve, sign
from kubewright.stages.site import store
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
        yield f"{self.release}: would build {len(self.packages)} packages, unless they are there unchanged"

    def imaging(self) -> Iterator[str]:
        """What `image` would do."""
        yield from (
            f"would build the image {name} for {', '.join(self.architectures)}"
            for name in self.images
        )
        yield f"{self.release}: would build {len(self.images)} images, unless they are there unchanged"

    def signing(self) -> Iterator[str]:
        """What `sign` would do."""
        rpms = sum(name.endswith(f".{Format.rpm}") for name in self.packages)
        yield f"{self.release}: would sign {rpms} rpms, {len(self.images)} images and the manifest, unless that is done"

    def everything(self) -> Iterator[str]:
        """What `release` would do before it publishes."""
        yield (
            f"{self.release}: {self._fetch()}, build {len(self.packages)} packages and {len(self.images)} images, "
            "sign them and publish; what is there unchanged stays"
        )
        if self.changes is None:
            yield f"{self.release}: not signed yet, so what would change on the site is not known"

    def _fetch(self) -> str:
        made = f" and compile {len(self.compile)}" if self.compile else ""
        cached = self.inputs - len(self.fetch) - len(self.compile)
        return (
            f"would fetch {len(self.fetch)} of {self.inputs} inputs{made} ({cached} in the cache)"
        )


def plan(release: Release, directory: Path, only: str = "*") -> Plan:
    """What the stages up to `sign` would do for a release, with this cache directory."""
    recipes.node_spec(release)  # refuses what can be resolved only
    cache = Cache(directory)
    lacking = [
        entry for entry in release.inputs if entry.sha256 is None or not cache.sound(entry.sha256)
    ]
    builds = {
        build.id: _gap(build, release) for build in package.wanted(package.plan(release), only)
    }
    return Plan(
        release=release.name,
        inputs=len(release.inputs),
        fetch=tuple(_label(entry) for entry in lacking if entry.check is not Check.built),
        compile=tuple(_label(entry) for entry in lacking if entry.check is Check.built),
        packages=tuple(name for name, gap in builds.items() if gap is None),
        skipped=tuple(f"{name}: {gap}" for name, gap in builds.items() if gap),
        images=tuple(image.definition(release).images),
        architectures=release.architectures,
    )


def rehearse(request: str, settings: Settings, keys: Callable[[], Keys | None]) -> Plan:
    """What `release` would do. `keys` gives None where a development key would have to be made
    first.
    """
    workspace, release = resolve.resolve(request, settings)
    found = plan(release, settings.cache, settings.only)
    own = keys() if _is_signed(workspace, release) else None
    if own is None or not _by(own, workspace, settings):
        return found
    channels, changes = publish.publish(workspace, settings, own)
    return found.model_copy(update={"channels": tuple(channels), "changes": tuple(changes)})


def _is_signed(workspace: Workspace, release: Release) -> bool:
    return workspace.record("sign") is not None and workspace.release() == release


def _by(keys: Keys, workspace: Workspace, settings: Settings) -> bool:
    """Whether just these keys have signed just what the earlier stages made."""
    try:
        mark = sign.order(workspace, settings, keys, store(settings)).mark
    except (RequestError, VerificationFailed):  # something is to be made first, or again
        return False
    return workspace.done("sign", mark) is not None


def _label(entry: Input) -> str:
    return entry.id if entry.check is Check.built else entry.url


def _gap(build: package.Build, release: Release) -> str | None:
    """Why a package would be skipped: the first of its inputs that the upstream does not have."""
    arch = build.arch if isinstance(build.arch, Arch) else release.architectures[0]
    wanted = (
        entry.input for entry in build.recipe.contents if entry.belongs(build.format, release.minor)
    )
    gaps = (release.missing(one.component, one.name, arch) for one in wanted if one is not None)
    return next((gap for gap in gaps if gap is not None), None)
