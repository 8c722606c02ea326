"""TUF metadata of a site: who publishes goes by it, whoever has written on the site meanwhile."""

import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from forged_metadata import leading_to
from forged_metadata import replace as write
from hypothesis import given
from hypothesis import strategies as st
from made_keys import SIGNERS, following, made
from tuf.api.metadata import MetaFile, Root, Snapshot, Targets, Timestamp
from tuf.api.serialization import SerializationError

from kubewright import files
from kubewright.cli.shipped import shipped
from kubewright.errors import KubewrightError, RequestError, VerificationFailed
from kubewright.metadata import chain, formats
from kubewright.metadata.names import role_path
from kubewright.models.base import DAY, Json
from kubewright.models.site import Pointer
from kubewright.run import run
from kubewright.settings import Settings
from kubewright.signing import roots
from kubewright.signing.absent import Absent
from kubewright.signing.roles import Keys, RepoKey
from kubewright.site import layout
from kubewright.site.directory import DirectoryStore
from kubewright.site.present import Present
from kubewright.site.reader import Reader
from kubewright.site.words import Word
from kubewright.stages import channels, publish, release
from kubewright.stages.repair import repair_site
from kubewright.stages.verify import verify
from kubewright.workspace import Workspace

NOW = 1_790_000_000
DAYS = 10


@pytest.fixture(scope="module")
def owner(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return made(tmp_path_factory.mktemp("owner") / "keys", "Owner", now=NOW - 1000)


@pytest.fixture(scope="module")
def published(
    owner: Keys,
    build: Callable[..., Settings],
    compiled: dict[str, object],
    sample_mirror: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Settings:
    """Two releases of production keys, whose suites expire; nothing is remembered of the site."""
    home = tmp_path_factory.mktemp("published")
    settings = Settings(
        upstream=str(sample_mirror), dist=home / "dist", cache=home / "cache",
        site=str(home / "site"), now=NOW, architectures=("amd64",), jobs=2, valid_for=DAYS,
    ).model_copy(update=compiled)  # fmt: skip
    release.release("v1.36.3", settings, shipped(), owner)
    release.release("v1.36.4", settings.model_copy(update={"now": NOW + 60}), shipped(), owner)
    return settings.model_copy(update={"now": NOW + 120, "valid_for": None})


@pytest.fixture
def home(published: Settings, tmp_path: Path) -> Settings:
    """A copy of its own."""
    for name in ("site", "dist"):
        shutil.copytree(Path(published.site).parent / name, tmp_path / name)
    return published.model_copy(update={"site": str(tmp_path / "site"), "dist": tmp_path / "dist"})


def at(home: Settings, now: int, **changes: object) -> Settings:
    return home.model_copy(update={"now": now, **changes})


def tree(home: Settings) -> dict[str, str]:
    site = Path(home.site)
    return {
        path.relative_to(site).as_posix(): files.sha256(path.read_bytes())
        for path in site.rglob("*")
        if path.is_file() and ".kubewright" not in path.parts
    }


def present(home: Settings) -> tuple[Present, Word]:
    found = Reader(DirectoryStore(Path(home.site))).present()
    assert found.word is not None
    return found, found.word


def problems(home: Settings, *trusted: bytes) -> list[str]:
    report = verify(home.site, trusted, now=home.now)
    return [f"{one.place}: {one.problem}" for one in report.findings]


def published_again(home: Settings, keys: Keys) -> object:
    """The newest release once more, in another channel."""
    other = home.model_copy(update={"channels": ("other",)})
    return publish.publish(Workspace(home.dist / "v1.36.4-1"), other, shipped(), keys)


def refreshed(home: Settings, keys: Keys) -> object:
    return channels.refresh(home, shipped(), keys)


def repaired(home: Settings, keys: Keys) -> object:
    return repair_site(home, shipped(), keys)


VERBS: dict[str, Callable[[Settings, Keys], object]] = {
    "publish": published_again,
    "refresh": refreshed,
    "repair": repaired,
}
each_verb = pytest.mark.parametrize("verb", VERBS.values(), ids=list(VERBS))


def pem_of(keys: Keys) -> tuple[bytes, bytes]:
    return keys.repo.certificate, keys.artifact.public_pem


def test_the_pointer_vouches_for_every_document_of_the_site(home: Settings, owner: Keys) -> None:
    state, word = present(home)
    assert word.published is not None
    assert state.state is not None
    targets = word.published.targets
    for path, target in targets.items():
        data = (Path(home.site) / path).read_bytes()
        assert (len(data), files.sha256(data)) == target
    site = Path(home.site)
    wanted = {layout.INDEX, layout.STATE, *map(layout.channel_path, state.state.channels)}
    wanted |= {str(path.relative_to(site)) for path in site.glob("releases/*/manifest.json")}
    wanted |= {str(path.relative_to(site)) for path in site.glob("releases/*/index/*")}
    wanted |= {str(path.relative_to(site)) for path in site.glob("keys/**/*") if path.is_file()}
    assert wanted <= targets.keys()
    assert owner.root is not None
    assert problems(home, owner.root) == []


def lean(keys: Keys) -> Keys:
    """What a cron job has: the repository key, the freshness key, the root."""
    assert keys.root is not None
    return replace(keys, artifact=roots.artifact_key(keys.root))


def test_freshness_key_and_repository_key_alone_renew_a_site(home: Settings, owner: Keys) -> None:
    before, late = tree(home), at(home, NOW + 6 * DAY)
    done = channels.refresh(late, shipped(), lean(owner))
    assert {one.channel for one in done.renewed} == {"stable-1.36", "stable", "latest"}
    assert {one.valid_until for one in done.renewed} == {late.now + DAYS * DAY}
    after = tree(home)
    suites = [layout.suite_path(name) for name in ("stable-1.36", "stable", "latest")]
    changed = {
        f"{suite}/{name}" for suite in suites for name in ("InRelease", "Release.gpg", "Release")
    }
    assert {path for path in after if after[path] != before.get(path)} == {
        layout.TIMESTAMP, layout.FINISHED, *changed,
    }  # fmt: skip
    assert problems(late, *pem_of(owner)) == []
    assert channels.refresh(late, shipped(), lean(owner)).changes == ()
    # A publication after it has later dates than the renewal, as far as clocks may differ.
    published_again(at(home, NOW + 6 * DAY - 60), owner)
    assert problems(late, *pem_of(owner)) == []
    # A renewal by a clock that was a day ahead counts for nothing.
    published_again(at(home, NOW + 5 * DAY), owner)
    assert problems(late, *pem_of(owner)) == []


def test_what_a_renewal_left_out_is_written_by_the_next(
    home: Settings, owner: Keys, watch: Callable[..., object]
) -> None:
    late = at(home, NOW + 6 * DAY)

    def killed(number: int, operation: str) -> None:
        if operation == "put apt/dists/stable/InRelease":
            raise KeyboardInterrupt

    with watch(killed), pytest.raises(KeyboardInterrupt):  # type: ignore[attr-defined]
        refreshed(late, lean(owner))
    report = verify(late.site, pem_of(owner), now=late.now)
    assert any("suites are being renewed" in line for line in report.warnings)
    refreshed(late, lean(owner))
    assert problems(late, *pem_of(owner)) == []
    assert refreshed(late, lean(owner)) == ((), (), None)


def test_a_certificate_alone_keeps_a_site_fresh_whose_suites_do_not_expire(
    home: Settings, owner: Keys
) -> None:
    absent = RepoKey.of(owner.repo, Absent(owner.repo.certificate, "--repo-key"))
    with pytest.raises(RequestError, match="--repo-key: its secret half is not given"):
        refreshed(at(home, NOW + 6 * DAY), replace(lean(owner), repo=absent))
    assert problems(home, *pem_of(owner)) == []


def test_targets_that_get_old_are_signed_again_for_the_same_state(
    home: Settings, owner: Keys, caplog: pytest.LogCaptureFixture
) -> None:
    """Where nothing is published for most of a year."""
    old, now = present(home)[0], NOW
    for _ in range(50):
        now += 6 * DAY
        refreshed(at(home, now), lean(owner))
    assert "refresh once with --artifact-key" in caplog.text
    refreshed(at(home, now), owner)
    new, word = present(home)
    assert word.published is not None
    assert word.published.version == 3
    assert min(word.published.expires.values()) > now
    assert (new.state, new.sha256) == (old.state, old.sha256)
    found = problems(at(home, now + 5 * DAY), *pem_of(owner))
    # Signatures of suites are from after this machine's clock.
    assert {line.partition("/")[0] for line in found} <= {"apt"}


def test_without_the_artifact_key_nothing_else_is_published(home: Settings, owner: Keys) -> None:
    before = tree(home)
    with pytest.raises(RequestError, match="--artifact-key: its secret half is not given"):
        published_again(home, lean(owner))
    assert tree(home) == before


@each_verb
def test_a_publication_that_has_expired_is_gone_on_from_by_who_knows_it(
    home: Settings, owner: Keys, tmp_path: Path, verb: Callable[[Settings, Keys], object]
) -> None:
    """Whoever remembers nothing could be shown an old site; development keys protect nobody."""
    late = at(home, NOW + 60 + DAYS * DAY)
    if verb is not repaired:
        with pytest.raises(
            VerificationFailed, match=r"timestamp.json: expired at .*--allow-expired"
        ):
            verb(late, owner)
    told = at(late, late.now, allow_expired=True, state=tmp_path / "state")
    verb(told, owner)
    remembering = at(told, told.now + 2 * DAYS * DAY, allow_expired=False)
    verb(remembering, owner)
    assert problems(remembering, *pem_of(owner)) == []


def stolen(home: Settings, keys: Keys, mallory: Keys, how: str) -> None:
    """What somebody can do who has the freshness key and can write on the site."""
    site, (_, word) = Path(home.site), present(home)
    assert word.published is not None
    thief = keys.roles.freshness
    state = (site / layout.STATE).read_bytes()
    if how == "a snapshot of their own":
        roles = replace(mallory.roles, freshness=thief)
        said = leading_to(site, roles, state, version=7, now=home.now)
    elif how == "a snapshot that is not there":
        made_of = formats.timestamp(9, home.now + DAY, MetaFile(9, 3, {"sha256": "0" * 64}))
        said = formats.signed(made_of, thief)
    elif how == "the highest version":
        until, meta = home.now + 3650 * DAY, word.published.snapshot
        said = formats.signed(formats.timestamp(formats.HIGHEST, until, meta), thief)
    else:
        version = formats.HIGHEST + 1
        until, meta = home.now + DAY, word.published.snapshot
        said = formats.signed(formats.timestamp(version, until, meta), thief)
    write(site / layout.TIMESTAMP, said)


THEFTS = (
    "a snapshot of their own",
    "a snapshot that is not there",
    "the highest version",
    "a version beyond",
)


@pytest.mark.parametrize("how", THEFTS)
def test_a_stolen_freshness_key_can_do_nothing_but_be_replaced(
    home: Settings, owner: Keys, tmp_path: Path, how: str
) -> None:
    mallory, before = made(tmp_path / "m", "Mallory", now=NOW), tree(home)
    stolen(home, owner, mallory, how)
    newer = following(owner, replace(owner, freshness=mallory.freshness), now=NOW)
    refreshed(home, newer)
    assert newer.root is not None
    assert problems(home, newer.root) == []
    assert problems(home, *pem_of(owner)) == []
    _, word = present(home)
    assert word.published is not None
    assert word.published.timestamp == 1, "clients begin anew with a new key"
    # The old key is worth nothing now, whatever it signs.
    stolen(home, owner, mallory, how)
    repaired(home, newer)
    assert problems(home, newer.root) == []
    assert before.keys() <= tree(home).keys()


@pytest.mark.parametrize("theft", THEFTS[:2])
def test_repair_puts_the_pointer_right_that_a_thief_has_signed(
    home: Settings, owner: Keys, tmp_path: Path, theft: str
) -> None:
    before = tree(home)
    stolen(home, owner, made(tmp_path / "m", "Mallory", now=NOW), theft)
    repaired(home, owner)
    assert tree(home) == before


def planted_root(home: Settings, owner: Keys, tmp_path: Path, how: str) -> str:
    """A file that says that it is the next root; its path."""
    mallory = made(tmp_path / "m", "Mallory", now=NOW)
    assert owner.root is not None
    old = formats.parse(Root, owner.root, "root")
    number = 3 if how == "the one after the next" else 2
    holders = {"root": [mallory.roles.artifact.key], "targets": [mallory.roles.artifact.key],
               "snapshot": [mallory.roles.artifact.key],
               "timestamp": [mallory.roles.freshness.key]}  # fmt: skip
    made_of = formats.root(number, NOW + DAY, holders, 1)
    signers = [mallory.roles.artifact]
    if how == "signed by the old alone":
        signers = [SIGNERS[owner.root]]
    data = formats.signed(made_of, *signers)
    if how == "no root":
        data = b"{}"
    if how == "the old again":
        data = formats.signed(old)
    path = role_path("root", 2)
    write(Path(home.site) / path, data)
    return path


PLANTED = (
    "signed by the new alone",
    "signed by the old alone",
    "the one after the next",
    "no root",
    "the old again",
)


@pytest.mark.parametrize("how", PLANTED)
def test_a_root_that_does_not_follow_is_named_and_removed_by_repair(
    home: Settings, owner: Keys, tmp_path: Path, how: str
) -> None:
    before = tree(home)
    path = planted_root(home, owner, tmp_path, how)
    assert owner.root is not None
    found = problems(home, owner.root)
    assert found
    assert all(line.startswith(f"{path}: ") for line in found), found
    for verb in (published_again, refreshed):
        with pytest.raises(VerificationFailed, match=f"^{path}: .*kubewright repair") as refused:
            verb(home, owner)
        assert refused.value.exit_code == 5
    repaired(home, owner)
    assert tree(home) == before


def test_a_planted_root_before_the_trusted_one_lets_nobody_sign(
    home: Settings, owner: Keys, tmp_path: Path
) -> None:
    """A publisher comes with the next root; the one on the site names its signers and a stranger's
    keys for the rest.
    """
    mallory, second = made(tmp_path / "m", "Mallory", now=NOW), following(owner, owner, now=NOW)
    assert owner.root is not None
    signer = SIGNERS[owner.root]
    holders = {
        "root": [signer.key, mallory.roles.artifact.key],
        "targets": [mallory.roles.artifact.key],
        "snapshot": [mallory.roles.artifact.key],
        "timestamp": [mallory.roles.freshness.key],
    }
    planted = formats.signed(formats.root(1, NOW + DAY, holders, 1), mallory.roles.artifact)
    site = Path(home.site)
    write(site / role_path("root", 1), planted)
    state = (site / layout.STATE).read_bytes()
    word = leading_to(site, mallory.roles, state, version=9, now=NOW)
    for path in (layout.TIMESTAMP, layout.FINISHED):
        write(site / path, word)
    before = tree(home)
    for verb in (published_again, refreshed):
        with pytest.raises(KubewrightError):
            verb(home, second)
    assert {path: digest for path, digest in tree(home).items() if path.startswith("tuf/")} == {
        path: digest for path, digest in before.items() if path.startswith("tuf/")
    }


def test_another_root_than_the_trusted_one_is_refused_by_every_verb(
    home: Settings, owner: Keys, tmp_path: Path
) -> None:
    other = replace(owner, root=made(tmp_path / "other", "Other", now=NOW).root)
    for verb in (published_again, refreshed):
        with pytest.raises(VerificationFailed, match=r"^tuf/1.root.json: is not .*--root"):
            verb(home, other)
    assert other.root is not None
    assert any("none of the site's roots is the one" in line for line in problems(home, other.root))


def test_a_site_goes_from_root_to_root_and_from_key_to_key(
    home: Settings, owner: Keys, tmp_path: Path
) -> None:
    third = made(tmp_path / "third", "Third", now=NOW)
    second = following(owner, replace(owner, freshness=third.freshness), now=NOW + 200)
    with pytest.raises(RequestError, match=r"root 1 of .* does not name this key for timestamp"):
        refreshed(home, replace(owner, freshness=third.freshness))
    refreshed(home, second)
    assert owner.root is not None
    for trusted in (owner.root, second.root):
        assert trusted is not None
        assert problems(home, trusted) == []
    # Who still has the old root file publishes all the same: it leads to the new one.
    published_again(home, replace(second, root=owner.root, earlier=()))
    assert problems(home, owner.root) == []


def test_a_root_follows_only_the_one_before_it(home: Settings, owner: Keys) -> None:
    second = following(owner, owner, now=NOW + 200)
    third = following(second, owner, now=NOW + 200)
    with pytest.raises(VerificationFailed, match=r"tuf/2.root.json: missing.*with the root before"):
        refreshed(home, replace(third, earlier=()))
    refreshed(home, second)
    refreshed(home, replace(third, earlier=()))
    assert third.root is not None
    assert problems(home, third.root) == []


def test_several_roots_come_to_a_site_at_once(home: Settings, owner: Keys) -> None:
    third = following(following(owner, owner, now=NOW + 200), owner, now=NOW + 200)
    refreshed(home, third)
    assert third.root is not None
    assert problems(home, third.root) == []
    assert (Path(home.site) / role_path("root", 3)).read_bytes() == third.root


def test_a_root_with_other_keys_needs_the_one_before_it_to_judge_the_site(
    home: Settings, owner: Keys, tmp_path: Path
) -> None:
    other = made(tmp_path / "other", "Other", now=NOW)
    second = following(owner, replace(owner, freshness=other.freshness), now=NOW + 200)
    with pytest.raises(VerificationFailed, match=r"not signed by .*--root OLD --root NEW"):
        refreshed(home, replace(second, earlier=()))
    refreshed(home, second)
    assert second.root is not None
    assert problems(home, second.root) == []


def test_a_new_artifact_key_takes_a_next_root(home: Settings, owner: Keys, tmp_path: Path) -> None:
    other = made(tmp_path / "other", "Other", now=NOW)
    old = tmp_path / "old.pub"
    old.write_bytes(owner.artifact.public_pem)
    changed, told = replace(owner, artifact=other.artifact), at(home, home.now, trust=(old,))
    with pytest.raises(RequestError, match="does not name this key for targets"):
        refreshed(told, changed)
    refreshed(told, following(owner, changed, now=NOW + 200))
    assert problems(home, *pem_of(changed)) == []


def test_an_artifact_key_that_no_root_names_signs_nothing(home: Settings, owner: Keys) -> None:
    before = tree(home)
    assert owner.freshness is not None
    with pytest.raises(KubewrightError, match=r"is signed by|not signed by your keys"):
        published_again(home, replace(owner, artifact=owner.freshness))
    assert tree(home) == before


def test_a_site_whose_pointer_is_taken_away_is_not_one_from_before_metadata(
    home: Settings, owner: Keys
) -> None:
    """Sites of earlier versions had an unsigned pointer: it counts for no state that has a root."""
    site, (found, _) = Path(home.site), present(home)
    assert found.state is not None
    assert found.sha256 is not None
    old = Pointer(number=found.state.number, sha256=found.sha256).to_bytes()
    (site / layout.TIMESTAMP).unlink()
    for path in (layout.CURRENT, layout.FINISHED):
        write(site / path, old)
    for verb in (published_again, refreshed):
        with pytest.raises(VerificationFailed, match=r"tuf/timestamp.json: lost"):
            verb(home, owner)
    assert any(line.startswith("tuf/timestamp.json: missing") for line in problems(home))


SAID = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), st.integers(0)), st.dictionaries(st.text(), SAID))
def test_keys_sign_the_text_that_every_client_makes(sizes: dict[str, int], own: Json) -> None:
    named = {path: formats.Target(size, "0" * 64) for path, size in sizes.items() if path}
    made = formats.targets(1, NOW, named)
    made.signed.unrecognized_fields = own
    try:
        text = made.signed_bytes
    except SerializationError:  # of what has no canonical form
        with pytest.raises(SerializationError):
            formats.text(made)
    else:
        assert formats.text(made) == text


@pytest.mark.parametrize("kind", [Root, Timestamp, Snapshot, Targets], ids=lambda one: one.type)
def test_no_bytes_make_reading_metadata_fail_in_another_way(
    home: Settings, kind: type[formats.S]
) -> None:
    _, word = present(home)
    assert word.published is not None
    site = Path(home.site)
    whole = {
        "root": site / "tuf/1.root.json",
        "timestamp": site / layout.TIMESTAMP,
        "snapshot": site / role_path("snapshot", word.published.version),
        "targets": site / role_path("targets", word.published.version),
    }[kind.type].read_bytes()
    wrong = [b"", b"[]", b"null", b"\xff\xfe", b"[" * 9000, whole[:-1], whole + b" " * 6_000_000]
    wrong += [whole.replace(b'"version":1', b'"version":%d' % 10**9)]
    wrong += [whole.replace(b'"version":1', b'"version":-1')]
    for name in (b'"signatures"', b'"signed"', b'"expires"', b'"version"', b'"_type"'):
        wrong.append(whole.replace(name, b'"x"', 1))
    for data in wrong:
        if data == whole:
            continue
        with pytest.raises(VerificationFailed, match=r"^place: "):
            formats.parse(kind, data, "place")
    assert formats.is_exact(formats.parse(kind, whole, "place"), whole)


def test_a_snapshot_before_is_reached_by_digest_alone(home: Settings) -> None:
    _, word = present(home)
    assert word.published is not None
    reader = Reader(DirectoryStore(Path(home.site)))
    older = chain.before(word.published, reader.at, 0)
    assert older is not None
    assert chain.before(older, reader.at, 0) is None
    path = Path(home.site) / role_path("snapshot", older.version)
    write(path, path.read_bytes() + b" ")
    with pytest.raises(VerificationFailed, match="missing or damaged"):
        chain.before(word.published, reader.at, 0)


@pytest.mark.parametrize("module", ["stages.history", "stages.verify", "stages.publish"])
def test_boto3_is_loaded_for_buckets_alone_and_pkcs11_for_tokens(module: str) -> None:
    """The first takes as long as all else; the library would load both for signers of its own."""
    ask = (
        f"import sys, kubewright.{module}; print('boto3' in sys.modules, 'pkcs11' in sys.modules);"
        " import boto3.session"
    )
    done = run([sys.executable, "-c", ask])
    assert done.stdout == "False False\n"
