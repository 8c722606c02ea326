"""Makes a sample mirror: every upstream file in its place, with small placeholder programs inside, in seconds."""

import gzip
import io
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from kubewright import files
from kubewright.errors import RequestError
from kubewright.mirror import elf, layout
from kubewright.models.base import Arch, Model
from kubewright.models.components import Components
from kubewright.models.mirror import NAME, Mirror

KUBERNETES = ("1.36.4", "1.36.3", "1.35.9", "1.37.0-rc.1")
"""The Kubernetes versions that a sample has unless others are asked for."""

_README = b"""\
This upstream mirror was made by `kubewright mirror sample`. The programs in it only print their name:
it is for trying and testing the pipeline, never for a cluster.
"""

_BESIDE = {
    "cni-plugins": ("./LICENSE", "./README.md"),
    "containerd": ("bin/containerd-stress",),
    "docker": ("docker/containerd", "docker/containerd-shim-runc-v2", "docker/ctr", "docker/runc"),
    "etcd": ("etcd-v{version}-linux-{arch}/README.md",),
}
"""What upstream's archives hold beside the members that recipes/components.toml requires."""

_TEXTS = ("LICENSE", "README.md")
"""The members that are no programs."""


class Summary(Model):
    """How many files a mirror has, and how many of them this run had to write."""

    files: int
    written: int


def sample(
    dest: Path,
    components: Components,
    wanted: Mapping[str, Sequence[str]],
    *,
    epoch: int,
    busybox: Mapping[Arch, Path] | None = None,
) -> Summary:
    """Write a sample mirror of the wanted versions by component, `kubernetes` being one.

    The same arguments make the same bytes. `epoch` (seconds) is the time inside the archives; `busybox` puts
    real ones in. A sample that is already there grows. Raises RequestError for a directory with anything else.
    """
    readme = dest / "README.txt"
    if dest.is_dir() and any(dest.iterdir()) and not (readme.is_file() and readme.read_bytes() == _README):
        raise RequestError(f"{dest}: holds something other than a sample mirror; choose an empty or a new directory")
    own = Mirror(kind="sample").to_bytes()
    written = [files.write(readme, _README), files.write(dest / NAME, own)]
    digests: list[tuple[layout.File, str]] = []
    for file, data in _contents(layout.files_of(components, wanted, tuple(Arch)), epoch, busybox or {}):
        written.append(files.write(dest / layout.path(file.url), data))
        digests.append((file, files.sha256(data)))
    present = (folder.name.removeprefix("v") for folder in (dest / layout.RELEASES).glob("v*"))
    for place, data in {**layout.checksums(digests), **layout.markers(present)}.items():
        written.append(files.write(dest / place, data))
    return Summary(files=len(written), written=sum(written))


def _contents(
    wanted: Iterable[layout.File], epoch: int, busybox: Mapping[Arch, Path]
) -> Iterator[tuple[layout.File, bytes]]:
    for file in wanted:
        if file.source.members:
            yield file, _archive(file, epoch, busybox.get(file.arch) if file.component == "busybox" else None)
        else:
            yield file, _program(file, file.source.name)


def _archive(file: layout.File, epoch: int, real: Path | None) -> bytes:
    """A tar.gz of upstream's members, owned by root, with their directories; `real` is put in for the program."""
    members = sorted(file.fill(name) for name in (*file.source.members, *_BESIDE.get(file.component, ())))
    folders = sorted({str(folder) for name in members for folder in PurePosixPath(name).parents} - {"."})
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name in folders:
            info = tarfile.TarInfo(name)
            info.type, info.mode, info.mtime = tarfile.DIRTYPE, 0o755, epoch
            tar.addfile(info)
        for name in members:
            data, mode = (_read(real), 0o755) if real else _member(file, PurePosixPath(name).name)
            info = tarfile.TarInfo(name)
            info.size, info.mode, info.mtime = len(data), mode, epoch
            tar.addfile(info, io.BytesIO(data))
    return gzip.compress(stream.getvalue(), mtime=0)


def _read(path: Path) -> bytes:
    with files.explained(path):
        return path.read_bytes()


def _member(file: layout.File, name: str) -> tuple[bytes, int]:
    """What a file in an archive holds, and its mode."""
    if name in _TEXTS:
        return f"The {name} of a sample {file.component} {file.version}.\n".encode(), 0o644
    return _program(file, name), 0o755


def _program(file: layout.File, name: str) -> bytes:
    """Says what it stands for; Kubernetes' programs all begin as the real ones do."""
    title, part = ("Kubernetes", name) if file.component == "kubernetes" else (name, file.component)
    about = f"{title} v{file.version} ({part}, linux/{file.arch})"
    message = f'{about}: a sample made by "kubewright mirror sample"; it is not the real program\n'
    return elf.program(file.arch, message.encode())
