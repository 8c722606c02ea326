"""The command line: exit codes, places and remedies, results on standard output only."""

import errno
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from kubewright.cli.verbs import verbs
from kubewright.clients import ClientUnavailable
from kubewright.errors import RequestError, ToolFailed, ToolMissing
from kubewright.gobuild.toolchain import Toolchain
from kubewright.models.base import Arch
from kubewright.settings import Settings
from kubewright.workspace import Workspace, select

Run = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize("verb", verbs())
def test_every_verb_explains_itself(run: Run, verb: str) -> None:
    code, out, _ = run(verb, "--help")
    assert code == 0
    assert re.search(r"Usage: kubewright \w+", out)


@pytest.mark.parametrize(
    ("words", "code", "complaint"),
    [
        (
            ["resolve", "banana", "--upstream", "MIRROR"],
            2,
            "'banana': not a request; use stable, latest, stable-1.36",
        ),
        (["resolve", "v1.36.77", "--upstream", "MIRROR"], 2, "that version does not exist there"),
        (["resolve", "1.99", "--upstream", "MIRROR"], 2, "Kubernetes 1.99: not in the catalog"),
        (
            ["resolve", "stable", "--upstream", "/nowhere"],
            2,
            "--upstream /nowhere: no such directory; make one with",
        ),
        (
            ["resolve", "stable", "--arch", "amd64,mips"],
            2,
            "--arch mips: must be 'amd64', 'arm64', 'ppc64le' or 's390x'",
        ),
        (
            ["resolve", "stable", "--revision", "0"],
            2,
            "--revision 0: must be 1 or more",
        ),
        (
            ["resolve", "stable", "--upstream", "http://127.0.0.1:1"],
            7,
            "127.0.0.1:1: cannot be reached",
        ),
        (["package"], 2, "dist: no release there; run `kubewright resolve REQUEST` first"),
        (["publish", "--site", "s3://bucket/prefix"], 2, "dist: no release there"),
        (["verify", "nowhere"], 2, "nowhere: no such directory"),
        (["verify", "."], 5, "is missing: this is no published site"),
        (["history", "stable"], 2, "channels/stable.json: no such channel on site"),
        (["rollback", "stable"], 2, "channels/stable.json: no such channel on site"),
        (["refresh"], 2, "site: no channel there; publish a release first, or give another --site"),
        (["publish", "--valid-for", "-1"], 2, "--valid-for -1: "),
        (
            ["publish", "--valid-for", "3000000"],
            2,
            "--valid-for 3000000: must be 36500 or less",
        ),
        (["publish", "--channel", "edge", "--channel", "Foo"], 2, "--channel Foo: "),
        (["publish", "--channel", "Foo"], 2, "; write it like stable-1.36"),
        (
            ["publish", "--channel", "pool"],
            2,
            "--channel pool: 'pool' is a directory of every site; choose another",
        ),
        (["publish", "--url", "example.org"], 2, "; write it like https://packages.example.org"),
        (["publish", "--url", "https://me:word@example.org"], 2, "has a name or password in it"),
        (["package", "--registry", "http://me:word@reg:5000/x"], 2, "; write it like registry.ex"),
        (
            ["package", "--registry", "with space"],
            2,
            "not an address that can be used; write it like",
        ),
        (["key", "show", "--repo-key", "hsm:1"], 2, "hsm:1"),
        (
            ["verify", "--key", "/missing"],
            2,
            "Invalid value for '--key': File '/missing' does not exist",
        ),
        (
            ["resolve", "v1.36.99", "--offline"],
            2,
            "v1.36.99: not in the catalog, whose newest 1.36 is v1.36.",
        ),
        (
            ["mirror", "sample", "m", "--dry-run"],
            2,
            "--dry-run: `mirror sample` does not take it; leave it out",
        ),
        (["quickstart", "--dry-run"], 2, "--dry-run: "),
        (
            ["mirror", "source", "1.36.4", "m", "--dry-run"],
            2,
            "--dry-run: `mirror source` does not take it; leave it out",
        ),
        (
            ["hyperkube", "lock", "1.36.4", "--dry-run"],
            2,
            "--dry-run: `hyperkube lock` does not take it; leave it out",
        ),
        (
            ["hyperkube", "parity", "1.36.4", "--dry-run"],
            2,
            "--dry-run: `hyperkube parity` does not take it; leave it out",
        ),
        (
            ["key", "init", "k", "--dry-run"],
            2,
            "--dry-run: `key init` does not take it; leave it out",
        ),
        (["key", "init", "k", "--expires", "50000"], 2, "50000 days: a key is valid for 1 to "),
        (["image", "--load", "images.tar", "--dry-run"], 2, "--dry-run: `image --load FILE` "),
        (
            ["image", "v1.36.4-1", "--load", "images.tar"],
            2,
            "--load images.tar: only loads that file; leave NAME,",
        ),
        (["image", "--load", "images.tar", "--push"], 2, "leave NAME, --archive and --push out"),
        (
            ["image", "--load", "images.tar", "--archive", "x"],
            2,
            "leave NAME, --archive and --push out",
        ),
        (["nonsense"], 2, "No such command 'nonsense'"),
        (
            ["key", "show", "--repo-key", "vault:abc"],
            2,
            "--repo-key vault:abc: no key can be read from vault:",
        ),
        (["resolve"], 2, "Missing argument 'REQUEST'"),
        (["fetch", "--jobs", "many"], 2, "'many' is not a valid integer"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_a_paragraph_with_place_and_remedy(
    run: Run, sample_mirror: Path, words: list[str], code: int, complaint: str
) -> None:
    got, out, err = run(*(str(sample_mirror) if word == "MIRROR" else word for word in words))
    assert (got, complaint in err) == (code, True), err
    assert out == ""
    assert "Traceback" not in err


def test_results_are_json_on_request(run: Run, sample_mirror: Path) -> None:
    code, out, _ = run("resolve", "stable-1.36", "--upstream", str(sample_mirror), "--json")
    assert code == 0
    lock = json.loads(out)
    assert lock["name"] == "v1.36.4-1"
    assert lock == json.loads(Path("dist/v1.36.4-1/release.json").read_text())


def test_the_lock_is_the_same_byte_for_byte(run: Run, sample_mirror: Path) -> None:
    run("resolve", "stable-1.36", "--upstream", str(sample_mirror))
    before = Path("dist/v1.36.4-1/release.json").read_bytes()
    run("resolve", "v1.36.4", "--upstream", str(sample_mirror))
    assert Path("dist/v1.36.4-1/release.json").read_bytes() == before


def test_what_is_given_twice_or_in_another_order_means_the_same(
    run: Run, sample_mirror: Path
) -> None:
    words = ["resolve", "v1.36.4", "--upstream", str(sample_mirror), "--json"]
    assert run(*words, "--arch", "arm64, amd64,arm64")[:2] == run(*words)[:2]


def test_offline_resolution_is_completed_by_fetch(run: Run, sample_mirror: Path) -> None:
    assert run("resolve", "v1.36.4", "--offline")[0] == 0
    assert '"sha256"' not in Path("dist/v1.36.4-1/release.json").read_text()
    assert run("fetch", "--upstream", str(sample_mirror), "--cache", "cache")[0] == 0
    assert '"sha256"' not in Path("dist/v1.36.4-1/release.json").read_text()
    fetched = Path("dist/v1.36.4-1/fetch.json").read_bytes()
    assert all(entry["sha256"] for entry in json.loads(fetched)["inputs"])
    assert run("resolve", "v1.36.4", "--offline")[0] == 0
    Path("empty").mkdir()
    assert run("fetch", "--upstream", "empty", "--cache", "cache")[0] == 0
    assert Path("dist/v1.36.4-1/fetch.json").read_bytes() == fetched


MONOLITH = ["resolve", "v1.36.4", "--offline", "--arch", "amd64", "--flavour", "monolith"]


def built_one(document: str = "fetch") -> dict[str, str]:
    """What `fetch` has noted of hyperkube, or what the lock says of it."""
    found = json.loads(Path(f"dist/v1.36.4-1/{document}.json").read_text())
    [entry] = [entry for entry in found["inputs"] if entry.get("check") == "built"]
    return {name: str(value) for name, value in entry.items()}


def compile_as(monkeypatch: pytest.MonkeyPatch, data: str | None) -> None:
    """Stand in for the compiler, which takes minutes; without data there is no Go here."""

    def hyperkube(kubernetes: str, arch: Arch, *, cache: Path, **_: object) -> Path:
        if data is None:
            raise ToolMissing("go: not found")
        cache.mkdir(exist_ok=True)
        (cache / "made").write_text(data)
        return cache / "made"

    monkeypatch.setattr("kubewright.stages.fetch.compiler.hyperkube", hyperkube)


def test_what_was_compiled_and_is_in_the_cache_needs_no_go(
    run: Run, sample_mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch = ["fetch", "--upstream", str(sample_mirror), "--cache", "cache"]
    assert run(*MONOLITH)[0] == 0
    compile_as(monkeypatch, None)
    assert run(*fetch)[0] == 3
    compile_as(monkeypatch, "one program")
    assert run(*fetch)[0] == 0
    compile_as(monkeypatch, None)
    before = built_one()
    assert run(*MONOLITH)[0] == run(*fetch)[0] == 0
    assert built_one() == before
    assert before["sha256"]


def test_another_go_that_makes_other_bytes_is_named(
    run: Run, sample_mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(*MONOLITH)
    for cache, data, code in (
        ("one", "a program", 0),
        ("two", "a program", 0),
        ("three", "another", 5),
    ):
        compile_as(monkeypatch, data)
        monkeypatch.setattr(
            "kubewright.stages.fetch.toolchain.find",
            lambda: Toolchain(Path("go"), "1.27.0", {}, "1.27.0-X:jsonv2"),
        )
        got, _, err = run("fetch", "--upstream", str(sample_mirror), "--cache", cache)
        assert got == code, err
    assert "hyperkube/hyperkube amd64: its SHA-256 is" in err
    assert "compiled with Go 1.27.0-X:jsonv2, but dist/v1.36.4-1/fetch.json says" in err


def test_a_built_digest_is_forgotten_when_its_sources_change(
    run: Run, sample_mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch = ["fetch", "--upstream", str(sample_mirror), "--cache", "cache"]
    run(*MONOLITH)
    compile_as(monkeypatch, "one program")
    assert run(*fetch)[0] == 0
    before = built_one()
    monkeypatch.setattr(
        "kubewright.gobuild.programs.variables", lambda *_: ["main.said=something else"]
    )
    (Path("cache/sha256") / before["sha256"][:2] / before["sha256"]).unlink()
    code, _, err = run(*fetch)
    assert (
        code,
        "what it is made from has changed since; run `kubewright resolve` again" in err,
    ) == (2, True), err
    assert run(*MONOLITH)[0] == 0
    assert "sha256" not in built_one("release")
    assert built_one("release")["url"] != before["url"]
    compile_as(monkeypatch, "another program")
    assert run(*fetch)[0] == 0
    assert built_one()["sha256"] != before["sha256"]


def test_another_flavour_is_seen_offline(run: Run, sample_mirror: Path) -> None:
    plain = MONOLITH[:-2]
    path = Path("dist/v1.36.4-1/release.json")
    assert (
        run(*plain)[0] == run("fetch", "--upstream", str(sample_mirror), "--cache", "cache")[0] == 0
    )
    before = path.read_bytes()
    assert run(*MONOLITH)[0] == 0
    assert built_one("release")["name"] == "hyperkube"
    assert run(*plain)[0] == 0
    assert path.read_bytes() == before, "the same request gives the same lock"


def test_several_locks_and_no_name_are_listed(run: Run, sample_mirror: Path) -> None:
    for version in ("v1.36.4", "v1.36.3"):
        run("resolve", version, "--upstream", str(sample_mirror))
    code, _, err = run("fetch")
    assert code == 2
    assert "dist: several releases; name one of: v1.36.3-1, v1.36.4-1" in err
    code, _, err = run("fetch", "1.35")
    assert (code, "dist: no release for '1.35'; name one of: v1.36.3-1, v1.36.4-1" in err) == (
        2,
        True,
    )
    code, _, err = run("fetch", "newest")
    assert (code, "'newest': not a request; use stable" in err) == (2, True)


@pytest.mark.parametrize(
    ("request_", "name"),
    [
        ("stable", "v1.36.4-1"),
        ("1.36", "v1.36.4-1"),
        ("stable-1.36", "v1.36.4-1"),
        ("latest", "v1.37.0-rc.1-1"),
        ("v1.36.3", "v1.36.3-1"),
        ("v1.36.3-1", "v1.36.3-1"),
        ("<1.36.4", "v1.36.3-1"),
        (">=1.36", "v1.36.4-1"),
    ],
)
def test_a_request_means_the_newest_lock_that_fits(
    tmp_path: Path, request_: str, name: str
) -> None:
    for made in ("v1.36.3-1", "v1.36.4-1", "v1.37.0-rc.1-1", "old", "v1.36.9"):
        (tmp_path / made).mkdir()
        (tmp_path / made / "release.json").touch()
    assert select(tmp_path, request_).root.name == name


def test_revisions_of_one_version_are_told_apart_by_name(tmp_path: Path) -> None:
    for made in ("v1.36.4-2", "v1.36.4-10"):
        (tmp_path / made).mkdir()
        (tmp_path / made / "release.json").touch()
    with pytest.raises(
        RequestError, match=r"several releases for 'stable'; name one of: v1.36.4-2, v1.36.4-10"
    ):
        select(tmp_path, "stable")


def test_a_directory_of_something_else_in_dist_is_ignored(run: Run, sample_mirror: Path) -> None:
    run("resolve", "v1.36.4", "--upstream", str(sample_mirror))
    Path("dist/old").mkdir()
    Path("dist/old/release.json").write_text("{}")
    code, out, err = run("package", "--dry-run", "-v", "--json")
    assert (code, json.loads(out)["release"]) == (0, "v1.36.4-1")
    assert "dist: ignored, not the name of a release: old" in err


def test_a_damaged_lock_is_named(run: Run, sample_mirror: Path) -> None:
    run("resolve", "v1.36.4", "--upstream", str(sample_mirror))
    Path("dist/v1.36.4-1/release.json").write_text('{"name": 1}')
    code, _, err = run("fetch")
    assert code == 2
    assert re.search(
        r"dist/v1.36.4-1/release.json: [\w.]+: .*delete the file and run `kubewright resolve` "
        r"again",
        err,
    )


def test_a_stage_out_of_order_says_what_to_run_first(run: Run, sample_mirror: Path) -> None:
    run("resolve", "v1.36.4", "--upstream", str(sample_mirror))
    code, _, err = run("package", "--cache", "cache")
    nothing = "fetch.json: there is nothing from `fetch`; run `kubewright fetch v1.36.4-1` first"
    assert (code, nothing in err) == (2, True)
    code, _, err = run("publish")
    assert (
        code,
        "sign.json: there is nothing from `sign`; run `kubewright sign v1.36.4-1` first" in err,
    ) == (2, True)


def test_what_is_done_with_images_is_one_result(
    run: Run, sample_mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kubewright.images.load", lambda archive: (f"loaded from {archive}",))
    Path("kubewright.toml").write_text(
        f'upstream = "{sample_mirror}"\ncache = "cache"\narch = "amd64"\n'
    )
    assert run("resolve", "v1.36.4")[0] == run("fetch")[0] == 0
    code, out, _ = run("image", "--json", "--archive", "copy.tar")
    made = json.loads(out)
    assert (code, made["stage"], made["copied"]) == (0, "image", ["copy.tar"])
    assert run("image", "--archive", "copy.tar")[1].splitlines()[-1] == "copy.tar"
    alone = json.loads(run("image", "--json", "--load", "copy.tar")[1])
    assert alone["loaded"] == ["loaded from copy.tar"]
    assert run("image", "--load", "copy.tar")[1] == "loaded from copy.tar\n"


def test_asking_for_an_unknown_package_lists_the_known(run: Run, sample_mirror: Path) -> None:
    run("resolve", "v1.36.4", "--upstream", str(sample_mirror), "--arch", "amd64")
    run("fetch", "--upstream", str(sample_mirror), "--cache", "cache")
    code, _, err = run("package", "--only", "kublet", "--cache", "cache")
    assert (code, "--only kublet: no package has this name; the packages are" in err) == (2, True)


@pytest.mark.parametrize(
    ("option", "words"),
    [("--dist", ["resolve", "v1.36.4"]), ("--cache", ["fetch"]), ("--site", ["publish"])],
)
def test_a_place_that_cannot_be_written_is_exit_8(
    run: Run, sample_mirror: Path, option: str, words: list[str]
) -> None:
    Path("kubewright.toml").write_text(
        f'upstream = "{sample_mirror}"\narch = "amd64"\ncache = "cache"\n'
    )
    Path("blocked").write_text("a file where a directory should be")
    if words != ["resolve", "v1.36.4"]:
        run("resolve", "v1.36.4")
    if words == ["publish"]:
        for verb in ("fetch", "package", "image", "sign"):
            assert run(verb)[0] == 0
    code, _, err = run(*words, option, "blocked/below")
    assert (code, "blocked" in err) == (8, True), err


def test_a_full_disk_is_exit_8_and_leaves_nothing(
    run: Run, sample_mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file system is full as soon as the lock is synced: the rename never happens."""

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("kubewright.files.os.fsync", full)
    code, _, err = run("resolve", "v1.36.4", "--upstream", str(sample_mirror))
    assert (code, "the disk is full; free some space" in err) == (8, True)
    assert [path for path in Path("dist").rglob("*") if path.is_file()] == []


def test_an_expired_key_is_named_with_its_day(run: Run, sample_mirror: Path) -> None:
    day = 86400
    made = 1_790_000_000
    code, out, _ = run("key", "init", "keys", "--expires", "1", "--now", str(made))
    assert code == 0
    given = out.split()
    code, _, err = run("key", "show", *given, "--now", str(made + 3 * day))
    assert (code, "expired on 2026-09-22" in err) == (2, True), err


@pytest.mark.parametrize("own", [True, False], ids=["own-keys", "development"])
def test_quickstart_says_whose_key_signs(
    run: Run, released: Settings, monkeypatch: pytest.MonkeyPatch, own: bool
) -> None:
    """Nothing is made: only what it says in the end is looked at."""

    def unavailable(*_: object, **__: object) -> None:
        raise ClientUnavailable("not here")

    monkeypatch.setattr("kubewright.stages.quickstart.sample", lambda *_: None)
    made: tuple[Workspace, list[str], list[str]] = (
        Workspace(released.dist / "v1.36.4-1"),
        ["stable"],
        [],
    )
    asked: list[Settings] = []

    def releasing(_: str, settings: Settings, *__: object) -> object:
        asked.append(settings)
        return made

    monkeypatch.setattr("kubewright.stages.quickstart.release", releasing)
    for client in ("apt", "dnf"):
        monkeypatch.setattr(f"kubewright.stages.quickstart.{client}.install", unavailable)
    own_keys = run("key", "init", "keys")[1].split() if own else []
    code, _, err = run("quickstart", *own_keys)
    assert (code, "placeholder programs, but production keys would sign it; leave out" in err) == (
        2 if own else 0,
        own,
    ), err
    code, out, err = run("quickstart", *own_keys, "--allow-development")
    assert (code, "a development key: only this machine should trust the site" in out) == (
        0,
        not own,
    ), err
    assert {one.url for one in asked} == {""}, "its server ends, so nothing may name it"


def test_defaults_come_from_the_file_and_the_environment(
    run: Run, sample_mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("kubewright.toml").write_text(
        f'upstream = "{sample_mirror}"\ndist = "from-file"\narch = "amd64"\n'
    )
    assert run("resolve", "v1.36.4")[0] == 0
    assert Path("from-file/v1.36.4-1/release.json").is_file()
    monkeypatch.setenv("KUBEWRIGHT_DIST", "from-environment")
    assert run("resolve", "v1.36.4")[0] == 0
    assert Path("from-environment/v1.36.4-1/release.json").is_file()


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('upstraem = "x"', "kubewright.toml: upstraem: unknown option; did you mean 'upstream'?"),
        ('channels = ["x"]', "kubewright.toml: channels: unknown option; did you mean 'channel'?"),
        ('where = "x"', "kubewright.toml: where: unknown option"),
        ('site = ["x"]', "kubewright.toml: site: ['x'] is not right here; give a single value"),
        (
            "[channel]",
            "kubewright.toml: channel: {} is not right here; give text, or a list of texts",
        ),
        ("site = ", "kubewright.toml: not TOML: "),
    ],
)
def test_a_default_that_cannot_be_is_refused(run: Run, line: str, complaint: str) -> None:
    Path("kubewright.toml").write_text(f"{line}\n")
    code, _, err = run("publish", "stable")
    assert (code, complaint in err) == (2, True), err


@pytest.mark.parametrize("channel", ['["stable-1.36", "edge"]', '"stable-1.36"'])
def test_a_default_is_for_the_option_and_never_for_an_argument(run: Run, channel: str) -> None:
    Path("kubewright.toml").write_text(f"channel = {channel}\n")
    Path("site").mkdir()
    code, _, said = run("history")
    assert (code, "site: nothing is published" in said) == (2, True)


def test_defaults_reach_the_verbs_of_a_group(run: Run) -> None:
    made = run("key", "init", "keys")[1].split()
    keys = f'repo-key = "{made[1]}"\nartifact_key = "{made[3]}"\n'
    Path("kubewright.toml").write_text(f'{keys}kubernetes = ["v1.36.2"]\n')
    assert json.loads(run("key", "show", "--json")[1])["development"] is False
    assert run("mirror", "sample", "mirror")[0] == 0
    assert Path("mirror/dl.k8s.io/release/stable.txt").read_text() == "v1.36.2"


def everything(*roots: Path) -> dict[str, tuple[int, int]]:
    paths = [path for root in roots for path in (root, *root.rglob("*"))]
    return {str(path): (path.lstat().st_mtime_ns, path.lstat().st_size) for path in paths}


@pytest.mark.parametrize("locked", [False, True], ids=["no-lock", "lock"])
def test_a_dry_run_of_any_verb_writes_nothing(
    run: Run, sample_mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, locked: bool
) -> None:
    for name in ("KUBEWRIGHT_DATA", "XDG_CACHE_HOME", "TMPDIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("KUBEWRIGHT_UPSTREAM", str(sample_mirror))
    monkeypatch.setenv("KUBEWRIGHT_ARCH", "amd64")
    if locked:
        run("resolve", "stable")
    before = everything(tmp_path)
    for verb, says in {
        "resolve": "would write dist/v1.36.4-1/release.json",
        "release": "v1.36.4-1: would fetch 16 of 16 inputs, 5.7 kB (0 in the cache); build ",
    }.items():
        code, out, err = run(verb, "stable", "--dry-run")
        assert (code, says in out) == (0, True), (verb, out, err)
    for verb, says in {
        "fetch": "v1.36.4-1: would fetch 16 of 16 inputs, 5.7 kB (0 in the cache)",
        "package": "would build deb/kubelet/amd64",
        "image": "would build the image etcd for amd64",
        "sign": "v1.36.4-1: would sign ",
    }.items():
        code, out, err = run(verb, "stable", "--dry-run")
        if locked:
            assert (code, says in out) == (0, True), (verb, out, err)
        else:
            assert (code, "dist: no release there; run `kubewright resolve" in err) == (2, True)
    assert everything(tmp_path) == before


def test_a_dry_run_of_a_signed_release_says_what_would_change_on_the_site(
    run: Run, sample_mirror: Path, tmp_path: Path
) -> None:
    options = ["--upstream", str(sample_mirror), "--arch", "amd64", "--cache", "cache"]
    assert run("release", "stable", *options, "--site", "one")[0] == 0
    before = everything(tmp_path)
    code, out, _ = run("release", "stable", *options, "--site", "one", "--dry-run")
    assert (code, "nothing changed" in out) == (0, True)
    code, out, _ = run(
        "release",
        "stable",
        *options,
        "--site",
        "one",
        *["--channel", "edge"] * 2,
        "--dry-run",
        "--json",
    )
    plan = json.loads(out)
    assert (code, plan["channels"], plan["fetch"]) == (0, ["edge"], [])
    assert "channels/edge.json" in {change["path"] for change in plan["changes"]}
    assert everything(tmp_path) == before


def test_a_plan_says_bytes_as_far_as_they_are_known_and_where_it_publishes(
    run: Run, sample_mirror: Path
) -> None:
    options = ["--upstream", str(sample_mirror), "--arch", "amd64", "--cache", "cache"]
    plan = json.loads(run("release", "v1.36.4", *options, "--dry-run", "--json")[1])
    assert (plan["cached_bytes"], plan["site"]) == (0, "site")
    assert plan["channels"] == ["stable-1.36", "stable", "latest"]
    assert "changes" not in plan, "it is not signed yet"
    assert run("resolve", "v1.36.4", *options[:4])[0] == 0
    unknown = json.loads(run("package", "--cache", "cache", "--dry-run", "--json")[1])
    assert (len(unknown["fetch"]), unknown.get("fetch_bytes")) == (16, None)
    assert "16 inputs, size not known" in run("fetch", "--cache", "cache", "--dry-run")[1]
    assert run("fetch", *options[:2], "--cache", "cache")[0] == 0
    known = json.loads(run("fetch", *options[:2], "--cache", "cache", "--dry-run", "--json")[1])
    assert (known["fetch"], known["fetch_bytes"]) == ([], 0)
    assert known["cached_bytes"] == plan["fetch_bytes"] > 1000
    said = run("fetch", *options[:2], "--cache", "cache", "--dry-run")[1]
    assert "would fetch 0 of 16 inputs (16 in the cache, 5.7 kB)" in said
    assert run("release", "v1.36.4", *options)[0] == 0
    assert run("release", "v1.36.3", *options, "--dry-run")[1].count("to stable-1.36 of site") == 1


def test_a_dry_run_without_a_key_asks_for_one(
    run: Run, sample_mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("resolve", "v1.36.4", "--upstream", str(sample_mirror))
    monkeypatch.setenv("KUBEWRIGHT_DATA", "no-keys-yet")
    code, _, err = run("publish", "--dry-run")
    assert (
        code,
        "--dry-run: there is no development key yet, and a dry run makes none" in err,
    ) == (2, True)
    assert not Path("no-keys-yet").exists()


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (OSError(errno.EFBIG, "File too large", "/tmp/x"), 8, "error: /tmp/x: too large for"),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            8,
            "(TMPDIR) or the working directory: the disk is full",
        ),
        (
            OSError(errno.EROFS, "Read-only file system", "/x"),
            8,
            "error: /x: not writable (Read-only file system)",
        ),
        (
            ToolFailed("nfpm: exit code 1: write x: no space left on device"),
            8,
            "nfpm: exit code 1: write x: no space",
        ),
        (
            ToolFailed("nfpm: exit code 1: write /a/long/path: no space\nleft on device"),
            8,
            "no space left on device",
        ),
        (ToolFailed("tool: Disk\n  quota\texceeded"), 8, "tool: Disk quota exceeded"),
        (ValueError("a\nb"), 1, "unexpected: ValueError: a b; run again with -v and report it"),
    ],
    ids=["too-large", "full", "read-only", "tool", "wrapped", "wrapped-otherwise", "other"],
)
def test_what_no_stage_explains_is_one_line_and_the_rest_with_v(
    run: Run, monkeypatch: pytest.MonkeyPatch, error: Exception, code: int, says: str
) -> None:
    def fail(_: object) -> None:
        raise error

    monkeypatch.setattr("kubewright.stages.history.list_channels", fail)
    got, _, err = run("history")
    assert (got, says in err, "Traceback" in err) == (code, True, False), err
    got, _, err = run("history", "-v")
    explained = code != 1  # then the log has where it came from, and names itself
    assert (got, says in err, "Traceback" in err) == (code, True, not explained), err
    assert "the log of this run: " in err


@pytest.mark.parametrize("verb", ["history", "verify"])
def test_who_only_looks_at_a_site_needs_no_recipes(
    run: Run, released: Settings, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    def fail() -> None:
        raise AssertionError("the recipes are asked for")

    monkeypatch.setattr("kubewright.cli.shipped.shipped", fail)
    believing = ["--trust-on-first-use"] if verb == "verify" else []
    code, _, err = run(verb, "--site", released.site, *believing)
    assert code == 0, err
    code, _, err = run("refresh", "--site", released.site)
    assert (code, "the recipes are asked for" in err) == (1, True), err


def test_a_mirror_with_bytes_of_its_own_is_said_once(run: Run, sample_mirror: Path) -> None:
    _, _, err = run("resolve", "v1.36.4", "--upstream", str(sample_mirror), "-q")
    said = rf"{sample_mirror}: a sample mirror, .*: the pins of busybox, .*docker do not apply; .*"
    assert re.fullmatch(said, err)


def test_the_sample_mirror_is_made_once(run: Run) -> None:
    code, out, _ = run("mirror", "sample", "mirror", "--json")
    assert code == 0
    assert json.loads(out)["written"] == json.loads(out)["files"] > 300
    assert json.loads(run("mirror", "sample", "mirror", "--json")[1])["written"] == 0
