"""Names, paths and addresses in documents mean one thing, whoever reads them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from kubewright import kubernetes_versions
from kubewright.errors import VerificationFailed
from kubewright.models.base import (
    MirrorPath,
    PlainName,
    PublicUrl,
    RelativePath,
    ReleaseName,
    Sha256,
    Version,
    plain_path,
)
from kubewright.models.document import Document
from kubewright.models.manifest import Manifest
from kubewright.models.site import Channel, ChannelName, Index, State
from kubewright.settings import Settings

BASE = "https://packages.example.org/k8s/"


def reads(kind: Any, text: str) -> bool:
    try:
        return bool(TypeAdapter(kind).validate_python(text) == text)
    except ValidationError:
        return False


PATHS = [
    "index.html",
    "apt/pool/main/k/kubelet/kubelet_1.36.4-1_amd64.deb",
    "apt/pool/main/d/docker-ce/docker-ce_29.6.2~rc1+git-1_amd64.deb",
    "yum/pool/kubelet-1.36.4~rc.1-1.x86_64.rpm",
    f"releases/v1.36.4-1/images/etcd@{'0' * 64}.payload.json",
    "images/layout/blobs/sha256/" + "a" * 64,
    "@repo/templates/x",
]

NO_PATHS = [
    "", "/", "/etc/passwd", "//evil.example/x", "a//b", "a/", "a/./b", "./a", "../a", "a/../b",
    "..", "file:/etc/passwd", "file:a", "http:/evil.example/x", "http://evil.example",
    "javascript:alert", "C:/x", "c:x", "a/b:c", "data:,x",
    "%2e%2e/a", "a/%2E%2E/b", "a%2fb", "a%00", "%", "a/%252e%252e/b",
    "-rf", "a/-rf", ".ssh/keys", "a/.kubewright/lock", "...",
    "a\\b", "\\\\host\\share", "a b", " a", "a ", "a\tb", "a\nb", "a\n", "a/b\n", "\na", "a\r",
    "a\x00b", "a\x1b[2Jb", "a?b", "a#b", "a;b", "a&b", "a|b", "a*", "$(id)", "`id`", "a'b", 'a"b',
    "<script>", "~root/x/\u202e", "\uff41/b", "a\u2028b", "é", "a\u00adb",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_a_path_of_a_document_is_read(path: str) -> None:
    assert reads(RelativePath, path)
    assert urljoin(BASE, path) == BASE + path


@pytest.mark.parametrize("path", NO_PATHS)
def test_a_path_that_means_something_else_to_somebody_is_refused(path: str) -> None:
    assert not reads(RelativePath, path)
    assert "/" in path or not reads(PlainName, path)


@given(st.text(st.sampled_from("ab.-/%:\\~@+ \n?#2eE"), max_size=12))
def test_whatever_is_read_stays_below_its_base_for_every_reader(path: str) -> None:
    if not reads(RelativePath, path):
        return
    joined = urlsplit(urljoin(BASE, path))
    assert joined.geturl() == BASE + path
    assert unquote(joined.path) == joined.path
    assert joined.query + joined.fragment == ""
    root = Path("/srv/site")
    assert (root / path).relative_to(root).parts == tuple(path.split("/"))
    assert not any(part.startswith((".", "-")) for part in path.split("/"))


@pytest.mark.parametrize(
    ("path", "right"),
    [
        ("pool/main/i/iptables/iptables_1.8.9-2_amd64.deb", True),
        ("pool/main/s/shadow/passwd_1%3a4.13_amd64.deb", True),
        ("pool/main/c/conntrack-tools/conntrack_1%3a1.4.7-1%2bb2%7e1_amd64.deb", True),
        ("pool/%2e%2e/x", False),
        ("pool/x%2e%2e%2fy", False),
        ("pool/x%00", False),
        ("pool/x%", False),
        ("pool/a%3a%2e", False),
        ("%3a/x", False),
        ("/pool/x", False),
        ("pool/x\n", False),
    ],
)
def test_a_mirror_of_debian_may_escape_what_versions_have(path: str, right: bool) -> None:
    assert reads(MirrorPath, path) == right


RELEASES = {
    "v1.36.4-1": True,
    "v1.37.0-rc.1-2": True,
    "v1.36.4": False,
    "1.36.4-1": False,
    "v1.36.4-1\n": False,
    "v1.36.4-1/..": False,
    "v1.36.4-1\x1b[2J": False,
    "v1.36.4-1 ": False,
    "v1/../../x-1": False,
    "v1.36.4-\u0661": False,
    "-1": False,
    "": False,
}
CHANNELS = {
    "stable": True,
    "stable-1.36": True,
    "latest": True,
    "pool": False,
    "snapshots": False,
    "stable\n": False,
    "Stable": False,
    "-stable": False,
    "a/b": False,
    "a..b": False,
    "": False,
    "st\u0430ble": False,
}
ADDRESSES = {
    "": True,
    "https://packages.example.org": True,
    "http://127.0.0.1:8080/a~b/c+d/": True,
    "http://[::1]:8080": True,
    "https://x/$(id)": False,
    "https://x/`id`": False,
    "https://x/a;b": False,
    "https://x/a'b": False,
    "https://x/a b": False,
    "https://x/\n": False,
    "https://x\n": False,
    "https://me:secret@x": False,
    "https://x/a?token=b": False,
    "https://x/<b>": False,
    "ftp://x": False,
    "file:///etc": False,
    "javascript:alert(1)": False,
    "//x": False,
    "https://": False,
}


@pytest.mark.parametrize(
    ("kind", "table"),
    [(ReleaseName, RELEASES), (ChannelName, CHANNELS), (PublicUrl, ADDRESSES)],
    ids=["releases", "channels", "addresses"],
)
def test_names_and_addresses_have_a_pattern(kind: object, table: dict[str, bool]) -> None:
    assert {text: reads(kind, text) for text in table} == table


@pytest.mark.parametrize("url", [url for url, right in ADDRESSES.items() if not right])
def test_an_address_that_no_document_may_have_is_refused_when_it_is_asked_for(url: str) -> None:
    with pytest.raises(ValidationError, match=r"not an address|name or password"):
        Settings(cache=Path("cache"), now=0, url=url)


# Python's `$` lets a newline stand behind


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (lambda text: reads(Sha256, text), "a" * 64),
        (lambda text: reads(Version, text), "1.36.4"),
        (kubernetes_versions.read, "1.36.4"),
        (plain_path, "a/b"),
    ],
    ids=["digest", "version", "kubernetes", "path"],
)
def test_a_newline_at_the_end_is_no_end(read: Callable[[str], object], text: str) -> None:
    assert read(text)
    for more in ("\n", "\r", "\r\n", "\n\n", " "):
        assert not read(text + more)


# Documents


def first(table: dict[str, object], *keys: str | int) -> dict[str, object]:
    for key in keys:
        table = table[key]  # type: ignore[assignment,index]
    return table


FIELDS: dict[str, tuple[type[Document], str, tuple[str | int, ...], str]] = {
    "manifest of a channel": (Channel, "channels/stable.json", ("releases", 0), "manifest_url"),
    "release of a channel": (Channel, "channels/stable.json", ("releases", 0), "name"),
    "address of a channel": (Channel, "channels/stable.json", (), "url"),
    "name of a channel": (Channel, "channels/stable.json", (), "channel"),
    "manifest of the index": (Index, "releases/index.json", ("releases", 0), "manifest_url"),
    "release of the index": (Index, "releases/index.json", ("releases", 0), "name"),
    "graph of the index": (Index, "releases/index.json", (), "graph_url"),
    "key of the state": (State, "publications/site.json", ("keys", 0), "id"),
    "address of the state": (State, "publications/site.json", (), "url"),
    "file of a manifest": (Manifest, "releases/v1.36.4-1/manifest.json", ("artifacts", 0), "url"),
    "name of a file": (Manifest, "releases/v1.36.4-1/manifest.json", ("artifacts", 0), "name"),
    "package of a manifest": (Manifest, "releases/v1.36.4-1/manifest.json", ("packages", 0), "url"),
    "release of a manifest": (Manifest, "releases/v1.36.4-1/manifest.json", ("release",), "name"),
    "key of a manifest": (Manifest, "releases/v1.36.4-1/manifest.json", ("keys", 0), "url"),
}


@pytest.mark.parametrize(
    "text", ["file:/etc/passwd", "http://evil.example/x\n", "%2e%2e/x", "\x1b[2Jx", "a/b\n", "-rf"]
)
@pytest.mark.parametrize("field", FIELDS)
def test_a_document_with_such_a_name_is_damaged_there(
    released: Settings, field: str, text: str
) -> None:
    model, path, keys, name = FIELDS[field]
    table = json.loads((Path(released.site) / path).read_bytes())
    model.read(json.dumps(table).encode(), path)
    first(table, *keys)[name] = text
    with pytest.raises(VerificationFailed, match=rf"^{path}: damaged at .*{name}"):
        model.read(json.dumps(table).encode(), path)
