"""Access to clusters in the kubeconfigs of people: put in, taken out, and all else as it was."""

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from kubewright.clusters import kubeconfig
from kubewright.clusters.kubeconfig import Mark
from kubewright.errors import RequestError

DEV = Mark("dev", "ENGINE:ONE")
ACCESS = """\
apiVersion: v1
kind: Config
clusters:
- name: NAME
  cluster:
    server: https://127.0.0.1:PORT
    tls-server-name: kubernetes
    certificate-authority-data: QUJD
users:
- name: NAME
  user:
    client-certificate-data: QUJD
    client-key-data: QUJD
contexts:
- name: NAME
  context: {cluster: NAME, user: NAME}
current-context: NAME
"""

OTHERS = """\
# a comment
apiVersion: v1
kind: Config
preferences: {colors: true}
current-context: work
clusters:
- cluster: {server: "https://work.example.org", insecure-skip-tls-verify: true}
  name: work
contexts:
- context: {cluster: work, namespace: "0123", user: work}
  name: work
users:
- name: work
  user:
    token: 2026-11-30
    exec: {apiVersion: v1, command: login, args: ["yes", "1_000", 12:30:45, ~, on], env: null}
    client-key-data: |
      TWFueQ==
      bGluZXM=
"""


def access(name: str = "dev", port: int = 6443) -> str:
    return ACCESS.replace("NAME", name).replace("PORT", str(port))


def names(text: str, kind: str = "contexts") -> list[str]:
    return [entry["name"] for entry in yaml.safe_load(text)[kind] or ()]


def untyped(text: str) -> Any:
    """What a file says, each value as it is written."""
    return yaml.load(text, Loader=yaml.BaseLoader)


@pytest.mark.parametrize(
    "there",
    ["", "# nothing\n", "null\n", "apiVersion: v1\nkind: Config\nclusters: null\nusers: []\n", "{}",
     '{"apiVersion": "v1", "kind": "Config", "clusters": [], "contexts": null}', OTHERS],
    ids=["none", "comment", "null", "empty-lists", "braces", "json", "others"],
)  # fmt: skip
def test_access_goes_in_and_comes_out_again(there: str) -> None:
    merged = kubeconfig.merged(there, access(), DEV, "dev")
    said = yaml.safe_load(merged)
    assert said["current-context"] == "dev"
    assert (said["apiVersion"], said["kind"]) == ("v1", "Config")
    for kind in kubeconfig.LISTS:
        assert "dev" in names(merged, kind)
        assert len(names(merged, kind)) == len(names(there, kind) if there == OTHERS else []) + 1
    cluster = next(one["cluster"] for one in said["clusters"] if one["name"] == "dev")
    assert cluster["server"] == "https://127.0.0.1:6443"
    left = kubeconfig.without(merged, DEV)
    assert left is not None
    for kind in kubeconfig.LISTS:
        assert "dev" not in names(left, kind)
    assert kubeconfig.without(left, DEV) is None


def test_what_others_wrote_stays_as_they_wrote_it() -> None:
    merged = kubeconfig.merged(OTHERS, access(), DEV, "dev")
    left = kubeconfig.without(merged, DEV)
    assert left is not None
    before, after = untyped(OTHERS), untyped(left)
    assert after.pop("current-context") == ""
    assert before.pop("current-context") == "work"
    assert after == before
    assert "token: 2026-11-30\n" in left, "a date stays text"
    assert "12:30:45" in left, "a time does not become a number of seconds"


PLAIN = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | PLAIN,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(PLAIN, below, max_size=3),
    max_leaves=6,
)
ENTRIES = st.lists(st.dictionaries(PLAIN, VALUES, max_size=2), max_size=3)


@settings(max_examples=40)
@given(st.fixed_dictionaries(dict.fromkeys(kubeconfig.LISTS, ENTRIES)), VALUES, st.booleans())
def test_any_file_survives(lists: dict[str, list[Any]], more: Any, flow: bool) -> None:
    given: dict[str, Any] = {**lists, "more": more}
    for kind in kubeconfig.LISTS:
        given[kind] = [
            {"name": f"other{at}", kind[:-1]: body} for at, body in enumerate(given[kind])
        ]
    text = yaml.safe_dump(given, default_flow_style=flow, allow_unicode=True)
    left = kubeconfig.without(kubeconfig.merged(text, access(), DEV, "dev"), DEV)
    assert left is not None
    found = untyped(left)
    assert found.pop("current-context") == ""
    assert found == untyped(text)


def test_a_second_merge_takes_the_place_of_the_first() -> None:
    once = kubeconfig.merged("", access(port=6443), DEV, "dev")
    again = kubeconfig.merged(once, access("home", 7443), DEV, "home")
    assert names(again) == ["home"]
    assert "6443" not in again.replace("7443", "")


@pytest.mark.parametrize(
    "there",
    [
        access(),
        kubeconfig.merged("", access(), Mark("dev", "ANOTHER:ENGINE"), "dev"),
        kubeconfig.merged("", access(), Mark("other", DEV.engine), "dev"),
        "users: [{name: dev, user: {token: abc}}]",
    ],
    ids=["somebody's", "another-engine's", "another-cluster's", "only-a-user"],
)
def test_an_entry_of_somebody_elses_is_never_replaced(there: str) -> None:
    with pytest.raises(RequestError, match=r"has another entry 'dev' in its .*--context NAME"):
        kubeconfig.merged(there, access(), DEV, "dev", "config")
    assert kubeconfig.without(there, DEV) is None
    assert "mine" in names(kubeconfig.merged(there, access("mine"), DEV, "mine"))


@pytest.mark.parametrize(
    ("there", "why"),
    [("a: [", "expected"), ("- a", "is not a mapping"), ("clusters: {a: b}", "is not a list"),
     ("just text", "is not a mapping"), ("a: b\n---\nc: d\n", "single document"), ("\t", "")],
)  # fmt: skip
def test_a_file_that_is_no_kubeconfig_is_refused_and_kept(
    tmp_path: Path, there: str, why: str
) -> None:
    path = tmp_path / "config"
    path.write_text(there)
    with pytest.raises(RequestError, match=f"{path}: is no kubeconfig .*{why}.*KUBECONFIG"):
        kubeconfig.merge(path, access(), DEV, "dev")
    assert path.read_text() == there
    assert [one.name for one in tmp_path.iterdir()] == ["config"], "no lock is left"


def test_a_file_of_other_bytes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RequestError, match="is no kubeconfig"):
        kubeconfig.check(tmp_path / "config", DEV, "dev")


def test_a_new_file_is_its_owners_alone_and_an_old_one_keeps_its_mode_and_link(
    tmp_path: Path,
) -> None:
    new, target, link = tmp_path / "a" / "config", tmp_path / "dotfiles", tmp_path / "link"
    kubeconfig.merge(new, access(), DEV, "dev")
    assert new.stat().st_mode & 0o777 == 0o600
    target.write_text(OTHERS)
    target.chmod(0o640)
    link.symlink_to(target)
    if os.geteuid() == 0:
        os.chown(target, 1234, 1235)
    kubeconfig.merge(link, access(), DEV, "dev")
    assert link.is_symlink()
    assert target.stat().st_mode & 0o777 == 0o640
    assert "dev" in names(target.read_text())
    if os.geteuid() == 0:
        assert (target.stat().st_uid, target.stat().st_gid) == (1234, 1235)


def test_removing_looks_into_every_file_and_changes_those_that_have_it(tmp_path: Path) -> None:
    first, second, none = tmp_path / "first", tmp_path / "second", tmp_path / "none"
    first.write_text(OTHERS)
    kubeconfig.merge(second, access(), DEV, "dev")
    assert kubeconfig.remove([first, none, second], DEV) == (str(second),)
    assert first.read_text() == OTHERS
    assert not none.exists()
    assert kubeconfig.remove([first, second], DEV) == ()


def test_many_who_merge_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "config"
    threads = [
        threading.Thread(
            target=kubeconfig.merge,
            args=(path, access(f"dev{at}"), Mark(f"dev{at}", "E"), f"dev{at}"),
        )
        for at in range(8)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(names(path.read_text())) == [f"dev{at}" for at in range(8)]


def test_a_lock_that_stays_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubeconfig, "PATIENCE", 0.1)
    path = tmp_path / "config"
    lock = tmp_path / "config.lock"
    lock.touch()
    with pytest.raises(RequestError, match=f"{lock}: .*remove this file if no kubectl"):
        kubeconfig.merge(path, access(), DEV, "dev")
    lock.unlink()
    kubeconfig.merge(path, access(), DEV, "dev")


def test_kubectl_reads_it_and_keeps_the_mark(tmp_path: Path) -> None:
    kubectl = Path(sys.executable).with_name("kubectl")
    if not kubectl.is_file():
        pytest.skip("no kubectl from PyPI for this machine")
    path = tmp_path / "config"
    shutil.copyfile("/dev/null", path)
    kubeconfig.merge(path, access(), DEV, "dev")

    def ask(*words: str) -> str:
        argv = [str(kubectl), f"--kubeconfig={path}", "config", *words]
        return subprocess.run(argv, check=True, capture_output=True, text=True).stdout

    assert ask("current-context") == "dev\n"
    ask("set-context", "dev", "--namespace=kube-system")
    ask("set-cluster", "work", "--server=https://work.example.org")
    ask("set-context", "work", "--cluster=work")
    assert kubeconfig.remove([path], DEV) == (str(path),)
    assert ask("get-contexts", "--output=name") == "work\n"
    assert ask("get-clusters").split() == ["NAME", "work"]
