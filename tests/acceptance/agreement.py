"""Compares kube-node-check with the preflight of a real kubeadm: agreement.py MIRROR

MIRROR is what `kubewright mirror source` has made. Needs root, unshare and busybox, no Docker. The
exit code is 1 where the two do not agree as docs/node-check.md says.
"""

import os
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from preflight import SITUATIONS, Programs, check_fails, kubeadm_says, machine


def programs(mirror: Path, work: Path) -> Iterator[Programs]:
    """Every kubeadm of a mirror, with its newest containerd."""
    archives = sorted(mirror.glob("github.com/containerd/containerd/releases/download/*/*.tar.gz"))
    with tarfile.open(archives[-1]) as archive:
        archive.extract("bin/containerd", work, filter="data")
    for kubeadm in sorted(mirror.glob("dl.k8s.io/release/*/bin/linux/*/kubeadm")):
        mine = work / f"kubeadm-{kubeadm.parts[-5]}"
        mine.write_bytes(kubeadm.read_bytes())
        mine.chmod(0o755)
        yield Programs(mine, work / "bin/containerd")


def compared(pair: Programs) -> Iterator[str]:
    """Compare in every situation; the lines of those that are not as they should be."""
    version = pair.version
    minor = ".".join(version.lstrip("v").split(".")[:2])
    for name, situation in SITUATIONS.items():
        with tempfile.TemporaryDirectory(prefix="agreement-") as folder:
            root = Path(folder, "root")
            machine(root, situation, os.uname().release)
            ours = check_fails(root, minor)
            theirs, said = kubeadm_says(root, situation, pair)
        line = (
            f"{version}  {name}: kube-node-check {'fails' if ours else 'passes'}, "
            f"kubeadm {'fails' if theirs else 'passes'}"
        )
        print(line, flush=True)
        if ours != situation.fails or (ours != theirs) != bool(situation.reason):
            yield f"{line}: {said}"


def main() -> None:
    mirror = Path(sys.argv[1])
    with tempfile.TemporaryDirectory(prefix="agreement-") as work:
        wrong = [line for pair in programs(mirror, Path(work)) for line in compared(pair)]
    print("\n".join([f"{len(wrong)} not as docs/node-check.md says", *wrong]))
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
