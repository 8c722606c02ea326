"""Compiles hyperkube, and the programs in it one by one, from a Kubernetes release's Go modules."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kubewright import files, moments
from kubewright.errors import RequestError
from kubewright.gobuild import go, gomod, modcache, toolchain
from kubewright.gobuild.build_cache import BuildCache, BuildInputs, need_free_bytes
from kubewright.gobuild.toolchain import Toolchain
from kubewright.models.base import Arch
from kubewright.models.golang import GoRecipe

KUBERNETES = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kube-proxy",
    "kubelet",
    "kubeadm",
    "kubectl",
)
"""The programs that Kubernetes itself publishes."""

ETCD = ("etcd", "etcdctl", "etcdutl")
"""The programs of etcd, at the version of the release's own client."""

PROGRAMS = {
    **{name: f"{gomod.KUBERNETES}/cmd/{name}" for name in KUBERNETES},
    "etcd": "go.etcd.io/etcd/server/v3",
    "etcdctl": "go.etcd.io/etcd/etcdctl/v3",
    "etcdutl": "go.etcd.io/etcd/etcdutl/v3",
}
"""The programs of hyperkube and their packages, each of which can be compiled alone."""

HYPERKUBE = {"hyperkube": "."}
"""All of them in one."""

FREE_BYTES = 1_500_000_000
"""Bytes that must be free where the results go: all of the programs, and as much while they are
linked.
"""

GO_FREE_BYTES = 5_000_000_000
"""Bytes that must be free for Go's own caches; Kubernetes 1.36 fills 4.2 GB of them."""


def hyperkube(
    kubernetes: str,
    arch: Arch,
    *,
    epoch: int,
    cache: Path,
    content: Path,
    recipe: GoRecipe,
    progress: go.Progress,
) -> Path:
    """The static hyperkube of a release, compiled unless the cache has it.

    `content` is the folder images/, `epoch` (seconds) the build date that the programs state.
    Raises RequestError (no such release, no lock), ToolMissing (no Go, or too old),
    VerificationFailed (a checksum), DiskError.
    """
    [built] = compile_targets(
        kubernetes,
        arch,
        HYPERKUBE,
        epoch=epoch,
        cache=cache,
        content=content,
        recipe=recipe,
        progress=progress,
    ).values()
    return built


def lock_address(
    kubernetes: str, arch: Arch, *, epoch: int, content: Path, recipe: GoRecipe
) -> str:
    """The address of a hyperkube in the lock, `build:hyperkube@v1.36.2?from=…`: another one when
    its bytes may differ.

    It covers all that decides them but the Go that compiles, and needs none. Raises RequestError
    (no lock).
    """
    source = ModuleSource.of(kubernetes, content / "hyperkube")
    stated = variables(kubernetes, source.mod, epoch, recipe)
    made_from = _inputs(source, kubernetes, arch, HYPERKUBE, stated)
    return f"build:hyperkube@v{kubernetes}?from={made_from.fingerprint[:12]}"


def build_programs(
    kubernetes: str,
    arch: Arch,
    names: Sequence[str] = KUBERNETES,
    *,
    epoch: int,
    cache: Path,
    content: Path,
    recipe: GoRecipe,
    progress: go.Progress,
) -> dict[str, Path]:
    """The separate programs of a release by name, from the same modules as its hyperkube. Raises as
    `hyperkube`.
    """
    wanted = {name: PROGRAMS[name] for name in names}
    return compile_targets(
        kubernetes,
        arch,
        wanted,
        epoch=epoch,
        cache=cache,
        content=content,
        recipe=recipe,
        progress=progress,
    )


def compile_targets(
    kubernetes: str,
    arch: Arch,
    targets: Mapping[str, str],
    *,
    epoch: int,
    cache: Path,
    content: Path,
    recipe: GoRecipe,
    progress: go.Progress,
) -> dict[str, Path]:
    """Files by name, each from a package that hyperkube's module can reach."""
    source = ModuleSource.of(kubernetes, content / "hyperkube")
    tools = toolchain.find()
    tools.need(source.mod.go, f"Kubernetes v{kubernetes}")
    stated = variables(kubernetes, source.mod, epoch, recipe)
    inputs = _inputs(source, kubernetes, arch, targets, stated)
    inputs = inputs.model_copy(update={"go": tools.identity})

    def compile_into(out: Path, scratch: Path) -> None:
        need_free_bytes(Path(tools.settings["GOCACHE"]), GO_FREE_BYTES)
        _check_lock(source, kubernetes, tools, scratch)
        source.copy(scratch / "hyperkube")
        sums = source.paths["go.sum"].read_text(encoding="utf-8")
        modcache.check(sums, Path(tools.settings["GOMODCACHE"]))
        env = {**tools.environment(arch), "GOTMPDIR": str(scratch)}
        on_line = go.counting(inputs.what, progress)
        for name, package in targets.items():
            go.build(
                tools,
                package,
                out / name,
                cwd=scratch / "hyperkube",
                flags=inputs.flags,
                on_line=on_line,
                what=inputs.what,
                env=env,
            )

    return BuildCache(cache).make(inputs, compile_into, free_bytes=FREE_BYTES)


def _inputs(
    source: "ModuleSource",
    kubernetes: str,
    arch: Arch,
    targets: Mapping[str, str],
    stated: Sequence[str],
) -> BuildInputs:
    """Everything that decides the bytes but Go; `stated` is what programs say of themselves."""
    flags = (
        *go.FLAGS, "-tags", ",".join(gomod.tags(kubernetes)), "-ldflags", go.link(stated),
    )  # fmt: skip
    return BuildInputs(
        what=f"kubernetes {kubernetes} {arch}: {' '.join(sorted(targets))}",
        go="",
        flags=flags,
        settings=toolchain.fixed(arch),
        targets=dict(targets),
        sources=source.digests(ours="." in targets.values()),
    )


def variables(kubernetes: str, mod: gomod.GoMod, epoch: int, known: GoRecipe) -> list[str]:
    """What the programs say about themselves, as Kubernetes' own hack/lib/version.sh and etcd's
    scripts state it.
    """
    major, minor, _ = kubernetes.split(".", 2)
    values = {"gitVersion": f"v{kubernetes}", "gitMajor": major, "gitMinor": minor}
    values |= {"gitCommit": mod.commit, "gitTreeState": "clean"} if mod.commit else {}
    values |= {"buildDate": moments.rfc3339(epoch)}
    stated: list[str] = []
    for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version"):
        stated += [f"{package}.{name}={value}" for name, value in values.items()]
    return [*stated, *known.components["etcd"].variables(mod.etcd)]


@dataclass(frozen=True)
class ModuleSource:
    """Our own Go files and the lock of one release, by their path in the module; `place` is what
    messages say.
    """

    paths: dict[str, Path]
    mod: gomod.GoMod
    place: str

    @classmethod
    def of(cls, kubernetes: str, folder: Path) -> "ModuleSource":
        """What `folder` (images/hyperkube) has for a release. Raises RequestError if it has no lock
        for it.
        """
        lock = folder / "locks" / f"v{kubernetes}"
        if not (lock / "go.sum").is_file():
            known = (
                ", ".join(sorted(path.name for path in (folder / "locks").glob("v*")))
                or "no release"
            )
            raise RequestError(
                str(lock),
                f"there is no lock of hyperkube's modules for v{kubernetes}, only for {known}",
                f"make one with `kubewright hyperkube lock v{kubernetes}`",
            )
        sources = (path for path in folder.rglob("*.go") if not path.name.endswith("_test.go"))
        ours = {str(path.relative_to(folder)): path for path in sorted(sources)}
        paths = {**ours, "go.mod": lock / "go.mod", "go.sum": lock / "go.sum"}
        place = f"{folder.name}/locks/v{kubernetes}/go.mod"
        return cls(paths, gomod.parse((lock / "go.mod").read_text(encoding="utf-8"), place), place)

    def digests(self, *, ours: bool) -> dict[str, str]:
        """The SHA-256 of each file; without `ours`, of go.mod and go.sum only, which are all that
        others depend on.
        """
        wanted = {
            name: path for name, path in self.paths.items() if ours or name in ("go.mod", "go.sum")
        }
        return {name: files.sha256_of(path) for name, path in wanted.items()}

    def copy(self, target: Path) -> None:
        """Put the files together as a module in a new folder."""
        for name, path in self.paths.items():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target / name)


def _check_lock(source: ModuleSource, kubernetes: str, tools: Toolchain, scratch: Path) -> None:
    """Refuse a lock that is not what the release itself asks for."""
    release = go.download(tools, gomod.KUBERNETES, kubernetes, cwd=scratch)
    stated = gomod.parse(
        release.go_mod.read_text(encoding="utf-8"), f"{gomod.KUBERNETES} v{kubernetes}"
    )
    gomod.check(source.mod, kubernetes, stated, source.place)
