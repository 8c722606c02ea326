"""Compiles the companions of Kubernetes from their own Go modules, as `recipes/go.toml` says."""

import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from semver import Version

from kubewright import run, versions
from kubewright.errors import RequestError, ToolFailed, ToolMissing
from kubewright.gobuild import go, gomod, modcache, toolchain
from kubewright.gobuild.build_cache import BuildCache, BuildInputs, need_free_bytes
from kubewright.gobuild.go import Module, NotOffered, Progress
from kubewright.gobuild.toolchain import Toolchain
from kubewright.models.base import Arch
from kubewright.models.golang import GoComponent

FREE_BYTES = 1_000_000_000
"""Bytes that must be free where the results go."""

GO_FREE_BYTES = 3_000_000_000
"""Bytes that must be free for Go's own caches."""


def build(
    name: str, recipe: GoComponent, version: str, arch: Arch, *, cache: Path, progress: Progress
) -> dict[str, Path]:
    """The programs of a component by file name, compiled unless the cache has them.

    Raises NotOffered when the module proxy lacks the version, RequestError for an architecture that
    it is not compiled for, ToolMissing, VerificationFailed, UpstreamUnreachable, DiskError.
    """
    if not recipe.compiles_for(arch):
        raise RequestError(
            f"recipes/go.toml: {name}",
            f"cannot be compiled for {arch}: {reason(recipe)}",
            "leave the architecture out with --arch",
        )
    tools = toolchain.find()
    modules = {
        folder: _module(tools, path, version, cache)
        for folder, path in sorted(recipe.modules.items())
    }
    inputs = BuildInputs(
        what=f"{name} {version} {arch}",
        go=tools.identity,
        flags=_flags(recipe, version),
        settings=toolchain.fixed(arch, cgo=recipe.cgo),
        targets=dict(recipe.programs),
        compiler=_compiler(name, recipe),
        modules={f"{module.path}@v{version}": module.sum for module in modules.values()},
    )

    def compile_into(out: Path, scratch: Path) -> None:
        need_free_bytes(Path(tools.settings["GOCACHE"]), GO_FREE_BYTES)
        tree = scratch / "tree"
        _check(modules, Path(tools.settings["GOMODCACHE"]))
        lay_out(modules, tree)
        env = {**tools.environment(arch, cgo=recipe.cgo), "GOTMPDIR": str(scratch)}
        _compile(tools, recipe, inputs, tree, out, env, go.counting(inputs.what, progress))

    return BuildCache(cache).make(inputs, compile_into, free_bytes=FREE_BYTES)


def _flags(recipe: GoComponent, version: str) -> tuple[str, ...]:
    static = ("-linkmode=external", "-extldflags=-static") if recipe.cgo else ()
    linking = go.link(recipe.variables(version), *static)
    return (*go.FLAGS, "-tags", ",".join(recipe.tags), "-ldflags", linking)


def _compile(
    tools: Toolchain,
    recipe: GoComponent,
    inputs: BuildInputs,
    tree: Path,
    out: Path,
    env: Mapping[str, str],
    on_line: Callable[[str], None],
) -> None:
    """Compile every program of a component, whose modules lie in `tree`, into `out`."""
    for program, package in recipe.programs.items():
        folder = recipe.folder(package) or "."
        _need_go(tools, tree / folder, inputs.what)
        go.build(
            tools,
            f"./{Path(package).relative_to(folder)}",
            out / program,
            cwd=tree / folder,
            flags=inputs.flags,
            on_line=on_line,
            what=inputs.what,
            env=env,
        )


def nearest(
    name: str, recipe: GoComponent, wanted: str, known: Iterable[str], *, cache: Path
) -> str:
    """The version of a component that can be compiled: the wanted one, else the nearest known.

    Raises NotOffered if the module proxy has none of them.
    """
    tools = toolchain.find()
    for version in candidates(wanted, known):
        try:
            for path in recipe.modules.values():
                _module(tools, path, version, cache)
            return version
        except NotOffered:
            continue
    raise NotOffered(
        f"{name} {wanted}",
        "the Go module proxy has neither it nor another known version of the same major",
        "add one that it has to recipes/components.toml",
    )


def candidates(wanted: str, known: Iterable[str]) -> list[str]:
    """The wanted version, then the other known ones of its major: the nearest minor, in it the
    nearest patch.

    Of two that are as near the newer one comes first; in another minor the newest patch does.
    """
    own = versions.parse(wanted)

    def distance(other: Version) -> tuple[int, int, int, int]:
        apart = abs(other.minor - own.minor)
        return apart, -other.minor, abs(other.patch - own.patch) if not apart else 0, -other.patch

    others = {other for other in map(versions.parse, known) if other.major == own.major} - {own}
    return [wanted, *(str(other) for other in sorted(others, key=distance))]


def reason(recipe: GoComponent) -> str:
    """Why a component is not compiled for every architecture."""
    return f"it has C in it, and is compiled for {', '.join(recipe.architectures)} only"


def lay_out(modules: dict[str, Module], tree: Path) -> None:
    """Put modules beside each other as in their source tree; go.mod's replacements find each other
    there.
    """
    for folder, module in sorted(modules.items()):
        shutil.copytree(module.folder, tree / folder, dirs_exist_ok=True)
    for path in (tree, *tree.rglob("*")):  # Go's cache is read-only
        path.chmod(0o755 if path.is_dir() else 0o644)


def _module(tools: Toolchain, path: str, version: str, cache: Path) -> Module:
    """A module, checked; asked from a folder that is in no module."""
    outside = cache / "build"
    outside.mkdir(parents=True, exist_ok=True)
    return go.download(tools, path, version, cwd=outside)


def _check(modules: dict[str, Module], modcache_folder: Path) -> None:
    """What Go has unpacked of the modules, and of all that their go.sum names, is still what was
    checked.
    """
    for module in modules.values():
        modcache.same(f"{module.path}@v{module.version}", module.folder, module.sum)
        if (sums := module.folder / "go.sum").is_file():
            modcache.check(sums.read_text(encoding="utf-8"), modcache_folder)


def _need_go(tools: Toolchain, folder: Path, what: str) -> None:
    mod = folder / "go.mod"
    tools.need(gomod.parse(mod.read_text(encoding="utf-8"), f"{what}: go.mod").go, what)


def _compiler(name: str, recipe: GoComponent) -> str:
    """The C compiler and libraries that take part, or nothing."""
    if recipe.needs is None:
        return ""
    remedy = f"{name} has C in it; {recipe.needs.install}"
    stated = [run.run([run.find("gcc", install=remedy), "--version"]).stdout.splitlines()[0]]
    for library in recipe.needs.pkg_config:
        tool = run.find("pkg-config", install=remedy)
        try:
            stated.append(f"{library} {run.run([tool, '--modversion', library]).stdout.strip()}")
        except ToolFailed as error:
            raise ToolMissing(library, "its header files are not installed", remedy) from error
    return ", ".join(stated)
