"""Every version that kubeadm is known to have said its images for, against what resolution says.

golden/kubeadm-images.json is data of kubernetes/minikube
pkg/minikube/constants/constants_kubeadm_images.go @ eb25dbc7 (2026-08-23): what `kubeadm config
images list` says for 458 versions, pre-releases included.
"""

import json
from pathlib import Path

from kubewright import versions
from kubewright.cli.shipped import shipped
from kubewright.resolution import candidates, choose

CATALOG = shipped().catalog
KUBEADM: dict[str, dict[str, str]] = {
    version.removeprefix("v"): {
        image.split("/")[-1]: tag.removeprefix("v") for image, tag in images.items()
    }
    for version, images in json.loads(
        (Path(__file__).parent / "golden" / "kubeadm-images.json").read_text()
    ).items()
}


def resolved(kubernetes: str) -> dict[str, str]:
    """The tags that resolution's choice of etcd, CoreDNS and pause has, by component."""
    facts = CATALOG[versions.minor(kubernetes)].components
    tags = {}
    [(meant, _)] = candidates(f"v{kubernetes}", CATALOG, None)
    for component in choose(meant, CATALOG, shipped().components):
        stated = (
            facts[component.name].in_force(kubernetes)
            if component.name in KUBEADM[kubernetes]
            else None
        )
        if stated is not None:
            tags[component.name] = (
                stated.tag if stated.value == component.version else component.version
            )
    return tags


def test_resolution_says_what_kubeadm_says_for_all_458_versions() -> None:
    outside = sorted(version for version in KUBEADM if versions.minor(version) not in CATALOG)
    compared = {version: resolved(version) for version in KUBEADM if version not in outside}
    differences = {
        f"{version} {name}": (said, compared[version].get(name))
        for version in compared
        for name, said in KUBEADM[version].items()
        if compared[version].get(name) != said
    }
    assert differences == {}
    assert outside == []
    assert len(compared) == 458
    assert sum(map(len, compared.values())) == 3 * 458


def test_the_catalog_changes_images_where_kubeadm_does_and_nowhere_else() -> None:
    """Both ways: no statement begins at a version whose kubeadm says the same as the one before."""
    for minor, facts in CATALOG.items():
        known = sorted(
            (version for version in KUBEADM if versions.minor(version) == minor), key=versions.parse
        )
        for name in ("etcd", "coredns", "pause"):
            said = [(version, KUBEADM[version][name]) for version in known]
            changes = [
                now
                for before, now in zip([("", ""), *said], said, strict=False)
                if before[1] != now[1]
            ]
            if changes:
                stated = [
                    (one.since or changes[0][0], one.tag) for one in facts.components[name].exact
                ]
                assert stated == changes, f"{minor} {name}"


def test_every_released_patch_up_to_the_newest_that_kubeadm_was_asked_for_is_there() -> None:
    for facts in CATALOG.values():
        released = [
            patch.version
            for patch in facts.patches
            if not patch.skipped and versions.is_final(patch.version)
        ]
        asked = {
            one for one in KUBEADM if versions.minor(one) == facts.minor and versions.is_final(one)
        }
        assert asked <= set(released)
        if asked:
            newest = versions.newest(asked) or ""
            assert asked == {
                one for one in released if versions.parse(one) <= versions.parse(newest)
            }
