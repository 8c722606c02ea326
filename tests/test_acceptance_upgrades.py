"""What the upgrade chapters of acceptance compare, and that docs/upgrade.md is shell."""

import subprocess

import pytest

pytestmark = pytest.mark.usefixtures("acceptance")


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

    assert state.changes(
        {"kubelet": "1.36.2-1", "etcd": "3.6.8-1"}, {"kubelet": "1.36.3-1", "etcd": "3.6.8-1"}
    ) == ("etcd     3.6.8-1     unchanged\nkubelet  1.36.2-1    → 1.36.3-1")


def test_a_version_that_the_plan_does_not_offer_is_not_read_from_the_echo_of_the_command() -> None:
    import upgrades

    typed = "+ sudo kubeadm upgrade plan v1.36.3\n{}+ sudo kubeadm upgrade apply --yes v1.36.3\n"
    offer = (
        "You can now apply the upgrade by executing the following command:\n\n"
        "\tkubeadm upgrade apply v1.36.3\n\n"
    )
    assert upgrades.offers(typed.format(offer), "1.36.3")
    assert not upgrades.offers(typed.format(""), "1.36.3")
    assert not upgrades.offers(typed.format(offer.replace("1.36.3", "1.36.30")), "1.36.3")
