"""docs/verifying.md for those who answer for security: stock tools check a site as the page says,
and see what was changed.
"""

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from kubewright.clients.server import serve
from kubewright.settings import Settings
from kubewright.signing.roles import Keys

PAGE = Path(__file__).resolve().parent.parent / "docs" / "verifying.md"
BLOCK = re.compile(r"^<!-- typed: (\S+) -->\n```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = dict(BLOCK.findall(PAGE.read_text()))
NAME = "v1.36.4-1"

Check = Callable[..., tuple[str, str]]


@pytest.fixture
def check(keys: Keys, tmp_path: Path, tool: Callable[[str], Path]) -> Check:
    """Type the page's blocks one after the other; the block that failed, or none, and what was
    said.
    """
    for name in ("curl", "gpg", "gpgv", "jq", "openssl"):
        tool(name)
    folder = tmp_path / "checking"
    (folder / "gnupg").mkdir(parents=True, mode=0o700)

    def typed(site: Path, fingerprint: str = keys.fingerprint) -> tuple[str, str]:
        said = ""
        with serve(site) as url:
            given = {
                "SITE": url, "NAME": NAME, "CHANNEL": "stable-1.36", "FINGERPRINT": fingerprint,
                "GNUPGHOME": str(folder / "gnupg"),
            }  # fmt: skip
            for name, block in BLOCKS.items():
                done = subprocess.run(
                    ["sh", "-euc", block], cwd=folder, env=os.environ | given,
                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
                )  # fmt: skip
                said += done.stdout
                if done.returncode:
                    return name, said
        return "", said

    return typed


def test_stock_tools_say_yes_to_every_part_of_a_sound_site(
    released: Settings, check: Check
) -> None:
    failed, said = check(Path(released.site))
    assert failed == "", said
    assert said.count("Good signature") == 5
    assert said.count("Verified OK") == 2
    assert said.count(": OK\n") == 4


@pytest.mark.parametrize(
    ("block", "pattern"),
    [
        ("index", "releases/index.json"),
        ("manifest", f"releases/{NAME}/manifest.json"),
        ("packages", f"releases/{NAME}/SHA256SUMS"),
        ("packages", "apt/pool/main/c/cri-dockerd/*_amd64.deb"),
        ("repositories", "apt/dists/stable-1.36/InRelease"),
        ("repositories", "yum/stable-1.36/x86_64/repodata/repomd.xml"),
        ("artifact-key", "keys/kubewright.pub"),
        ("images", f"releases/{NAME}/images/hyperkube@*.payload.json"),
        ("provenance", f"releases/{NAME}/provenance/release.intoto.jsonl"),
    ],
)
def test_stock_tools_see_what_was_changed(
    site: Path, check: Check, block: str, pattern: str
) -> None:
    for path in site.glob(pattern):
        data = path.read_bytes()
        at = len(data) // 2
        path.write_bytes(data[:at] + bytes([data[at] ^ 2]) + data[at + 1 :])
    assert check(site)[0] == block


def test_a_key_that_is_not_mine_is_refused_at_once(released: Settings, check: Check) -> None:
    assert check(Path(released.site), "0" * 40)[0] == "key"
