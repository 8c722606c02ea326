"""Makes a sample mirror: every upstream file in its place, with small placeholder programs inside,
in seconds.
"""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from kubewright.mirror import bundle, placeholder, upstream_files
from kubewright.mirror.upstream_files import UpstreamFile
from kubewright.mirror.writer import Summary, Writer
from kubewright.models.base import Arch
from kubewright.models.components import Components
from kubewright.models.mirror import Mirror

KUBERNETES = ("1.36.4", "1.36.3", "1.35.9", "1.37.0-rc.1")
"""The Kubernetes versions that a sample has unless others are asked for."""

_BESIDE = {
    "cni-plugins": ("./LICENSE", "./README.md"),
    "containerd": ("bin/containerd-stress",),
    "docker": ("docker/containerd", "docker/containerd-shim-runc-v2", "docker/ctr", "docker/runc"),
    "etcd": ("etcd-v{version}-linux-{arch}/README.md",),
}
"""What upstream's archives hold beside the members that recipes/components.toml requires."""


def sample(
    dest: Path,
    components: Components,
    wanted: Mapping[str, Sequence[str]],
    *,
    epoch: int,
    busybox: Mapping[Arch, Path] | None = None,
) -> Summary:
    """Write a sample mirror of the wanted versions by component, `kubernetes` being one.

    The same arguments make the same bytes. `epoch` (seconds) is the time inside the archives;
    `busybox` puts real ones in. A sample that is already there grows. Raises RequestError for a
    directory with anything else.
    """
    writer = Writer.claim(dest, Mirror(kind="sample"))
    for file in upstream_files.files_of(components, wanted, placeholder.ARCHITECTURES):
        real = (busybox or {}).get(file.arch) if file.component == "busybox" else None
        writer.put(
            file,
            _archive(file, epoch, real)
            if file.source.members
            else _program(file, file.source.name),
        )
    return writer.finish()


def _archive(file: UpstreamFile, epoch: int, real: Path | None) -> bytes:
    """Upstream's archive; `real` is put in for the program."""
    names = (file.fill(name) for name in (*file.source.members, *_BESIDE.get(file.component, ())))
    out = io.BytesIO()
    bundle.write(
        {name: real or _member(file, PurePosixPath(name).name) for name in names}, out, epoch
    )
    return out.getvalue()


def _member(file: UpstreamFile, name: str) -> bytes:
    """What a file in an archive holds."""
    if name in bundle.TEXTS:
        return f"The {name} of a sample {file.component} {file.version}.\n".encode()
    return _program(file, name)


def _program(file: UpstreamFile, name: str) -> bytes:
    """Says what it stands for; Kubernetes' programs all begin as the real ones do."""
    title, part = ("Kubernetes", name) if file.component == "kubernetes" else (name, file.component)
    about = f"{title} v{file.version} ({part}, linux/{file.arch})"
    message = f'{about}: a sample made by "kubewright mirror sample"; it is not the real program\n'
    return placeholder.program(file.arch, message.encode())
