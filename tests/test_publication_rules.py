"""Who may publish where, what a publication repairs, and how keys change."""

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from made_keys import following

from kubewright.cli.shipped import shipped
from kubewright.errors import KubewrightError
from kubewright.settings import Settings
from kubewright.signing.roles import Keys
from kubewright.stages import (
    channels,
    fetch,
    package,
    quickstart,
    release,
    resolve,
    sign,
    verify,
)
from kubewright.stages.carried import reading
from kubewright.stages.store import store
from kubewright.workspace import Workspace

NOW = 1_790_000_000

Build = Callable[..., Settings]


def sound(site: str) -> None:
    assert [
        f"{one.place}: {one.problem}" for one in verify.verify(site, [], now=NOW).findings
    ] == []


def again(settings: Settings, request: str, keys: Keys, **changes: object) -> list[str]:
    _, channels, _ = release.release(request, settings.model_copy(update=changes), shipped(), keys)
    return channels


def public_files(folder: Path, keys: Keys) -> tuple[Path, ...]:
    """The public keys as files, as a person names them with --trust."""
    paths = folder / "old-repo.asc", folder / "old-artifact.pub"
    paths[0].write_bytes(keys.repo.certificate)
    paths[1].write_bytes(keys.artifact.public_pem)
    return paths


def test_a_development_key_never_gets_onto_a_site_of_production_keys(
    home: Settings,
    keys: Keys,
    production: list[Keys],
    tmp_path: Path,
    compiled: dict[str, object],
) -> None:
    shutil.rmtree(home.site)
    home = home.model_copy(update=compiled)
    again(home, "v1.36.4", production[0])
    with pytest.raises(
        KubewrightError, match=r"not signed by your keys \(it names .*--trust"
    ) as caught:
        again(home, "v1.36.4", keys)
    assert caught.value.exit_code == 5
    told = home.model_copy(update={"trust": public_files(tmp_path, production[0])})
    with pytest.raises(
        KubewrightError, match=r"tuf/1.root.json: is not the development root.*--root"
    ) as caught:
        again(told, "v1.36.4", keys)
    assert caught.value.exit_code == 5
    rooted = replace(keys, root=production[0].root)
    with pytest.raises(
        KubewrightError, match="it has been signed by production keys; give --repo-key"
    ) as caught:
        again(told, "v1.36.4", rooted)
    assert caught.value.exit_code == 2
    with pytest.raises(KubewrightError, match="it has been signed by production keys"):
        channels.rollback("stable", told, shipped(), rooted, None)
    sound(home.site)


def test_production_keys_never_join_a_site_that_trusts_a_development_key(
    home: Settings,
    keys: Keys,
    production: list[Keys],
    tmp_path: Path,
    compiled: dict[str, object],
) -> None:
    home = home.model_copy(update=compiled)
    own = replace(production[0], root=keys.root)
    with pytest.raises(
        KubewrightError, match=r"signed by a development key, which its users trust; .* a new site"
    ):
        again(home, "v1.36.4", own, trust=public_files(tmp_path, keys))


def test_packages_of_another_lock_are_not_signed(
    home: Settings, sample_mirror: Path, keys: Keys, tmp_path: Path
) -> None:
    """The packages hold what the lock said when they were built: sign must not vouch for a newer
    lock.
    """
    mirror = tmp_path / "changed"
    shutil.copytree(sample_mirror, mirror)
    kubelet = mirror / "dl.k8s.io/release/v1.36.4/bin/linux/amd64/kubelet"
    kubelet.write_bytes(kubelet.read_bytes() + b"\n")
    digest = subprocess.run(
        ["sha256sum", kubelet], check=True, capture_output=True, text=True
    ).stdout.split()[0]
    kubelet.with_name("kubelet.sha256").write_text(digest)
    changed = home.model_copy(update={"upstream": str(mirror)})
    workspace, _ = resolve.resolve("v1.36.4", changed, shipped())
    fetch.fetch(workspace, changed, shipped())
    with pytest.raises(
        KubewrightError,
        match=r"package.json: made from another release.json.*`kubewright package v1.36.4-1` again",
    ):
        sign.sign(workspace, changed, shipped(), keys, reading(store(changed)))


def test_packages_with_another_key_inside_are_not_signed(
    home: Settings, production: list[Keys]
) -> None:
    shutil.rmtree(home.site)
    with pytest.raises(
        KubewrightError, match=r"the packages hold the certificate of key .*, not of"
    ):
        sign.sign(
            Workspace(home.dist / "v1.36.4-1"), home, shipped(), production[0], reading(store(home))
        )


def test_a_part_of_the_packages_is_no_release(home: Settings, keys: Keys) -> None:
    shutil.rmtree(home.dist / "v1.36.4-1" / "packages")
    with pytest.raises(
        KubewrightError,
        match=r"package.json: incomplete: .*; run `kubewright package v1.36.4-1` without --only",
    ):
        again(home, "v1.36.4", keys, only="kubelet")
    some = home.model_copy(update={"only": "kubea*"})
    record = package.package(
        Workspace(home.dist / "v1.36.4-1"), some, shipped(), keys.repo, keys.repo.certificate
    )
    assert {one.package for one in record.packages} == {"kubelet", "kubeadm"}


def test_a_site_keeps_its_address(tmp_path: Path, build: Build, keys: Keys) -> None:
    settings = build(tmp_path, url="http://127.0.0.1:8080")
    with pytest.raises(KubewrightError, match=r"published as http://127.0.0.1:8080, not http://o"):
        again(settings, "v1.36.4", keys, url="http://other.invalid")


def test_new_keys_take_over_a_site_and_old_signatures_stay_good(
    home: Settings,
    production: list[Keys],
    tool: Callable[[str], Path],
    tmp_path: Path,
    compiled: dict[str, object],
) -> None:
    shutil.rmtree(home.site)
    home = home.model_copy(update=compiled)
    first, other = production
    second = following(first, other, now=NOW)
    again(home, "v1.35.9", first)
    with pytest.raises(KubewrightError, match="not signed by your keys"):
        again(home, "v1.36.4", second, now=NOW + 60)
    again(home, "v1.36.4", second, now=NOW + 60, trust=public_files(tmp_path, first))
    sound(home.site)
    site = Path(home.site)
    for suite in ("stable-1.35", "stable-1.36"):
        checked = subprocess.run(
            [
                tool("gpgv"),
                "--keyring",
                site / "keys/kubewright.gpg",
                site / f"apt/dists/{suite}/InRelease",
            ],
            check=True,
            capture_output=True,
            text=True,
        )
        assert second.repo.fingerprint in checked.stderr
    known = subprocess.run(
        [
            tool("gpg"),
            "--homedir",
            tmp_path,
            "--show-keys",
            "--with-colons",
            site / "keys/kubewright.asc",
        ],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert [line.split(":")[9] for line in known.splitlines() if line.startswith("fpr")] == [
        second.repo.fingerprint,
        first.repo.fingerprint,
    ]


def test_a_second_rollback_goes_further_back(home: Settings, keys: Keys) -> None:
    for number, version in enumerate(("v1.36.3", "v1.35.9"), 1):
        again(home, version, keys, channels=("test",), now=NOW + number)
    again(home, "v1.36.4", keys, channels=("test",), now=NOW + 3)
    there = [channels.rollback("test", home, shipped(), keys, None)[0] for _ in range(2)]
    assert [[one.kubernetes for one in record.releases] for record in there] == [
        ["1.36.3", "1.35.9"],
        ["1.36.3"],
    ]
    with pytest.raises(KubewrightError, match="nothing to go back to; there are: 1, 2, 3, 4, 5"):
        channels.rollback("test", home, shipped(), keys, None)
    sound(home.site)


@pytest.mark.parametrize(
    "name",
    ["apt/pool/main/k/kubelet/kubelet_1.36.4-1_amd64.deb", "yum/pool/kubelet-1.36.4-1.x86_64.rpm"],
)
def test_a_conflict_is_found_before_anything_is_written(
    home: Settings, keys: Keys, name: str
) -> None:
    site = Path(home.site)
    shutil.rmtree(site)
    taken = site / name
    taken.parent.mkdir(parents=True)
    taken.write_bytes(b"something else")
    with pytest.raises(KubewrightError, match="published already with other bytes") as caught:
        again(home, "v1.36.4", keys)
    assert caught.value.exit_code == 6
    assert [
        path for path in site.rglob("*") if path.suffix in (".deb", ".rpm") and path != taken
    ] == []


def test_quickstart_replaces_nothing_of_others(
    tmp_path: Path, keys: Keys, released: Settings
) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site/index.html").write_text("mine")
    with pytest.raises(KubewrightError, match="holds other things, which quickstart would replace"):
        list(quickstart.quickstart(tmp_path, released, shipped(), keys))
    assert (tmp_path / "site/index.html").read_text() == "mine"


@pytest.mark.parametrize("name", ["Foo", "foo bar", "pool", "snapshots", "../up"])
def test_a_bad_channel_name_is_refused_before_anything_happens(
    released: Settings, name: str
) -> None:
    with pytest.raises(ValueError, match="channels"):
        Settings.model_validate({**released.model_dump(), "channels": (name,)})
