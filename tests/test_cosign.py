"""cosign's own program checks what keys in a file, in a token and in a key service have signed."""

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from made_keys import rooted
from registries import serving
from test_signing_remote import Kept, service, token  # noqa: F401 - fixtures

from kubewright.cli.shipped import shipped
from kubewright.images import PushReport
from kubewright.settings import Settings
from kubewright.stages import image, release
from kubewright.stages.keys import keys
from kubewright.workspace import Workspace

pytestmark = pytest.mark.elsewhere("cosign is compiled in minutes: go install, docs/verifying.md")

Cosign = Callable[..., subprocess.CompletedProcess[str]]


@dataclass
class Signed:
    """A release with its images in a registry."""

    settings: Settings
    workspace: Workspace
    pushed: PushReport
    key: Path


@pytest.fixture(params=["file", "token", "service"])
def signed(
    request: pytest.FixtureRequest, home: Settings, tmp_path: Path, tool: Callable[[str], Path],
    compiled: dict[str, object],
) -> Iterator[Signed]:  # fmt: skip
    tool("cosign")  # without it nothing is built
    named: dict[str, object] = {"site": str(tmp_path / "site"), "dist": tmp_path / "dist"}
    if request.param != "file":
        kept = request.getfixturevalue(request.param)
        assert isinstance(kept, Kept)
        named |= {
            **compiled, "repo_key": kept.with_certificate(tmp_path),
            "artifact_key": kept.artifact, "passphrase_file": kept.pin,
        }  # fmt: skip
    with serving(tool("docker-registry"), tmp_path / "registry") as address:
        settings = home.model_copy(update={**named, "registry": f"{address}/kube"})
        own = keys(settings)
        own = own if own.root else rooted(own, tmp_path, now=settings.now)
        workspace, _, _ = release.release("v1.36.4", settings, shipped(), own)
        (tmp_path / "key.pub").write_bytes(own.artifact.pem)
        yield Signed(
            settings, workspace, image.push(workspace, settings, own.artifact), tmp_path / "key.pub"
        )


@pytest.fixture
def cosign(tool: Callable[[str], Path], signed: Signed) -> Cosign:
    def run(verb: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
        argv = [tool("cosign"), verb, "--key", signed.key, "--insecure-ignore-tlog=true", *words]
        return subprocess.run(argv, capture_output=True, text=True, check=False)

    return run


def test_the_manifest_and_every_image_are_taken_and_what_was_changed_is_not(
    signed: Signed, cosign: Cosign, tmp_path: Path
) -> None:
    manifest = Path(signed.settings.site) / "releases/v1.36.4-1/manifest.json"
    blob = ["--signature", manifest.with_suffix(".json.sig")]
    done = cosign("verify-blob", *blob, manifest)
    assert done.returncode == 0, done.stderr
    (tmp_path / "other.json").write_bytes(manifest.read_bytes() + b"\n")
    assert cosign("verify-blob", *blob, tmp_path / "other.json").returncode
    for reference in signed.pushed.references:
        done = cosign("verify", reference)
        assert done.returncode == 0, done.stderr


def test_a_tag_that_was_moved_is_found_by_whoever_asks_for_it(
    signed: Signed, cosign: Cosign
) -> None:
    built = {one.name: one for one in image.read_images(signed.workspace).images}
    for reference in signed.pushed.references:
        place, _, _ = reference.partition("@")
        name, _, tag = place.rpartition("/")[2].partition(":")
        assert tag == built[name].tag
        assert cosign("verify", "-a", f"tag={tag}", place).returncode == 0
        moved = cosign("verify", "-a", "tag=v1.36.3", place)
        assert moved.returncode
        assert "tag doesn't match" in moved.stderr or "missing or incorrect" in moved.stderr
