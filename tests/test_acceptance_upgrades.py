"""What the upgrade chapters of acceptance compare, and that they type all of docs/upgrade.md."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ACCEPTANCE = Path(__file__).parent / "acceptance"


@pytest.fixture(autouse=True)
def modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Import the run's modules as its script does."""
    monkeypatch.syspath_prepend(str(ACCEPTANCE))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_every_command_of_the_page_is_typed_by_a_chapter() -> None:
    from pages import blocks

    chapters = (ACCEPTANCE / "upgrades.py").read_text() + (ACCEPTANCE / "rollback.py").read_text()
    found = blocks("upgrade.md")
    assert found
    assert [name for name in found if f'"{name}"' not in chapters] == []


def test_the_commands_of_the_page_are_shell() -> None:
    from pages import blocks

    for name, text in blocks("upgrade.md").items():
        done = subprocess.run(["sh", "-n"], input=text, text=True, capture_output=True, check=False)
        assert (name, done.returncode, done.stderr) == (name, 0, "")


def test_a_container_that_was_started_again_is_named() -> None:
    import state
    from engine import Failed

    before = {"web/web": "uid 1 0 restarts", "etcd-cp/etcd": "uid 2 0 restarts"}
    state.same_containers(before, {**before, "new/new": "uid 3 0 restarts"})
    with pytest.raises(Failed, match=r"web/web: uid 1 0 restarts\n    now gone"):
        state.same_containers(before, {"etcd-cp/etcd": "uid 2 0 restarts"})


def test_packages_before_and_after_are_a_table() -> None:
    import state

    assert state.changes({"kubelet": "1.36.2-1", "etcd": "3.6.8-1"}, {"kubelet": "1.36.3-1", "etcd": "3.6.8-1"}) == (
        "etcd     3.6.8-1     unchanged\nkubelet  1.36.2-1    → 1.36.3-1"
    )
