"""What the verbs of releases and sites print with `--json`, put together from what stages did."""

from collections.abc import Mapping

from pydantic import Field

from kubewright.models.answer import Answer, headed
from kubewright.models.artifact import Record
from kubewright.models.base import Header, Model, PublicUrl, ReleaseName, Sha256
from kubewright.models.lock import Input, Release
from kubewright.models.report import Report
from kubewright.models.site import Change, Channel, Renewal
from kubewright.models.upgrades import Hop

DRY_RUN = Field(description="whether nothing was written, and this is what would be")


class Failed(Model):
    """Why a verb did not do its work."""

    place: str = Field(description="a file and key, an option, an address; may be empty")
    problem: str = Field(description="what is wrong there, in words")
    remedy: str = Field(description="what to do, in words; may be empty")
    exit_code: int = Field(description="the one that the command ends with")


class Error(Answer):
    """What is printed in place of an answer, by every verb that fails before it has one."""

    header: Header = headed("error")
    error: Failed = Field(description="what went wrong")


class Resolved(Release, Answer):
    """The lock: what a release consists of and why, as `dist/NAME/release.json` has it."""

    path: tuple[Hop, ...] | None = Field(
        None, description="with --from: the way to it, hop by hop; none: it is there already"
    )


class Inputs(Answer):
    """The files that a release is made from, each fetched and checked."""

    header: Header = headed("inputs")
    release: ReleaseName = Field(description="such as v1.36.4-1")
    inputs: tuple[Input, ...] = Field(description="in the order of the lock")


class Made(Record, Answer):
    """What a stage made, as `dist/NAME/STAGE.json` has it, and what was done with images."""

    header: Header = headed("record")
    copied: tuple[str, ...] | None = Field(None, description="with --archive: the file")
    loaded: tuple[str, ...] | None = Field(None, description="with --load: images of the engine")
    pushed: tuple[str, ...] | None = Field(None, description="with --push: images of the registry")


class Loaded(Answer):
    """Images that were loaded from a file."""

    header: Header = headed("loaded")
    loaded: tuple[str, ...] = Field(description="references, as the engine has them")


class Written(Answer):
    """What was written on a site."""

    dry_run: bool = DRY_RUN
    changes: tuple[Change, ...] = Field(description="objects, in the order of writing")


class Published(Written):
    """What a publication of a release changed on the site."""

    header: Header = headed("publication")
    release: ReleaseName = Field(description="such as v1.36.4-1")
    channels: tuple[str, ...] = Field(description="that have it")


class History(Answer):
    """The publications of a channel, newest first, or the present one of each channel."""

    header: Header = headed("history")
    channel: str | None = Field(None, description="the one asked about; absent: all of the site")
    publications: tuple[Channel, ...] = Field(description="records of channels")


class RolledBack(Written):
    """A channel that has gone back."""

    header: Header = headed("rollback")
    record: Channel = Field(description="what the channel is")
    offered: Mapping[str, str] = Field(
        description="other channels that still offer what this one went back from, with its name"
    )


class Refreshed(Written):
    """What was renewed on a site."""

    header: Header = headed("refresh")
    renewed: tuple[Renewal, ...] = Field(description="channels that were signed again")
    finished: int | None = Field(
        None, description="the number of a publication that was cut short and is finished"
    )


class Repaired(Report, Written):
    """What was restored on a site, and what verifying it found afterwards."""

    header: Header = headed("repair")


class Withdrawn(Written):
    """A release that no channel offers any more."""

    header: Header = headed("withdrawal")
    release: ReleaseName = Field(description="such as v1.36.4-1")
    offered: Mapping[str, str] = Field(
        description="what each channel that had it offers instead; empty: nothing"
    )


class Pruned(Answer):
    """What a site has forgotten."""

    header: Header = headed("pruning")
    forgotten: int = Field(description="how many publications")
    dropped: tuple[str, ...] = Field(description="releases that the index has no more")
    removed: tuple[str, ...] = Field(description="paths of objects")
    suspects: int = Field(description="objects that nothing names, which go later if it stays so")
    dry_run: bool = DRY_RUN


class SiteMoved(Written):
    """A site that has another address."""

    header: Header = headed("move")
    before: PublicUrl = Field(
        serialization_alias="from", description="where it was; empty: nowhere"
    )
    to: PublicUrl = Field(description="the address that it has")


class Synced(Written):
    """A copy of a site."""

    header: Header = headed("copy")
    origin: str = Field(
        serialization_alias="from", description="directory, bucket or address, without passwords"
    )
    to: str = Field(description="directory or bucket")
    publication: int = Field(description="the number of the one that was copied")
    url: PublicUrl = Field(description="the address that the site says of itself; empty: none")
    objects: int = Field(description="that were copied")
    bytes: int = Field(description="that were copied")
    removed: tuple[str, ...] = Field(description="paths of objects that the copy has no more")
    warnings: tuple[str, ...] = Field(description="of the verification")


class Bundled(Answer):
    """A bundle that was written."""

    header: Header = headed("bundle-made")
    file: str = Field(description="where it is")
    site: str = Field(description="the id of the site")
    publication: int = Field(description="the number of the publication that is in it")
    releases: tuple[ReleaseName, ...] = Field(description="that are in it")
    systems: tuple[str, ...] = Field(description="distributions whose packages are in it")
    files: int = Field(description="that are in it")
    bytes: int = Field(description="its size")
    sha256: Sha256 | None = Field(None, description="of the bundle; absent: none was written")
    left_out: int = Field(description="files that --since has already")
    warnings: tuple[str, ...] = Field(description="of the verification")
    dry_run: bool = DRY_RUN


class BundleLoaded(Written):
    """A bundle that is merged into a site."""

    header: Header = headed("bundle-loaded")
    bundle: str = Field(description="the file or directory")
    site: str = Field(description="directory or bucket")
    releases: tuple[ReleaseName, ...] = Field(description="that the bundle brought")
    publication: int = Field(description="the number of the one that the site has")
    objects: int = Field(description="that were written")
    bytes: int = Field(description="that were written")
    images: tuple[str, ...] = Field(description="that were pushed")
    removed: tuple[str, ...] = Field(description="paths of objects that the site has no more")
    warnings: tuple[str, ...] = Field(description="of the verification")
