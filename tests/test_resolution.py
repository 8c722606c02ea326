"""From a request to component versions, and what an upstream says of their files."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from kubewright import resolution, versions
from kubewright.cli.shipped import shipped
from kubewright.errors import RequestError, VerificationFailed
from kubewright.models.base import Arch
from kubewright.models.components import Components, Pin
from kubewright.models.lock import Check, Component, Input, Unavailable
from kubewright.models.mirror import Kind, Mirror
from kubewright.resolution.pin_inputs import inputs, published_digest
from kubewright.upstream import Upstream

CATALOG = shipped().catalog
NEWEST = list(CATALOG)[-1]
COMPONENTS = shipped().components


def meant(request: str, upstream: Upstream | None = None) -> tuple[str, str]:
    """The version that a request means, and why."""
    return next(resolution.candidates(request, CATALOG, upstream))


def surveyed(
    wanted: Sequence[Input],
    components: Components,
    mirror: Path,
    allow_unverified: Sequence[str] = (),
) -> tuple[tuple[Input, ...], tuple[Unavailable, ...]]:
    """What a mirror says of some inputs."""
    return resolution.pin_inputs(
        wanted, components, Upstream(str(mirror)), jobs=2, allow_unverified=allow_unverified
    )


def chosen(kubernetes: str) -> dict[str, Component]:
    return {one.name: one for one in resolution.choose(kubernetes, CATALOG, COMPONENTS)}


@pytest.mark.parametrize(
    ("request_", "version"),
    [
        ("stable", "1.36.4"),
        ("stable-1", "1.36.4"),
        ("stable-1.36", "1.36.4"),
        ("1.35", "1.35.9"),
        ("v1.35", "1.35.9"),
        ("latest", "1.37.0-rc.1"),
        ("latest-1.37", "1.37.0-rc.1"),
        ("v1.36.3", "1.36.3"),
        ("1.37.0-rc.1", "1.37.0-rc.1"),
        (">=1.35,<1.37", "1.36.4"),
        ("<1.36", "1.35.9"),
        ("<=1.35", "1.35.9"),
        ("=1.36", "1.36.4"),
        (">1.35", "1.36.4"),
    ],
)
def test_a_request_means_one_version(sample_mirror: Path, request_: str, version: str) -> None:
    found, why = meant(request_, Upstream(str(sample_mirror)))
    assert found == version
    assert why


@pytest.mark.parametrize(
    ("word", "latest", "stable", "version"),
    [
        ("latest", "v1.35.9", "v1.36.4", "1.36.4"),
        ("latest", "v1.37.0-rc.1", "v1.37.0", "1.37.0"),
        ("latest", "v1.37.0-rc.1", "v1.36.4", "1.37.0-rc.1"),
        ("latest", "v1.36.4", None, "1.36.4"),
        ("latest-1.36", "v1.36.3", "v1.36.4", "1.36.4"),
    ],
)
def test_latest_is_never_older_than_stable(
    tmp_path: Path, word: str, latest: str, stable: str | None, version: str
) -> None:
    markers = tmp_path / "dl.k8s.io" / "release"
    markers.mkdir(parents=True)
    (markers / f"{word}.txt").write_text(latest)
    if stable:
        (markers / f"{word.replace('latest', 'stable')}.txt").write_text(stable)
    found, why = meant(word, Upstream(str(tmp_path)))
    assert found == version
    assert f"{word}.txt of the mirror says {latest}" in why
    assert f"says v{version}" in why


@pytest.mark.parametrize("request_", ["1.36", "=1.36", "<=1.36", "v{newest}"])
def test_offline_the_catalog_answers(request_: str) -> None:
    newest = versions.newest([patch.version for patch in CATALOG["1.36"].patches])
    assert meant(request_.format(newest=newest))[0] == newest


def test_offline_a_version_must_be_in_the_catalog() -> None:
    newest = versions.newest([patch.version for patch in CATALOG["1.36"].patches])
    with pytest.raises(
        RequestError,
        match=rf"v1.36.99: not in the catalog, whose newest 1.36 is v{newest}; ask for",
    ):
        meant("v1.36.99")
    with pytest.raises(RequestError, match=r"Kubernetes 1.99: not in the catalog"):
        meant("v1.99.0")


@pytest.mark.parametrize(
    ("request_", "complaint"),
    [
        (
            "=1.24.5",
            r"v1.24.5 is to be avoided: a regression.*; ask for just v1.24.5 to have it; the "
            r"nearest .* v1.24.6",
        ),
        (
            "=1.37.0-rc.1",
            r"a range gives no pre-releases; ask for one by its version, such as v1.37.0-rc.1; ",
        ),
        (
            ">=1.37.0-rc.0,<1.37.0",
            r"a range gives no pre-releases; .* v1.37.0-rc.0; the nearest known are v1.37.0, v1.36",
        ),
        ("<1.6", r"no known release is in this range; the nearest known are v1.6.0$"),
        (
            "stable-2",
            rf"the catalog knows no such release; ask for stable, or for one of 1.6 to {NEWEST}$",
        ),
        ("=1.18.7", r"upstream never released v1.18.7; the nearest known are v1.18.8, v1.18.6$"),
        ("v1.36.99-rc.0", r"v1.36.99-rc.0: not in the catalog"),
    ],
)
def test_what_the_catalog_cannot_give_is_said_with_how_to_ask(
    request_: str, complaint: str
) -> None:
    with pytest.raises(RequestError, match=complaint):
        meant(request_)


@pytest.mark.parametrize("version", ["1.24.99", "1.36.99"])
def test_an_upstream_is_offered_only_where_it_may_know_more(version: str) -> None:
    with pytest.raises(RequestError) as caught:
        next(resolution.candidates(version, CATALOG, None, packaged=["1.36"]))
    assert ("without --offline" in str(caught.value)) == (version == "1.36.99")


def test_a_pre_release_of_a_listed_patch_is_had_by_its_version() -> None:
    assert meant("v1.34.0-alpha.1")[0] == "1.34.0-alpha.1"
    assert CATALOG["1.34"].patch("1.34.0-alpha.1") is None


def test_kubernetes_itself_is_known_from_its_own_patch() -> None:
    found = chosen("1.24.17")["kubernetes"]
    [evidence] = found.evidence
    assert (found.status, evidence.source, evidence.note) == (
        "validated",
        "AM",
        "released after the end of life",
    )
    assert "apimachinery" in evidence.cited
    bad = chosen("1.24.5")["kubernetes"]
    assert (bad.status, bad.reason.partition(",")[0]) == ("unknown", "to be avoided: a regression")


@pytest.mark.parametrize("kubernetes", ["1.23.17", "1.36.4", "1.37.1"])
def test_every_evidence_says_what_its_key_stands_for(kubernetes: str) -> None:
    for one in chosen(kubernetes).values():
        assert all(item.cited for item in one.evidence), one


def test_what_containerd_was_released_with_is_not_called_pinned_by_kubernetes() -> None:
    runc = chosen("1.36.4")["runc"]
    assert (runc.version, runc.status) == ("1.4.2", "supported")
    assert runc.reason == "what containerd's 2.3 line was released with"


@pytest.mark.parametrize(
    ("kubernetes", "version", "status"),
    [("1.24.4", "0.9.1", "validated"), ("1.24.5", "", "supported")],
)
def test_a_statement_ends_where_it_says(kubernetes: str, version: str, status: str) -> None:
    plugins = chosen(kubernetes)["cni-plugins"]
    assert plugins.status == status
    assert plugins.version == version or plugins.range == ">=1.1.1"


@pytest.mark.parametrize(
    ("marker", "says", "request_", "complaint"),
    [
        (
            "stable-1.36",
            "v1.37.1",
            "stable-1.36",
            r"/stable-1.36.txt\): says v1.37.1, which is not a final release of 1.36",
        ),
        (
            "stable-1.36",
            "v1.36.5-rc.0",
            "1.36",
            r"says v1.36.5-rc.0, which is not a final release of 1.36",
        ),
        (
            "stable",
            "v1.37.0-rc.1",
            "stable",
            r"/stable.txt \(read from \S+\): says v1.37.0-rc.1, which is not a final release, as",
        ),
        (
            "latest-1.36",
            "v1.35.9",
            "latest-1.36",
            r"says v1.35.9, which is not a release of 1.36, as latest-1.36",
        ),
        ("stable-1.36", "v1.37.1", ">=1.36", r"/stable-1.36.txt \(read from .+: says v1.37.1"),
    ],
)
def test_a_marker_that_names_another_version_is_refused(
    tmp_path: Path, marker: str, says: str, request_: str, complaint: str
) -> None:
    path = tmp_path / f"dl.k8s.io/release/{marker}.txt"
    path.parent.mkdir(parents=True)
    path.write_text(says)
    with pytest.raises(VerificationFailed, match=complaint):
        meant(request_, Upstream(str(tmp_path)))


@pytest.mark.parametrize(
    ("request_", "complaint"),
    [
        ("newest", "not a request; use stable"),
        ("", "not a request"),
        (
            "1.99",
            rf"Kubernetes 1.99: not in the catalog, which knows 1.6 to {NEWEST}; "
            r".*recipes/catalog/1.99.toml",
        ),
        (">=2", "no known release is in this range; the nearest known are v1.36.4"),
        ("stable-1.34", "upstream has no marker https://dl.k8s.io/release/stable-1.34.txt"),
    ],
)
def test_a_request_that_cannot_be_met_says_what_could(
    sample_mirror: Path, request_: str, complaint: str
) -> None:
    with pytest.raises(RequestError, match=complaint):
        meant(request_, Upstream(str(sample_mirror)))


def test_a_marker_that_is_an_error_page_is_refused(tmp_path: Path) -> None:
    marker = tmp_path / "dl.k8s.io/release/stable.txt"
    marker.parent.mkdir(parents=True)
    marker.write_text("<html><body>Sign in to the network</body></html>")
    with pytest.raises(
        VerificationFailed, match=r"/stable.txt\): is not a version marker, it begins '<html>"
    ):
        meant("stable", Upstream(str(tmp_path)))


def test_a_marker_with_a_byte_order_mark_and_a_newline_is_read(tmp_path: Path) -> None:
    marker = tmp_path / "dl.k8s.io/release/stable.txt"
    marker.parent.mkdir(parents=True)
    marker.write_bytes(b"\xef\xbb\xbfv1.36.4\r\n")
    assert meant("stable", Upstream(str(tmp_path)))[0] == "1.36.4"


def test_what_kubernetes_deploys_is_validated_per_patch() -> None:
    assert (chosen("1.34.1")["etcd"].version, chosen("1.34.2")["etcd"].version) == (
        "3.6.4",
        "3.6.5",
    )
    assert chosen("1.36.4")["etcd"].status == "validated"
    assert chosen("1.36.4")["etcd"].evidence[0].source


def test_a_validated_line_gives_its_newest_version_that_is_not_to_be_avoided() -> None:
    containerd = chosen("1.36.4")["containerd"]
    assert containerd.version in versions.Range.parse(">=2.3.4,<2.4.0")
    assert containerd.range == ">=2.3.0,<2.4.0 || >=2.2.0,<2.3.0"


def test_a_bound_makes_supported_and_silence_is_carried_forward_as_unknown() -> None:
    assert chosen("1.36.4")["cni-plugins"].status == "supported"
    carried = chosen("1.37.0-rc.1")["containerd"]
    assert carried.status == "unknown"
    assert "nothing is stated for 1.37; carried forward from 1.36" in carried.reason


def test_an_unrelated_known_version_never_changes_a_choice() -> None:
    other = (
        COMPONENTS.components["docker"]
        .known[0]
        .model_copy(update={"version": "99.0.0", "avoid": ""})
    )
    docker = COMPONENTS.components["docker"].model_copy(
        update={"known": (*COMPONENTS.components["docker"].known, other)}
    )
    wider = COMPONENTS.model_copy(
        update={"components": {**COMPONENTS.components, "docker": docker}}
    )
    again = {one.name: one for one in resolution.choose("1.36.4", CATALOG, wider)}
    assert again.pop("docker").version == "99.0.0"
    assert again == {name: one for name, one in chosen("1.36.4").items() if name != "docker"}


def test_a_range_that_nothing_known_is_in_names_the_constraint() -> None:
    old = COMPONENTS.components["containerd"].known[0].model_copy(update={"version": "1.0.3"})
    bare = COMPONENTS.components["containerd"].model_copy(update={"known": (old,)})
    without = COMPONENTS.model_copy(
        update={"components": {**COMPONENTS.components, "containerd": bare}}
    )
    complaint = (
        r"1.36.toml: components.containerd.lines: validated .*\n  containerd: known are "
        r"1.0.3 .*\nadd a known version"
    )
    with pytest.raises(RequestError, match=complaint):
        resolution.choose("1.36.4", CATALOG, without)


def test_a_distributions_own_runtime_is_judged_by_the_range() -> None:
    found = resolution.runtimes(list(chosen("1.36.4").values()), shipped().distributions)
    debian = {one.package: one for one in found if one.distribution == "debian-12"}
    assert debian["containerd"].fits is False
    assert "1.6.20 is not in" in debian["containerd"].reason


def test_every_input_of_the_sample_mirror_is_known_with_its_check(sample_mirror: Path) -> None:
    wanted, unpublished = inputs(list(chosen("1.36.4").values()), COMPONENTS, Arch.usual())
    assert unpublished == ()
    found, gaps = surveyed(wanted, COMPONENTS, sample_mirror)
    assert gaps == ()
    assert all(one.sha256 for one in found)
    checks = {one.component: one.check for one in found}
    assert (checks["kubernetes"], checks["etcd"], checks["docker"]) == (
        Check.checksum,
        Check.checksum,
        Check.mirror,
    )


def test_a_component_that_the_upstream_lacks_is_recorded_as_unavailable(
    sample_mirror: Path, tmp_path: Path
) -> None:
    mirror = tmp_path / "mirror"
    _copy_without(sample_mirror, mirror, "download.docker.com", "SHA256SUMS")
    lines = (sample_mirror / "SHA256SUMS").read_text().splitlines(keepends=True)
    (mirror / "SHA256SUMS").write_text("".join(line for line in lines if "docker.com" not in line))
    wanted, _ = inputs(list(chosen("1.36.4").values()), COMPONENTS, (Arch.amd64,))
    found, gaps = surveyed(wanted, COMPONENTS, mirror)
    assert [gap.component for gap in gaps] == ["docker"]
    assert "docker" not in {one.component for one in found}


def test_a_kubernetes_that_the_upstream_lacks_does_not_exist(sample_mirror: Path) -> None:
    wanted, _ = inputs(list(chosen("1.36.1").values()), COMPONENTS, (Arch.amd64,))
    with pytest.raises(
        RequestError,
        match=r"this upstream has no https://dl.k8s.io/release/v1.36.1/.*does not exist there",
    ):
        surveyed(wanted, COMPONENTS, sample_mirror)


def test_what_nothing_vouches_for_is_refused_unless_told(
    sample_mirror: Path, tmp_path: Path
) -> None:
    mirror = tmp_path / "mirror"
    _copy_without(sample_mirror, mirror, "SHA256SUMS")
    bare = COMPONENTS.components["docker"].model_copy(update={"pins": ()})
    unpinned = COMPONENTS.model_copy(
        update={"components": {**COMPONENTS.components, "docker": bare}}
    )
    wanted = [
        one
        for one in inputs(list(chosen("1.36.4").values()), unpinned, (Arch.amd64,))[0]
        if one.component == "docker"
    ]
    with pytest.raises(
        VerificationFailed, match=r"publishes no checksum .*--allow-unverified docker"
    ):
        surveyed(wanted, unpinned, mirror)
    found, _ = surveyed(wanted, unpinned, mirror, allow_unverified=["docker"])
    assert found[0].check is Check.unverified


def docker_inputs() -> list[Input]:
    everything, _ = inputs(list(chosen("1.36.4").values()), COMPONENTS, (Arch.amd64,))
    return [one for one in everything if one.component == "docker"]


def test_a_pin_wins_where_a_mirror_states_nothing_of_itself(
    sample_mirror: Path, tmp_path: Path
) -> None:
    _copy_without(sample_mirror, tmp_path / "mirror", "mirror.json", "SHA256SUMS")
    [docker], _ = surveyed(docker_inputs(), COMPONENTS, tmp_path / "mirror")
    pins = {
        pin.arch: pin.sha256
        for pin in COMPONENTS.components["docker"].pins
        if pin.version == docker.version
    }
    assert (docker.check, docker.sha256) == (Check.pin, pins[Arch.amd64])


@pytest.mark.parametrize("kind", [None, "download"])
def test_a_mirror_cannot_replace_a_pin(
    sample_mirror: Path, tmp_path: Path, kind: Kind | None
) -> None:
    mirror = tmp_path / "mirror"
    _copy_without(sample_mirror, mirror, "mirror.json")
    if kind:
        (mirror / "mirror.json").write_bytes(Mirror(kind=kind).to_bytes())
    with pytest.raises(
        VerificationFailed, match=r"own SHA256SUMS: says \w{64} of .*components.toml pins \w{64}"
    ):
        surveyed(docker_inputs(), COMPONENTS, mirror)


@pytest.mark.parametrize("kind", ["sample", "source"])
def test_a_mirror_with_bytes_of_its_own_says_so(
    sample_mirror: Path, tmp_path: Path, kind: Kind
) -> None:
    mirror = tmp_path / "mirror"
    _copy_without(sample_mirror, mirror, "mirror.json")
    (mirror / "mirror.json").write_bytes(Mirror(kind=kind).to_bytes())
    [docker], _ = surveyed(docker_inputs(), COMPONENTS, mirror)
    assert docker.check is Check.mirror


def test_a_pin_that_upstreams_own_checksum_contradicts_is_refused(
    sample_mirror: Path, tmp_path: Path
) -> None:
    _copy_without(sample_mirror, tmp_path / "mirror", "mirror.json")
    etcd = COMPONENTS.components["etcd"]
    pin = Pin(version="3.6.8", arch=Arch.amd64, sha256="0" * 64, source="a test")
    pinned = COMPONENTS.model_copy(
        update={
            "components": {
                **COMPONENTS.components,
                "etcd": etcd.model_copy(update={"pins": (pin,)}),
            }
        }
    )
    wanted = [
        one
        for one in inputs(list(chosen("1.36.4").values()), pinned, (Arch.amd64,))[0]
        if one.component == "etcd"
    ]
    with pytest.raises(
        VerificationFailed, match=r"v3.6.8/SHA256SUMS\): says \w{64} of .*pins 0{64} \(a test\)"
    ):
        surveyed(wanted, pinned, tmp_path / "mirror")


DIGEST, OTHER = "a" * 64, "b" * 64


@pytest.mark.parametrize(
    "text",
    [
        DIGEST,
        f"{DIGEST}\n",
        f"{DIGEST.upper()}  etcd.tar.gz\n",
        f"{OTHER}  other.tar.gz\r\n{DIGEST} */workspace/src/gcs-stage/etcd.tar.gz\r\n",
        f"{DIGEST}  etcd.tar.gz\n{DIGEST}  etcd.tar.gz",
    ],
    ids=["bare", "newline", "named", "list with build paths and CRLF", "twice the same"],
)
def test_checksum_files_of_every_shape_are_read(text: str) -> None:
    assert published_digest(text.encode(), "sums", "https://example.org/v1/etcd.tar.gz") == DIGEST


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("<html>404</html>", "is not a checksum of etcd.tar.gz; it begins"),
        (f"{OTHER}  other.tar.gz\n{OTHER}  more.tar.gz", "is not a checksum of etcd.tar.gz"),
        (f"{DIGEST}  etcd.tar.gz\n{OTHER}  etcd.tar.gz", "names different digests for etcd.tar.gz"),
        ("", "is not a checksum"),
    ],
    ids=["error page", "others only", "contradiction", "empty"],
)
def test_a_checksum_file_that_is_none_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(VerificationFailed, match=complaint):
        published_digest(text.encode(), "sums", "https://example.org/v1/etcd.tar.gz")


def _copy_without(source: Path, target: Path, *names: str) -> None:
    for path in source.rglob("*"):
        if path.is_file() and path.relative_to(source).parts[0] not in names:
            copy = target / path.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.hardlink_to(path)
