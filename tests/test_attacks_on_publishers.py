"""Who can write to a site, and has no key, gets nothing signed: each attack with each verb."""

import gzip
import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from forged_metadata import leading_to
from made_keys import made

from kubewright import files
from kubewright.cli.shipped import shipped
from kubewright.errors import KubewrightError, PublicationConflict
from kubewright.metadata.formats import RoleKey, RoleKeys
from kubewright.models.manifest import Manifest
from kubewright.models.site import Channel, ChannelRelease, Copy, State
from kubewright.settings import Settings
from kubewright.signing.roles import Keys
from kubewright.site import layout
from kubewright.site.reader import Reader
from kubewright.stages import channels, move, publish, release, repair
from kubewright.stages.site import published_keys
from kubewright.stages.store import store
from kubewright.stages.verify import verify
from kubewright.workspace import Workspace

NAME = "v1.36.4-1"

Verb = Callable[[Settings, Keys], object]

VERBS: dict[str, Verb] = {
    "publish": lambda home, keys: publish.publish(
        Workspace(home.dist / NAME), home.model_copy(update={"channels": ("test",)}),
        shipped(), keys,
    ),
    "release": lambda home, keys: release.release("v1.36.4", home, shipped(), keys),
    "rollback": lambda home, keys: channels.rollback("stable", home, shipped(), keys, 1),
    "refresh": lambda home, keys: channels.refresh(
        home.model_copy(update={"now": home.now + 40 * 86400}), shipped(), keys
    ),
    "repair": lambda home, keys: repair.repair_site(home, shipped(), keys),
}  # fmt: skip
each_verb = pytest.mark.parametrize("verb", VERBS.values(), ids=list(VERBS))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory, released: Settings) -> Keys:
    """Somebody else's keys."""
    return made(tmp_path_factory.mktemp("m") / "keys", "Mallory", now=released.now)


def present(home: Settings) -> State:
    state = Reader(store(home)).present().state
    assert state is not None
    return state


def channel(home: Settings, name: str = "stable-1.36") -> Channel:
    found = Reader(store(home)).channel(present(home), name)
    assert found is not None
    return found


def plant(
    home: Settings,
    state: State,
    *,
    where: tuple[str, ...] = (layout.TIMESTAMP, layout.FINISHED),
) -> str:
    """A state on the site, and pointers to it; its path."""
    site, data = Path(home.site), state.to_bytes()
    path = layout.state_copy(state.number, files.sha256(data))
    for name in (path, layout.STATE):
        (site / name).write_bytes(data)
    word = leading_to(site, MALLORY, data, version=99, now=home.now)
    for name in where:
        (site / name).write_bytes(word)
    return path


def mallory() -> RoleKeys:
    """Whoever writes metadata of their own."""
    keys = []
    for _ in range(2):
        private = ec.generate_private_key(ec.SECP256R1())
        sign = partial(private.sign, signature_algorithm=ec.ECDSA(SHA256()))
        keys.append(RoleKey(private.public_key(), sign))
    return RoleKeys(*keys)


MALLORY = mallory()


def with_record(home: Settings, record: Channel) -> State:
    """The next state, with another record of a channel, whose copies lie there."""
    old, data = present(home), record.to_bytes()
    for name in (
        layout.channel_copy(record.channel, record.sequence, files.sha256(data)),
        layout.channel_path(record.channel),
    ):
        (Path(home.site) / name).parent.mkdir(parents=True, exist_ok=True)
        (Path(home.site) / name).write_bytes(data)
    copy = Copy(sequence=record.sequence, sha256=files.sha256(data))
    return old.model_copy(
        update={
            "number": old.number + 1,
            "parent": Reader(store(home)).present().sha256,
            "channels": {**old.channels, record.channel: copy},
        }
    )


def next_record(home: Settings, **changes: object) -> Channel:
    old = channel(home)
    return old.model_copy(
        update={
            "sequence": old.sequence + 1, "parent": files.sha256(old.to_bytes()),
            "issued": old.issued + 1, **changes,
        }
    )  # fmt: skip


def emptied(home: Settings) -> State:
    return with_record(home, next_record(home, releases=()))


def older_kubernetes(home: Settings) -> State:
    (known,) = channel(home).releases
    return with_record(
        home, next_record(home, releases=(known.model_copy(update={"kubernetes": "1.36.3"}),))
    )


def strange_release(home: Settings) -> State:
    """A release whose manifest nobody has signed."""
    (known,) = channel(home).releases
    manifest = Manifest.from_bytes((Path(home.site) / known.manifest_url).read_bytes())
    facts = manifest.release.model_copy(update={"name": "v1.36.9-1", "kubernetes": "1.36.9"})
    data = manifest.model_copy(update={"release": facts}).to_bytes()
    url = layout.release_path("v1.36.9-1", layout.MANIFEST)
    (Path(home.site) / url).parent.mkdir(parents=True)
    (Path(home.site) / url).write_bytes(data)
    planted = ChannelRelease(
        name="v1.36.9-1", kubernetes="1.36.9", status="current", manifest_url=url,
        manifest_sha256=files.sha256(data),
    )  # fmt: skip
    return with_record(home, next_record(home, releases=(planted, known)))


def another_channel(home: Settings) -> State:
    record = channel(home).model_copy(update={"channel": "evil", "sequence": 1, "parent": None})
    return with_record(home, record)


def key_of_a_stranger(home: Settings) -> State:
    path, old = Path(home.site) / layout.KEYRING, present(home)
    path.write_bytes(path.read_bytes() * 2)
    digests = {**old.files, layout.KEYRING: files.sha256(path.read_bytes())}
    return old.model_copy(update={"number": old.number + 1, "files": digests})


def another_address(home: Settings) -> State:
    return present(home).model_copy(update={"url": "https://evil.example.org"})


def first_of_all(home: Settings) -> State:
    """No history at all."""
    return present(home).model_copy(update={"number": 1, "parent": None, "issued": 1})


STATES = {
    "a channel without its release": emptied,
    "an older Kubernetes under the same name": older_kubernetes,
    "a release that nobody has signed": strange_release,
    "a channel of a stranger": another_channel,
    "a key more": key_of_a_stranger,
    "another address": another_address,
    "a site without history": first_of_all,
}
POINTERS = {
    "the pointer": (layout.TIMESTAMP,),
    "both words": (layout.TIMESTAMP, layout.FINISHED),
    "the finished word alone": (layout.FINISHED,),
}


def snapshot(home: Settings) -> dict[str, str]:
    site = Path(home.site)
    return {
        str(path.relative_to(site)): files.sha256(path.read_bytes())
        for path in site.rglob("*")
        if path.is_file() and ".kubewright" not in path.parts
    }


@each_verb
@pytest.mark.parametrize("planted", STATES.values(), ids=list(STATES))
def test_a_planted_state_is_refused_by_every_verb_and_nothing_is_written(
    home: Settings, keys: Keys, verb: Verb, planted: Callable[[Settings], State]
) -> None:
    path = plant(home, planted(home))
    before = snapshot(home)
    with pytest.raises(KubewrightError, match="not signed by your keys") as caught:
        verb(home, keys)
    assert caught.value.place == path
    assert "--trust" in caught.value.remedy
    assert snapshot(home) == before


@pytest.mark.parametrize("where", POINTERS.values(), ids=list(POINTERS))
@pytest.mark.parametrize("lost", [False, True], ids=["", "pointer lost"])
def test_no_pointer_leads_a_publisher_to_a_planted_state(
    home: Settings, keys: Keys, where: tuple[str, ...], lost: bool
) -> None:
    planted = plant(home, strange_release(home), where=where)
    if lost:
        (Path(home.site) / layout.TIMESTAMP).unlink()
    with suppress(KubewrightError):  # a refusal is right too
        VERBS["refresh"](home, keys)
    for name in layout.signatures(planted):
        assert not (Path(home.site) / name).exists()
    assert b"1.36.9" not in (Path(home.site) / layout.INDEX).read_bytes()


@pytest.mark.parametrize("planted", STATES.values(), ids=list(STATES))
def test_repair_puts_a_strangers_pointer_right(
    home: Settings, keys: Keys, planted: Callable[[Settings], State]
) -> None:
    """The word that all was written is signed too, and says what the pointer said."""
    before = snapshot(home)
    plant(home, planted(home), where=(layout.TIMESTAMP,))
    VERBS["repair"](home, keys)
    assert snapshot(home) == before


@each_verb
@pytest.mark.parametrize("which", ["artifact", "repo", "both"])
def test_signatures_of_a_stranger_do_not_help(
    home: Settings, keys: Keys, stranger: Keys, verb: Verb, which: str
) -> None:
    path = plant(home, emptied(home))
    data = (Path(home.site) / path).read_bytes()
    openpgp, ecdsa = (Path(home.site) / name for name in layout.signatures(path))
    if which != "artifact":
        openpgp.write_bytes(stranger.armored_detached(data, home.now))
    if which != "repo":
        ecdsa.write_bytes(stranger.artifact(data))
    with pytest.raises(KubewrightError, match="not signed by your keys"):
        verb(home, keys)


@each_verb
def test_signatures_of_another_state_do_not_help(home: Settings, keys: Keys, verb: Verb) -> None:
    site, now = Path(home.site), Reader(store(home)).present()
    assert now.state is not None
    assert now.sha256 is not None
    real = layout.state_copy(now.state.number, now.sha256)
    path = plant(home, emptied(home))
    for name, other in zip(layout.signatures(path), layout.signatures(real), strict=True):
        shutil.copy(site / other, site / name)
    with pytest.raises(KubewrightError, match="not signed by your keys"):
        verb(home, keys)


@each_verb
def test_entries_that_the_manifest_does_not_name_are_never_listed(
    home: Settings, keys: Keys, verb: Verb
) -> None:
    site = Path(home.site)
    entries = site / layout.release_path(NAME, "index/apt.json.gz")
    said = json.loads(gzip.decompress(entries.read_bytes()))
    said.append({**said[0], "name": "pool/main/k/kubelet/kubelet_1.36.4-9_amd64.deb"})
    entries.write_bytes(gzip.compress(json.dumps(said).encode()))
    for path in [*site.glob("apt/dists/*/main/binary-*/by-hash/SHA256/*")]:
        path.unlink()  # so that entries would have to be read
    with suppress(KubewrightError):  # a refusal is right too
        verb(home, keys)
    for path in site.glob("apt/dists/*/main/binary-*/Packages"):
        assert "1.36.4-9" not in path.read_text()


@each_verb
@pytest.mark.parametrize("place", [layout.KEYRING, layout.KEYRING_ARMORED, layout.ARTIFACT_KEY])
def test_no_key_is_taken_from_the_site(
    home: Settings, keys: Keys, stranger: Keys, verb: Verb, place: str
) -> None:
    site = Path(home.site)
    new = {
        layout.KEYRING: stranger.repo.certificate,
        layout.KEYRING_ARMORED: stranger.repo.armored.encode(),
        layout.ARTIFACT_KEY: stranger.artifact.public_pem,
    }[place]
    (site / place).write_bytes((site / place).read_bytes() + new)
    alone = site / layout.key_history(f"{stranger.fingerprint}.asc")
    alone.write_text(stranger.repo.armored)
    with suppress(KubewrightError):  # a refusal is right too
        verb(home, keys)
    named = {key.id for key in present(home).keys}
    assert named == {keys.fingerprint, keys.artifact.key_id}
    for path in (home.dist / NAME / "packages").rglob("*.build.json"):
        assert stranger.fingerprint not in path.read_text()


def remembering(home: Settings, tmp_path: Path) -> Settings:
    return home.model_copy(update={"state": tmp_path / "state"})


def put_back(home: Settings, older: Path) -> None:
    shutil.rmtree(home.site)
    shutil.copytree(older, home.site)


PUT_BACK = {
    "older": r"publication 1 is older than publication 2, which was here before",
    "forked": r"its publication 2 is not the one that was here before",
    "forked ahead": r"its publication 2 is not the one that was here before",
}


@each_verb
@pytest.mark.parametrize("how", PUT_BACK)
def test_a_site_that_was_put_back_is_refused_until_the_note_is_removed(
    home: Settings, keys: Keys, tmp_path: Path, verb: Verb, how: str
) -> None:
    older = tmp_path / "older"
    shutil.copytree(home.site, older)
    home = remembering(home, tmp_path)
    to_test = home.model_copy(update={"channels": ("one",)})
    publish.publish(Workspace(home.dist / NAME), to_test, shipped(), keys)
    put_back(home, older)
    forgetful = home.model_copy(update={"state": None})
    for number in range({"forked": 1, "forked ahead": 2}.get(how, 0)):
        other = forgetful.model_copy(update={"channels": (f"other{number}",)})
        publish.publish(Workspace(home.dist / NAME), other, shipped(), keys)
    before = snapshot(home)
    with pytest.raises(KubewrightError, match=PUT_BACK[how]) as caught:
        verb(home, keys)
    assert snapshot(home) == before
    note = caught.value.remedy.rpartition("rm ")[2]
    Path(note).unlink()  # the remedy works
    VERBS["refresh"](home, keys)


def test_an_emptied_site_is_refused_to_production_keys_and_begun_anew_by_who_tries(
    home: Settings, keys: Keys, stranger: Keys, tmp_path: Path, compiled: dict[str, object]
) -> None:
    home = remembering(home.model_copy(update=compiled), tmp_path)
    for own in (stranger, keys):
        shutil.rmtree(home.site)
        Path(home.site).mkdir()
        fresh = home.model_copy(update={"state": tmp_path / own.fingerprint})
        release.release("v1.36.4", fresh, shipped(), own)
        shutil.rmtree(home.site)
        if own is keys:
            release.release("v1.36.4", fresh, shipped(), own)
            assert present(home).number == 1
            continue
        with pytest.raises(
            KubewrightError, match="nothing is published, but this machine has seen publication 1"
        ) as caught:
            release.release("v1.36.4", fresh, shipped(), own)
        Path(caught.value.remedy.rpartition("rm ")[2]).unlink()
        release.release("v1.36.4", fresh, shipped(), own)


def test_what_is_remembered_grows_with_every_publication_and_a_dry_run_notes_nothing(
    home: Settings, keys: Keys, tmp_path: Path
) -> None:
    home, workspace = remembering(home, tmp_path), Workspace(home.dist / NAME)
    for number, name in enumerate(("one", "two"), 2):
        named = home.model_copy(update={"channels": (name,)})
        dry = named.model_copy(update={"dry_run": True})
        publish.publish(workspace, dry, shipped(), keys)
        publish.publish(workspace, named, shipped(), keys)
        (note,) = (tmp_path / "state").iterdir()
        assert json.loads(note.read_text())["number"] == number
        assert json.loads(note.read_text())["site"] == present(home).site


def test_a_site_of_other_keys_or_another_address_is_another_site(
    home: Settings, keys: Keys, stranger: Keys, compiled: dict[str, object]
) -> None:
    home = home.model_copy(update=compiled)
    shutil.rmtree(home.site)
    release.release("v1.36.4", home, shipped(), keys)
    ids = {present(home).site}
    for url, own in (("http://127.0.0.1:1", keys), ("", stranger)):
        shutil.rmtree(home.site)
        other = home.model_copy(update={"url": url})
        release.release("v1.36.4", other, shipped(), own)
        ids.add(present(other).site)
        index = Reader(store(other)).index(present(other))
        manifest = json.loads((Path(other.site) / index.releases[0].manifest_url).read_text())
        assert index.site == manifest["site"] == channel(other).site == present(other).site
        assert index.url == manifest["url"] == present(other).url == url
    assert len(ids) == 3


def test_a_release_of_another_site_is_not_published(
    home: Settings, keys: Keys, stranger: Keys, compiled: dict[str, object]
) -> None:
    home = home.model_copy(update=compiled)
    shutil.rmtree(home.site)
    theirs = home.model_copy(update={"dist": home.dist.with_name("theirs")})
    release.release("v1.36.3", theirs, shipped(), stranger)
    shutil.rmtree(home.site)
    with pytest.raises((KubewrightError, PublicationConflict), match="signed"):
        publish.publish(Workspace(theirs.dist / "v1.36.3-1"), theirs, shipped(), keys)


def test_a_site_moves_by_its_own_verb_and_stays_the_same_site(
    tmp_path: Path, build: Callable[..., Settings], keys: Keys
) -> None:
    home = build(tmp_path / "moving", url="http://127.0.0.1:1")
    was = present(home)
    elsewhere = home.model_copy(update={"url": "http://127.0.0.1:2/", "now": home.now + 60})
    with pytest.raises(KubewrightError, match=r"published as http://127.0.0.1:1, not .*:2; .*move"):
        channels.refresh(elsewhere, shipped(), keys)
    assert move.move(elsewhere, shipped(), keys)[0] == "http://127.0.0.1:1"
    now = present(home)
    assert (now.site, now.url) == (was.site, "http://127.0.0.1:2")
    assert Reader(store(home)).index(now).url == "http://127.0.0.1:2"
    for name in now.channels:
        assert channel(home, name).url == "http://127.0.0.1:2"
        for path in Path(home.site).glob(f"yum/{name}/*/mirrorlist"):
            assert path.read_text().startswith("http://127.0.0.1:2/yum/snapshots/")
    trusted = published_keys(elsewhere, keys)
    assert not verify(home.site, trusted, now=elsewhere.now).findings
    release.release("v1.36.3", elsewhere, shipped(), keys)
    with pytest.raises(KubewrightError, match="that is where the site is"):
        move.move(elsewhere, shipped(), keys)
    with pytest.raises(KubewrightError, match=r"published as http://127.0.0.1:2, not"):
        release.release("v1.36.4", home, shipped(), keys)


@each_verb
def test_the_artifact_key_alone_gets_nothing_signed_by_the_repository_key(
    home: Settings, keys: Keys, stranger: Keys, verb: Verb
) -> None:
    """CI that pushes images has that key."""
    path = plant(home, emptied(home))
    data = (Path(home.site) / path).read_bytes()
    openpgp, ecdsa = (Path(home.site) / name for name in layout.signatures(path))
    openpgp.write_bytes(stranger.armored_detached(data, home.now))
    ecdsa.write_bytes(keys.artifact(data))
    if verb is VERBS["repair"]:
        return  # it goes on with one kind, for a signature may be what is lost
    with pytest.raises(KubewrightError, match="not signed by your keys"):
        verb(home, keys)


def test_what_verify_has_seen_is_nothing_that_a_publisher_believes(
    home: Settings, keys: Keys, stranger: Keys, tmp_path: Path
) -> None:
    home = remembering(home, tmp_path)
    path = plant(home, present(home).model_copy(update={"issued": home.now + 1}))
    data = (Path(home.site) / path).read_bytes()
    openpgp, ecdsa = (Path(home.site) / name for name in layout.signatures(path))
    openpgp.write_bytes(stranger.armored_detached(data, home.now))
    ecdsa.write_bytes(stranger.artifact(data))
    theirs = [stranger.repo.certificate, stranger.artifact.public_pem]
    for given in ([], theirs):
        verify(home.site, given, now=home.now, state=home.state)
    with pytest.raises(KubewrightError, match="not signed by your keys"):
        VERBS["refresh"](home, keys)


def test_a_memory_that_cannot_be_written_is_said_before_anything_is_published(
    home: Settings, keys: Keys, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    before = snapshot(home)
    with pytest.raises(KubewrightError, match="name another directory with --state"):
        VERBS["publish"](home.model_copy(update={"state": tmp_path / "file/state"}), keys)
    assert snapshot(home) == before


def test_an_address_is_not_given_to_a_site_in_passing(home: Settings, keys: Keys) -> None:
    addressed = home.model_copy(update={"url": "http://127.0.0.1:1"})
    before = snapshot(home)
    with pytest.raises(KubewrightError, match=r"without an address, .*kubewright site move --url"):
        VERBS["refresh"](addressed, keys)
    assert snapshot(home) == before
    move.move(addressed, shipped(), keys)
    VERBS["refresh"](addressed, keys)
