"""Asks an upstream which inputs of a release it has, and what their digests are."""

import logging
import re
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from kubewright import keyless
from kubewright.errors import VerificationFailed
from kubewright.log import redacted
from kubewright.models.base import Arch
from kubewright.models.components import Components, InputSource
from kubewright.models.lock import Check, Component, Input, Unavailable
from kubewright.models.mirror import sums
from kubewright.resolution import absent
from kubewright.resolution.absent import has_own_bytes

if TYPE_CHECKING:
    from kubewright.upstream import Upstream

log = logging.getLogger(__name__)

_DIGEST = re.compile(r"^[0-9a-fA-F]{64}\Z")


class Unvouched(VerificationFailed):
    """Nothing says what the digest of an input is."""


def inputs(
    chosen: Sequence[Component], components: Components, architectures: Sequence[Arch],
    lacking: Collection[str] = (),
) -> tuple[tuple[Input, ...], tuple[Unavailable, ...]]:  # fmt: skip
    """Every input of a release by its URL, no digest known yet, and those that their upstreams do
    not publish, or that it does without: the files of the components `lacking`.
    """
    entries, gaps = [], []
    for component in chosen:
        for source in components.components[component.name].inputs:
            for arch in architectures:
                if component.name in lacking:
                    gaps.append(_left_out(component, source, arch))
                elif source.published_for(arch):
                    entries.append(_entry(component, source, arch))
                else:
                    gaps.append(_unpublished(component, source, arch))
    return tuple(entries), tuple(gaps)


def _entry(component: Component, source: InputSource, arch: Arch) -> Input:
    return Input(
        component=component.name,
        name=source.name,
        version=component.version,
        arch=arch,
        url=source.fill(source.url, component.version, arch),
    )


def _left_out(component: Component, source: InputSource, arch: Arch) -> Unavailable:
    return Unavailable(
        component=component.name,
        name=source.name,
        arch=arch,
        reason=f"left out: --without {component.name}",
    )


def _unpublished(component: Component, source: InputSource, arch: Arch) -> Unavailable:
    return Unavailable(
        component=component.name,
        name=source.name,
        arch=arch,
        reason=f"upstream publishes it for {', '.join(source.architectures)} only",
        never=True,
    )


def pin_inputs(
    wanted: Sequence[Input], components: Components, upstream: "Upstream",
    *, jobs: int, allow_unverified: Collection[str] = (), optional: Collection[str] = (),
) -> tuple[tuple[Input, ...], tuple[Unavailable, ...]]:  # fmt: skip
    """The inputs with their digests, and those that this upstream does not have.

    Raises VerificationFailed for an input that nothing vouches for, unless its component is among
    `allow_unverified`, or `optional`: then it counts as unavailable. Also for a file that is not a
    checksum file. For what is missing it raises as `absent.refuse`.
    """
    unvouched: list[Input | Unavailable] = []

    def ask(entry: Input) -> Input | Unavailable:
        unverified = entry.component in allow_unverified
        try:
            answer = _ask(entry, components, upstream, unverified)
            if isinstance(answer, Input):
                answer = _signed(answer, components, upstream, unverified)
        except Unvouched as error:
            if entry.component not in optional:
                place = upstream.named(entry.url)
                raise Unvouched(place, error.problem, error.remedy) from error
            gap = Unavailable(
                component=entry.component, name=entry.name, arch=entry.arch, reason=str(error)
            )
            unvouched.append(gap)
            return gap
        if isinstance(answer, Unavailable):
            return answer
        return answer.model_copy(update={"mirror": upstream.origin(answer.url)})

    with ThreadPoolExecutor(max_workers=jobs) as pool:
        answers = list(pool.map(ask, wanted))
    asked = [pair for pair in zip(wanted, answers, strict=True) if pair[1] not in unvouched]
    absent.refuse(asked, components, upstream)
    _warn_of_pins(answers, components, upstream)
    return (
        tuple(answer for answer in answers if isinstance(answer, Input)),
        tuple(answer for answer in answers if isinstance(answer, Unavailable)),
    )


def _ask(
    entry: Input, components: Components, upstream: "Upstream", unverified: bool
) -> Input | Unavailable:
    component = components.components[entry.component]
    source = next(source for source in component.inputs if source.name == entry.name)
    if not upstream.exists(entry.url):
        _refuse_vouched(entry, source, components, upstream)
        return Unavailable(
            component=entry.component,
            name=entry.name,
            arch=entry.arch,
            reason=f"this upstream has no {entry.url}",
        )
    stated = _stated(entry, source, upstream)
    pin = component.pin(entry.version, entry.arch)
    if pin and not has_own_bytes(upstream, entry):
        if stated and stated.sha256 != pin.sha256:
            by = stated.checked_by
            raise VerificationFailed(
                upstream.named(by) if stated.check is Check.checksum else by,
                f"says {stated.sha256} of {upstream.named(entry.url)}, "
                f"but recipes/components.toml pins {pin.sha256} ({pin.source})",
                "do not use this upstream, unless you have found the pin to be wrong",
            )
        return _known(entry, pin.sha256, Check.pin, pin.source)
    if stated:
        return stated
    if unverified:
        return entry.model_copy(update={"check": Check.unverified})
    raise Unvouched(
        entry.url,
        "upstream publishes no checksum and recipes/components.toml has no pin for "
        f"{entry.component} {entry.version} {entry.arch}",
        "add a pin that you have checked, or pass --allow-unverified " + entry.component,
    )


def _refuse_vouched(
    entry: Input, source: InputSource, components: Components, upstream: "Upstream"
) -> None:
    """Refuse that a file is absent where its checksum says that it exists."""
    try:
        stated = _stated(entry, source, upstream)
    except VerificationFailed:  # a list that does not name it, say
        return
    if stated is not None:
        raise absent.vouched_for(entry, stated.checked_by, components, upstream)


def _signed(entry: Input, components: Components, upstream: "Upstream", unverified: bool) -> Input:
    """The input with the name of who has signed it, where its upstream has signatures.

    Raises VerificationFailed for a wrong one, and for none where recipes require it, unless the
    component is allowed to be unverified. A mirror with bytes of its own has nobody's.
    """
    wanted = components.components[entry.component].signature
    if wanted is None or entry.sha256 is None or has_own_bytes(upstream, entry):
        return entry
    place, certificate_place = (
        text.format(url=entry.url) for text in (wanted.url, wanted.certificate)
    )
    signature, certificate = upstream.read(place), upstream.read(certificate_place)
    try:
        if signature is None or certificate is None:
            if not wanted.required:
                return entry
            problem = "no such signature, and recipes require it"
            raise VerificationFailed(upstream.named(place), problem)
        keyless.check(
            entry.sha256, signature, certificate, components.authorities[wanted.authority].encode(),
            identity=wanted.identity, issuer=wanted.issuer, place=upstream.named(place),
        )  # fmt: skip
    except VerificationFailed as error:
        if unverified:
            log.warning("%s: %s; taken as it is", upstream.named(place), error.problem)
            return entry
        remedy = f"take another upstream, or pass --allow-unverified {entry.component}"
        raise VerificationFailed(upstream.named(place), error.problem, remedy) from error
    return entry.model_copy(update={"signed_by": wanted.identity})


def _stated(entry: Input, source: InputSource, upstream: "Upstream") -> Input | None:
    """The input with the digest that the upstream states: its checksum file, else a mirror's own
    list.
    """
    if source.checksum.kind != "none":
        url = source.fill(source.checksum.url, entry.version, entry.arch, entry.url)
        text = upstream.read(url)
        if text is not None:
            digest = published_digest(text, upstream.named(url), entry.url)
            return _known(entry, digest, Check.checksum, url)
    mirrored = upstream.mirror_digest(entry.url)
    return (
        _known(entry, mirrored, Check.mirror, "the mirror's own SHA256SUMS") if mirrored else None
    )


def _warn_of_pins(
    answers: Sequence[Input | Unavailable], components: Components, upstream: "Upstream"
) -> None:
    """Say once which components a mirror with bytes of its own brings without their pins."""
    names: dict[tuple[str, str], set[str]] = {}
    for answer in answers:
        if not isinstance(answer, Input) or answer.check is Check.pin or answer.mirror is None:
            continue
        base = upstream.base(answer.url)
        if base and components.components[answer.component].pin(answer.version, answer.arch):
            names.setdefault((base.place, answer.mirror.kind), set()).add(answer.component)
    for (place, kind), brought in names.items():
        log.warning(
            "%s: a %s mirror, with bytes of its own: the pins of %s do not apply; production "
            "keys sign that only if they are told to",
            redacted(place), kind, ", ".join(sorted(brought)),
        )  # fmt: skip


def published_digest(text: bytes, place: str, url: str) -> str:
    """Read a digest from a checksum file: a bare one, `digest  name`, or a list of those.

    A list's names may carry build paths; only the last part counts. Raises VerificationFailed when
    the file names no digest for `url`, or two different ones.
    """
    name = urlsplit(url).path.rsplit("/", 1)[-1]
    lines = [line.split(maxsplit=1) for line in sums(text).splitlines()]
    lines = [line for line in lines if line]
    bare, named = [], []
    for digest, *file in lines:
        if not file:
            bare.append(digest)
        elif file[0].strip().lstrip("*").rsplit("/", 1)[-1] == name:
            named.append(digest)
    digests = {digest.lower() for digest in (named or bare) if _DIGEST.match(digest)}
    if len(digests) != 1 or (len(lines) > 1 and not named):
        fault = "names different digests for" if len(digests) > 1 else "is not a checksum of"
        raise VerificationFailed(
            place,
            f"{fault} {name}; it begins {text[:40]!r}",
            "try again, or use another upstream",
        )
    return digests.pop()


def _known(entry: Input, digest: str, check: Check, by: str) -> Input:
    return entry.model_copy(update={"sha256": digest, "check": check, "checked_by": by})
