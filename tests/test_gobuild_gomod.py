"""hyperkube's go.mod: rendered from a release's own, and compared with the lock."""

import pytest

from kubewright.errors import RequestError, VerificationFailed
from kubewright.gobuild import gomod

RELEASE = """\
// What a release's go.mod looks like, shortened.
module k8s.io/kubernetes

go 1.26.0

godebug default=go1.26

require (
	github.com/spf13/cobra v1.10.2
	go.etcd.io/etcd/client/v3 v3.6.8
	k8s.io/api v0.0.0
	k8s.io/klog/v2 v2.140.0
)

require (
	go.etcd.io/etcd/server/v3 v3.6.8 // indirect
)

replace (
	k8s.io/api => ./staging/src/k8s.io/api
	k8s.io/kubelet => ./staging/src/k8s.io/kubelet
)
"""

RENDERED = """\
module hyperkube

go 1.26.0

godebug default=go1.26

require (
	go.etcd.io/etcd/etcdctl/v3 v3.6.8
	go.etcd.io/etcd/etcdutl/v3 v3.6.8
	go.etcd.io/etcd/server/v3 v3.6.8
	k8s.io/kubernetes v1.36.2
)

replace (
	k8s.io/api => k8s.io/api v0.36.2
	k8s.io/kubelet => k8s.io/kubelet v0.36.2
)
"""


def release() -> gomod.GoMod:
    return gomod.parse(RELEASE, "the release")


def lock(text: str = RENDERED) -> gomod.GoMod:
    return gomod.parse(text, "the lock")


def test_a_release_is_rendered() -> None:
    assert gomod.render("1.36.2", release()) == RENDERED


def test_a_known_commit_is_kept_in_the_lock() -> None:
    commit = "24e2b02af5543d7910c2bb074c7264df5a8f0467"
    assert lock(gomod.render("1.36.2", release(), commit)).commit == commit


def test_what_is_required_and_replaced_is_read() -> None:
    found = release()
    assert found.etcd == "3.6.8"
    assert found.requires["go.etcd.io/etcd/server/v3"] == "v3.6.8"
    assert found.staging == ("k8s.io/api", "k8s.io/kubelet")
    assert lock().replaces["k8s.io/api"] == "k8s.io/api v0.36.2"


def test_single_lines_outside_of_blocks_are_read() -> None:
    text = (
        "go 1.25.0\nrequire k8s.io/klog/v2 v2.140.0\n"
        "replace k8s.io/api => ./staging/src/k8s.io/api\n"
    )
    found = gomod.parse(text, "it")
    assert found.requires == {"k8s.io/klog/v2": "v2.140.0"}
    assert found.staging == ("k8s.io/api",)


@pytest.mark.parametrize(
    ("kubernetes", "published"),
    [("1.36.2", "v0.36.2"), ("1.37.0-rc.1", "v0.37.0-rc.1")],
)
def test_staging_modules_have_the_version_under_which_they_are_published(
    kubernetes: str, published: str
) -> None:
    assert gomod.staging_version(kubernetes) == published


def test_a_lock_that_was_tidied_is_what_the_release_asks_for() -> None:
    gomod.check(
        lock(RENDERED + "\nrequire github.com/x/y v1.0.0 // indirect\n"),
        "1.36.2",
        release(),
        "the lock",
    )


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("go 1.26.0", "go 1.25.0", "go 1.26.0"),
        ("default=go1.26", "default=go1.20", "godebug default=go1.26"),
        ("server/v3 v3.6.8", "server/v3 v3.6.7", "go.etcd.io/etcd/server/v3 v3.6.8"),
        ("k8s.io/api v0.36.2\n", "k8s.io/api v0.36.1\n", "k8s.io/api => k8s.io/api v0.36.2"),
        (
            "replace (\n",
            "replace (\n\tgithub.com/a/b => github.com/evil/b v1.0.0\n",
            "no replacement of github.com/a/b",
        ),
    ],
    ids=["go", "godebug", "etcd", "staging", "more"],
)
def test_a_lock_that_differs_from_its_release_is_refused(old: str, new: str, named: str) -> None:
    with pytest.raises(VerificationFailed, match=r"hyperkube lock v1\.36\.2") as caught:
        gomod.check(lock(RENDERED.replace(old, new, 1)), "1.36.2", release(), "the lock")
    assert f"`{named}`" in str(caught.value)


@pytest.mark.parametrize("text", ["", "go 1.26.0\n"], ids=["empty", "without staging modules"])
def test_what_is_no_release_is_refused(text: str) -> None:
    with pytest.raises(RequestError):
        gomod.render("1.36.2", gomod.parse(text, "it"))


@pytest.mark.parametrize(
    ("kubernetes", "tags"),
    [("1.36.5", ()), ("1.37.0-rc.1", ("kubernetes_1_37",)), ("1.40.0", ("kubernetes_1_37",))],
)
def test_build_tags_follow_the_release(kubernetes: str, tags: tuple[str, ...]) -> None:
    assert gomod.tags(kubernetes) == tags
