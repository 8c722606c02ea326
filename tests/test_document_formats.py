"""Published documents outlive engines: readers pass over what they do not know, and keep it."""

import json
import os
import re
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from forged_metadata import vouch
from hypothesis import example, given
from hypothesis import strategies as st
from made_keys import rooted

from kubewright import files
from kubewright.cli.shipped import shipped
from kubewright.errors import RequestError, VerificationFailed
from kubewright.models.base import Arch
from kubewright.models.document import FORMAT, Document
from kubewright.models.manifest import Manifest
from kubewright.models.site import Channel, Index, State
from kubewright.models.upgrades import Graph
from kubewright.settings import Settings
from kubewright.signing.keys import artifact_key, repo_key
from kubewright.signing.roles import Keys
from kubewright.site import backups, contents, layout
from kubewright.site.channels import renewed
from kubewright.site.derived import DOCUMENTS
from kubewright.site.draft import Draft
from kubewright.stages import channels, publish, release, verify
from kubewright.stages.site import edit
from kubewright.workspace import Workspace

NOW = 1_790_000_000
MODELS: tuple[type[Document], ...] = (Manifest, Channel, Index, State)


def document(site: Path, model: type[Document]) -> bytes:
    """One document of each kind."""
    path = {
        Manifest: "releases/v1.36.4-1/manifest.json",
        Channel: "channels/stable.json",
        Index: layout.INDEX,
        State: layout.STATE,
    }[model]
    return (site / path).read_bytes()


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_a_newer_major_version_is_refused_with_the_way_out(
    released: Settings, model: type[Document]
) -> None:
    table = json.loads(document(Path(released.site), model))
    for version, readable in {
        "1": True,
        "1.9": True,
        "2": False,
        "2.0": False,
        "10": False,
    }.items():
        table["header"]["version"] = version
        data = json.dumps(table).encode()
        if readable:
            assert model.read(data, "place").to_bytes()
        else:
            with pytest.raises(
                RequestError, match=r"^place: .* newer kubewright; upgrade"
            ) as caught:
                model.read(data, "place")
            assert caught.value.exit_code == 2


def test_a_site_of_a_newer_major_version_is_not_called_damaged(
    released: Settings, keys: Keys, tmp_path: Path
) -> None:
    site = tmp_path / "site"
    shutil.copytree(released.site, site, copy_function=os.link)
    table = json.loads((site / layout.STATE).read_bytes())
    table["header"]["version"] = "2"
    text = files.canonical_json(table)
    newer = Newer(site, keys)
    newer.sign(layout.state_copy(1, files.sha256(text)), text)
    newer.write(layout.STATE, text)
    vouch(site, keys, text, now=NOW)
    with pytest.raises(RequestError, match="written by a newer kubewright; upgrade"):
        verify.verify(str(site), [], now=NOW)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


@given(JSON)
@example("\ud800")
def test_json_is_written_as_the_standard_library_writes_it(value: object) -> None:
    """Sites have documents that were written by that, and are compared with what is made again."""
    try:
        text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False).encode() + b"\n"
    except UnicodeEncodeError:
        with pytest.raises(UnicodeEncodeError):
            files.canonical_json(value)
    else:
        assert files.canonical_json(value) == text


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_keys_that_nobody_knows_yet_are_passed_over_and_kept_at_every_level(
    released: Settings, model: type[Document]
) -> None:
    table = json.loads(document(Path(released.site), model))
    added = objects(table)
    for place in added:
        place["new_field"] = {"since": "tomorrow"}
    data = files.canonical_json(table)
    read = model.read(data, "place")
    assert len(added) > 1
    if model is not Manifest:  # which nobody ever writes again
        assert read.to_bytes() == data


MAPS = {
    "channels",
    "components",
    "evidence",
    "executables",
    "links",
    "machines",
    "packages",
    "repodata",
    "runtimes",
}
"""Keys whose values are maps by names that people choose; their entries are objects."""

WORDS = {"files", "roles", "skew", "sysctls", "links", "executables"}
"""Keys whose values are maps to plain words, or to lists of them."""


def objects(value: object) -> list[dict[str, object]]:
    """Every JSON object in a document whose keys are those of a model."""
    if isinstance(value, list):
        return [found for item in value for found in objects(item)]
    if not isinstance(value, dict):
        return []
    found = [value]
    for key, item in value.items():
        if key in MAPS and isinstance(item, dict):
            found += objects(list(item.values()))
        elif key not in WORDS:
            found += objects(item)
    return found


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
@pytest.mark.parametrize(
    "data",
    [
        b"", b"{", b"[]", b"{}", b'{"header": 1}', b"\xff",
        b'{"header": {"type": "x", "version": "1"}}',
    ],
)  # fmt: skip
def test_what_is_no_such_document_is_named_in_plain_words(
    model: type[Document], data: bytes
) -> None:
    with pytest.raises(VerificationFailed, match=r"^place: ") as caught:
        model.read(data, "place")
    assert "Input" not in str(caught.value)
    assert "run `kubewright repair`" in str(caught.value)


def test_schemas_allow_what_readers_do(released: Settings) -> None:
    documents: tuple[type[Document], ...] = (*MODELS, Graph)
    for model in documents:
        text = json.dumps(model.json_schema())
        assert '"additionalProperties": false' not in text, model


class Newer:
    """A site as an engine of tomorrow would have made it, signed by its keys."""

    def __init__(self, root: Path, keys: Keys) -> None:
        self.root, self.keys = root, keys

    def write(self, path: str, data: bytes) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        file.write_bytes(data)

    def sign(self, path: str, data: bytes) -> None:
        self.write(path, data)
        self.write(f"{path}.asc", self.keys.armored_detached(data, NOW))
        self.write(f"{path}.sig", self.keys.artifact.sign(data))


def with_tomorrows_documents(site: Path, keys: Keys) -> Newer:
    """Every document has one more field; there is one more kind of artifact and one more
    architecture.
    """
    newer = Newer(site, keys)
    state = json.loads((site / layout.STATE).read_bytes())
    state |= {"engine": "9.0.0", "tomorrow": {"a": 1}}
    extra = b"a bill of materials"
    manifest_path = "releases/v1.36.4-1/manifest.json"
    old_digest = files.sha256((site / manifest_path).read_bytes())
    manifest = json.loads((site / manifest_path).read_bytes())
    kept = manifest | {"tomorrow": 1}
    kept["artifacts"] = [
        *manifest["artifacts"],
        {
            "name": "sbom.json", "kind": "sbom", "os": "linux", "arch": "s390x", "new": True,
            "url": "releases/v1.36.4-1/sbom.json", "size": len(extra),
            "sha256": files.sha256(extra), "media_type": "application/json",
        },
    ]  # fmt: skip
    return newer_site(newer, state, manifest_path, old_digest, kept, extra)


def newer_site(
    newer: Newer, state: dict[str, object], path: str, old: str, manifest: object, extra: bytes
) -> Newer:
    data = files.canonical_json(manifest)
    newer.sign(path, data)
    newer.write("releases/v1.36.4-1/sbom.json", extra)
    graph = (newer.root / layout.GRAPH).read_bytes()
    graph = graph.replace(old.encode(), files.sha256(data).encode())
    graph_copy = layout.graph_copy(files.sha256(graph))
    newer.write(layout.GRAPH, graph)
    newer.sign(graph_copy, graph)
    copies: dict[str, object] = {}
    documents: dict[str, bytes] = {}
    for live in (
        "channels/latest.json",
        "channels/stable.json",
        "channels/stable-1.36.json",
        layout.INDEX,
    ):
        table = json.loads(
            (newer.root / live).read_bytes().replace(old.encode(), files.sha256(data).encode())
        )
        table["tomorrow"] = {"b": 2}
        if live == layout.INDEX:
            table |= {"graph_url": graph_copy, "graph_sha256": files.sha256(graph)}
        table["releases"][0]["tomorrow"] = 3
        text = files.canonical_json(table)
        digest = files.sha256(text)
        name = Path(live).stem
        copy = (
            layout.index_copy(1, digest)
            if live == layout.INDEX
            else layout.channel_copy(name, 1, digest)
        )
        newer.write(live, text)
        newer.sign(copy, text)
        documents[copy] = text
        copies[name] = {"sequence": 1, "sha256": digest, "new": "c"}
    state["index"] = copies.pop("index")
    state["channels"] = copies
    text = files.canonical_json(state)
    copy = layout.state_copy(1, files.sha256(text))
    newer.sign(copy, text)
    backup = backups.backup(copy, {copy: text, **documents})
    assert isinstance(backup.content, bytes)
    newer.write(backup.path, backup.content)
    newer.write(layout.STATE, text)
    vouch(newer.root, newer.keys, text, now=NOW)
    return newer


def problems(site: str, now: int = NOW) -> list[str]:
    report = verify.verify(site, [], now=now)
    return [f"{finding.place}: {finding.problem}" for finding in report.findings]


def test_a_site_of_tomorrows_engine_is_sound_to_this_one(site: Path, keys: Keys) -> None:
    with_tomorrows_documents(site, keys)
    assert [
        line
        for line in problems(str(site))
        if "SHA256SUMS" not in line and "provenance" not in line
    ] == []


def test_this_engine_publishes_on_a_site_of_tomorrow_and_keeps_what_it_does_not_know(
    home: Settings, keys: Keys, build: Callable[..., Settings], tmp_path: Path
) -> None:
    site = Path(home.site)
    with_tomorrows_documents(site, keys)
    schemas = {path.name: path.read_bytes() for path in (site / "schemas").iterdir()}
    before = set(problems(home.site))
    build(site.parent, "v1.36.3", site=str(tmp_path / "scratch"))
    settings = home.model_copy(update={"now": NOW + 60, "channels": ("stable",)})
    publish.publish(Workspace(home.dist / "v1.36.3-1"), settings, shipped(), keys)
    assert set(problems(home.site, NOW + 60)) == before
    for path in ("channels/stable.json", layout.INDEX):
        table = json.loads((site / path).read_bytes())
        assert table["tomorrow"] == {"b": 2}
        known = {release["name"]: release for release in table["releases"]}
        assert known["v1.36.4-1"]["tomorrow"] == 3
        assert "tomorrow" not in known["v1.36.3-1"]
    state = json.loads((site / layout.STATE).read_bytes())
    assert (state["number"], state["engine"], state["tomorrow"]) == (2, "9.0.0", {"a": 1})
    assert {path.name: path.read_bytes() for path in (site / "schemas").iterdir()} == schemas
    channels.rollback(
        "stable", settings.model_copy(update={"now": NOW + 120}), shipped(), keys, None
    )
    assert set(problems(home.site, NOW + 120)) == before


def test_an_architecture_that_this_engine_does_not_know_stays_in_its_channel(
    home: Settings, keys: Keys, build: Callable[..., Settings], tmp_path: Path
) -> None:
    """A channel that an engine of tomorrow made for one architecture more."""
    site = Path(home.site)

    def wider(draft: Draft) -> None:
        for name in draft.names:
            record = draft.published(name)
            assert record is not None
            new = renewed(record, now=NOW + 30, repo_key=keys.fingerprint)
            new = new.model_copy(update={"architectures": (*new.architectures, "riscv64")})
            draft.put(new, contents.from_releases(draft.reader, new, ()))

    edit(home.model_copy(update={"now": NOW + 30}), shipped(), keys, wider)
    assert problems(home.site, NOW + 30) == []
    build(site.parent, "v1.36.3", site=str(tmp_path / "scratch"))
    settings = home.model_copy(update={"now": NOW + 60, "channels": ("stable",)})
    publish.publish(Workspace(home.dist / "v1.36.3-1"), settings, shipped(), keys)
    assert problems(home.site, NOW + 60) == []
    release = (site / "apt/dists/stable/Release").read_text()
    assert "Architectures: amd64 riscv64\n" in release
    assert (site / "yum/stable/riscv64/repodata/repomd.xml").is_file()
    packages = (site / "apt/dists/stable/main/binary-riscv64/Packages").read_text()
    assert "Package: kubernetes-node" in packages, "what is for all architectures is for it too"


SITES = Path(__file__).parent / "sites"
OLD_KEYS = Path(__file__).parent / "golden" / "keys"


def test_there_is_a_site_of_every_format() -> None:
    names = {path.name for path in SITES.glob("*.tar.xz")}
    assert names == {f"format-{version}.tar.xz" for version in range(1, FORMAT + 1)}


@pytest.mark.parametrize("archive", sorted(SITES.glob("*.tar.xz")), ids=lambda path: path.name)
def test_todays_engine_verifies_a_site_of_an_earlier_format_and_publishes_on_it(
    archive: Path, tmp_path: Path, compiled: dict[str, object]
) -> None:
    """Where packages changed meanwhile without a new revision, it says so instead: then raise
    that.
    """
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path, filter="data")
    site = tmp_path / archive.name.removesuffix(".tar.xz")
    later = NOW + 200
    assert problems(str(site), later) == []
    before = {path for path in site.rglob("*") if path.is_file()}
    settings = Settings(
        dist=tmp_path / "dist", cache=tmp_path / "cache",
        site=str(site), now=later, architectures=(Arch.amd64,), channels=("stable-1.35",),
    ).model_copy(update=compiled)  # fmt: skip
    two = Keys(
        repo=repo_key(f"file:{OLD_KEYS}/repo-key.asc", now=later),
        artifact=artifact_key(f"file:{OLD_KEYS}/artifact-key.pem"),
    )
    with pytest.raises(RequestError, match=r"--freshness-key: not given.*`kubewright key init`"):
        release.release("v1.35.9", settings, shipped(), two)
    old = rooted(two, tmp_path, now=later)
    _, _, changes = release.release("v1.35.9", settings, shipped(), old)
    assert changes != []
    assert problems(str(site), later) == []
    channels.rollback(
        "stable-1.36", settings.model_copy(update={"now": later + 1}), shipped(), old, 2
    )
    assert problems(str(site), later + 1) == []
    assert all(path.is_file() for path in before), "nothing that was published is gone"


def test_schemas_say_what_they_are_and_what_every_field_means() -> None:
    ids = set()
    for name, model in DOCUMENTS.items():
        schema = model.json_schema()
        assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
        assert re.fullmatch("urn:kubewright:[a-z-]+:1", schema["$id"])
        ids.add(schema["$id"])
        tables = {name: schema, **schema.get("$defs", {})}
        silent = []
        for title, table in tables.items():
            for key, part in table.get("properties", {}).items():
                if not part.get("description"):
                    silent.append(f"{title}.{key}")
        assert silent == [], name
    assert len(ids) == len(DOCUMENTS)


def test_schemas_name_the_format_of_days_and_addresses() -> None:
    manifest = Manifest.json_schema()["$defs"]
    assert manifest["File"]["properties"]["url"]["format"] == "uri-reference"
    end = manifest["ReleaseFacts"]["properties"]["end_of_life"]["anyOf"][0]
    assert end["format"] == "date"
