"""The base of every model, and the small types that several of them share."""

import platform
import re
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, NamedTuple, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
)

from kubewright import kubernetes_versions
from kubewright.errors import RequestError, VerificationFailed
from kubewright.files import canonical_json

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""A SHA-256 digest in lowercase hexadecimal."""

Version = Annotated[str, StringConstraints(pattern=r"^[0-9][0-9A-Za-z.~+-]*$")]
"""An upstream version without a leading `v`. Always a string: 1.30 must never become 1.3."""

KubernetesVersion = Annotated[str, StringConstraints(pattern=rf"^{kubernetes_versions.VERSION}$")]
"""Kubernetes' own, without a leading `v`: a patch, or a pre-release of one."""

Minor = Annotated[str, StringConstraints(pattern=r"^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)$")]
"""A Kubernetes minor such as `1.36`."""


DAY = 86_400
"""Seconds."""


def _day(text: str) -> str:
    try:
        if date.fromisoformat(text).isoformat() == text:
            return text
    except ValueError as error:
        raise ValueError(f"{text!r} is not a date ({error}); write it like 2026-09-30") from error
    raise ValueError(f"{text!r} is not a date; write it like 2026-09-30")


Day = Annotated[str, AfterValidator(_day), Field(json_schema_extra={"format": "date"})]
"""A calendar day in UTC, `YYYY-MM-DD`."""


NAME: Final = r"[A-Za-z0-9_@+~=,][A-Za-z0-9_@+~=,.-]*"
"""A part of a path or URL that means itself wherever it is read: no colon, for it could begin with
a scheme; no percent sign, backslash, space or control character; no dot or hyphen first.
"""

PlainName = Annotated[str, StringConstraints(pattern=rf"^{NAME}$")]
"""A name that becomes a part of paths."""

ReleaseName = Annotated[str, StringConstraints(pattern=r"^v[0-9][0-9A-Za-z.+-]*-[0-9]+$")]
"""A release: `v1.36.4-1`."""


def plain_path(path: str) -> bool:
    """Whether each part of a path is a plain name."""
    return re.fullmatch(rf"{NAME}(/{NAME})*", path) is not None


RelativePath = Annotated[
    str,
    StringConstraints(pattern=rf"^{NAME}(/{NAME})*$"),
    WithJsonSchema({"format": "uri-reference", "type": "string"}),
]
"""A `/`-separated path of plain names below some root; as a URL it stays below its base."""

_ESCAPED: Final = rf"{NAME}(%(2[bB]|3[aA]|7[eE])[A-Za-z0-9_@+~=,.-]*)*"
MirrorPath = Annotated[str, StringConstraints(pattern=rf"^{_ESCAPED}(/{_ESCAPED})*$")]
"""The same in a mirror of Debian, as apt writes it: with plus, colon and tilde as escapes."""

PUBLIC_URL: Final = r"|https?://[A-Za-z0-9.:\[\]-]+(/[A-Za-z0-9._~@+,=%/-]*)?"
PublicUrl = Annotated[str, StringConstraints(pattern=rf"^({PUBLIC_URL})$")]
"""Where a site is for everybody, or nothing: without a query, and without what a shell or a page
takes for its own.
"""


def minor_order(minor: str) -> tuple[int, ...]:
    """What minors are sorted by: 1.9 is before 1.10."""
    return tuple(map(int, minor.split(".")))


class Processor(NamedTuple):
    """What others call an architecture, and what its programs say of themselves."""

    deb: str
    rpm: str
    elf: int
    big_endian: bool = False


_PROCESSORS = {
    "amd64": Processor("amd64", "x86_64", 62),
    "arm64": Processor("arm64", "aarch64", 183),
    "ppc64le": Processor("ppc64el", "ppc64le", 21),
    "s390x": Processor("s390x", "s390x", 22, big_endian=True),
}


class Arch(StrEnum):
    """A processor architecture, by its name in Go, at dl.k8s.io and in images."""

    amd64 = "amd64"
    arm64 = "arm64"
    ppc64le = "ppc64le"
    s390x = "s390x"

    @property
    def deb(self) -> str:
        """The same architecture as dpkg and apt call it."""
        return _PROCESSORS[self.value].deb

    @property
    def rpm(self) -> str:
        """The same architecture as rpm and the kernel (`uname -m`) call it."""
        return _PROCESSORS[self.value].rpm

    @property
    def elf(self) -> int:
        """ELF's number for the machine, `e_machine` (System V ABI)."""
        return _PROCESSORS[self.value].elf

    @property
    def big_endian(self) -> bool:
        """Whether its programs have the higher byte first."""
        return _PROCESSORS[self.value].big_endian

    @classmethod
    def usual(cls) -> tuple[Self, ...]:
        """Those that releases are made for unless others are asked for: every component's upstream
        has them.
        """
        return cls.amd64, cls.arm64

    @classmethod
    def own(cls) -> Self:
        """The one of this machine. Raises RequestError for a machine that nothing is built for."""
        machine = platform.machine()
        found = next((arch for arch in cls if machine in (arch, arch.rpm)), None)
        if found is None:
            raise RequestError(
                str(machine), "nothing is built for this machine", f"use one of {', '.join(cls)}"
            )
        return found


def deb_name(arch: str) -> str:
    """What dpkg calls an architecture of a document: one that this engine knows, `all`, or a later
    one.
    """
    return _PROCESSORS[arch].deb if arch in _PROCESSORS else arch


Flavour = Literal["dispatcher", "monolith"]
"""dispatcher: separate programs behind a script · monolith: one program that is all of them."""


PackageCompression = Literal["fast", "small"]
"""fast: as quick as dpkg-deb's own zstd, and no larger · small: takes its time."""


class Format(StrEnum):
    """A package format."""

    deb = "deb"
    rpm = "rpm"


def is_unsaid(value: object) -> bool:
    """Whether a field is left out that documents of before have not: so those keep their bytes."""
    return not value


class Model(BaseModel):
    """A frozen record; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def to_bytes(self) -> bytes:
        """This record as canonical JSON; absent optional values are left out."""
        return canonical_json(self.model_dump(mode="json", exclude_none=True, by_alias=True))

    def changed(self, **fields: object) -> Self:
        """The same record with these fields; itself where they are so already."""
        same = all(getattr(self, name) == value for name, value in fields.items())
        return self if same else self.model_copy(update=fields)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what `to_bytes` wrote. Raises pydantic's ValidationError (a ValueError) for anything
        else.
        """
        return cls.model_validate_json(data)

    @classmethod
    def read(cls, data: bytes, place: str) -> Self:
        """Read what was found at `place`. Raises VerificationFailed that names it and the key."""
        try:
            return cls.from_bytes(data)
        except ValidationError as error:
            key = ".".join(str(part) for part in error.errors()[0]["loc"])
            problem = f"damaged at {key}" if key else "not such a document, so damaged"
            raise VerificationFailed(
                place, problem, "get the file again, or restore it from a copy"
            ) from error


class Header(Model):
    """What a published JSON document is, first of all."""

    model_config = ConfigDict(extra="allow", frozen=True)

    type: str = Field(description="such as kubewright.manifest")
    version: str = Field("1", description="its format: a newer major version needs newer readers")


class Evidence(Model):
    """Where a fact was read."""

    source: str = Field(description="a key of the catalog's sources, or a URL")
    cited: str = Field("", description="what that key stands for; keys differ from file to file")
    note: str = Field("", description="what has to be said besides")


Json = dict[str, Any]
"""A decoded JSON object whose shape is not ours."""
