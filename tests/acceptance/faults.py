"""Deliberate faults: each must be named where a person would look, and what is advised there must
end it.
"""

import time
from collections.abc import Callable, Sequence

import cluster
from engine import Failed
from lab import Chapters, Lab, Steps
from notice import notice
from supply import KEYS, channel, front_page

DAY = 86400
"""Seconds."""

DOCKERS = """#   As Docker's package containerd.io ships it.
disabled_plugins = ["cri"]
"""
"""/etc/containerd/config.toml of containerd.io, without its comments."""

REMEDIED = """disabled_plugins = []
imports = ["/etc/containerd/conf.d/*.toml"]
"""
"""The same, after what kube-node-check advises."""

PLAIN = """apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: v{version}
imageRepository: {registry}
"""
"""What `kubeadm init` gets on an ordinary machine: nothing in it accepts control groups v1."""


def expired_repository(lab: Lab, version: str) -> Steps:
    """Valid-Until in InRelease is over."""
    supply, suite = lab.supply, channel(version)
    past = str(int(time.time()) - 3 * DAY)

    def publish_in_the_past() -> None:
        supply.clear()
        supply.release(version, "--valid-for", "1", "--now", past)

    return [
        ("the site is published as of three days ago, --valid-for 1", publish_in_the_past),
        ("a clean machine starts", lambda: machine(lab, "fresh")),
        (
            "the front page's commands: apt refuses the repository",
            lambda: notice(
                "front page's commands",
                follow(lab, "fresh", version),
                [
                    f"/apt/dists/{suite}/InRelease is expired",
                    "Updates for this repository will not be applied",
                ],
                "leave apt's check on; tell those who run the site, who see a later step and run "
                "kubewright refresh",
            ),
        ),
        ("nothing of ours is installed", lambda: nothing_installed(lab, "fresh")),
        (
            "kubewright verify: names the suite and what to do",
            lambda: notice(
                "kubewright verify",
                verify(lab),
                [
                    f"FAILED apt/dists/{suite}/InRelease: expired at",
                    "run `kubewright refresh`",
                    "exit code 5\n",
                ],
            ),
        ),
        ("kubewright refresh", lambda: verb(lab, "refresh", "--url", lab.network.site)),
        (
            "kubewright verify and apt-get update are content",
            lambda: sound(lab, "fresh", "apt-get update"),
        ),
    ]


def tampered_package(lab: Lab, version: str) -> Steps:
    """One bit of a package is another one than was published."""
    name = f"apt/pool/main/k/kubelet/kubelet_{version}-1_amd64.deb"
    return [
        ("a byte of kubelet's package changes on the site", lambda: tamper(lab, name)),
        ("a clean machine starts", lambda: machine(lab, "fresh")),
        (
            "the front page's commands: apt refuses the package",
            lambda: notice(
                "front page's commands",
                follow(lab, "fresh", version),
                [
                    "Hash Sum mismatch",
                    f"E: Failed to fetch {lab.network.site}/{name}",
                    "exit code 100.",
                ],
                "try past any proxy; then tell those who run the site, who see a later step and "
                "run `kubewright repair`",
            ),
        ),
        ("nothing of ours is installed", lambda: nothing_installed(lab, "fresh")),
        (
            "kubewright verify: names the object and what to do",
            lambda: notice(
                "kubewright verify",
                verify(lab),
                [
                    f"FAILED {name}: its SHA-256 is not the one",
                    "run `kubewright repair`",
                    "exit code 5\n",
                ],
            ),
        ),
        ("kubewright repair", lambda: repair(lab)),
        (
            "kubewright verify is content, and kubernetes-node installs",
            lambda: sound(lab, "fresh", "apt-get install kubernetes-node"),
        ),
    ]


def cri_disabled(lab: Lab, version: str) -> Steps:
    """containerd runs without its CRI plugin."""
    join = (
        "kubeadm join 10.0.0.1:6443 --token abcdef.0123456789abcdef "
        "--discovery-token-unsafe-skip-ca-verification "
        "--cri-socket unix:///run/containerd/containerd.sock "
        "--ignore-preflight-errors=SystemVerification"
    )
    return [
        (
            "a clean machine installs kubernetes-node",
            lambda: installed(lab, "fresh", version, "kubernetes-node"),
        ),
        (
            "containerd gets the configuration of Docker's containerd.io",
            lambda: containerd(lab, "fresh", DOCKERS),
        ),
        (
            "kube-node-check: fails, and says what to do",
            lambda: notice(
                "kube-node-check",
                said(lab, "fresh", "kube-node-check"),
                [
                    "fail  containerd-cri: disabled",
                    "out of disabled_plugins in /etc/containerd/config.toml",
                    'put imports = ["/etc/containerd/conf.d/*.toml"] at the top of '
                    "/etc/containerd/config.toml, before the first [table]",
                    "exit code 1.",
                ],
            ),
        ),
        (
            "kubeadm join: its preflight fails",
            lambda: notice(
                "kubeadm join",
                said(lab, "fresh", join),
                ["[ERROR CRI]", "unknown service runtime.v1.RuntimeService", "exit code 1."],
                "kube-node-check says what to do",
            ),
        ),
        ("what kube-node-check advises is done", lambda: containerd(lab, "fresh", REMEDIED)),
        ("kube-node-check is content with the runtime", lambda: content(lab, "fresh", "node")),
    ]


def cgroup_v1(lab: Lab, version: str) -> Steps:
    """Nothing accepts this machine's control groups v1."""
    plain = PLAIN.format(version=version, registry=lab.network.registry)
    init = "kubeadm init --config /etc/kubernetes/plain.yaml"
    start = (
        "kubeadm init phase kubelet-start --config /etc/kubernetes/plain.yaml; sleep 2; "
        "journalctl -qu kubelet"
    )
    return [
        (
            "a clean machine installs kubernetes-control-plane",
            lambda: installed(lab, "cp", version, "kubernetes-control-plane"),
        ),
        (
            "kube-node-check: fails, and says what to do",
            lambda: notice(
                "kube-node-check",
                said(lab, "cp", "kube-node-check --role control-plane"),
                ["fail  cgroup-version: v1", "failCgroupV1: false", "exit code 1."],
            ),
        ),
        (
            "kubeadm's configuration accepts nothing",
            lambda: lab.engine.put("cp", "/etc/kubernetes/plain.yaml", plain),
        ),
        (
            "kubeadm init: its preflight fails",
            lambda: notice(
                "kubeadm init",
                said(lab, "cp", init),
                [
                    "[ERROR SystemVerification]: cgroups v1 support",
                    "'FailCgroupV1' to 'false'",
                    "exit code 1.",
                ],
            ),
        ),
        (
            "kubelet, started all the same: its journal says why it ends",
            lambda: notice(
                "journal of kubelet",
                said(lab, "cp", start),
                ["kubelet is configured to not run on a host using cgroup v1"],
                "kube-node-check says what to do",
            ),
        ),
        ("kubelet stops", lambda: stop_kubelet(lab)),
        ("kubeadm init with what kube-node-check advises", lambda: accepted(lab)),
        ("cp: Ready", lambda: lab.wait("node/cp")),
        ("kube-node-check warns of what it refused before", lambda: warned(lab)),
    ]


FAULTS: dict[str, tuple[str, Callable[[Lab, str], Steps]]] = {
    "expired-repository": ("Fault: the repository has expired", expired_repository),
    "tampered-package": ("Fault: a package was tampered with", tampered_package),
    "cri-disabled": ("Fault: containerd's CRI plugin is disabled", cri_disabled),
    "cgroup-v1": ("Fault: nothing accepts control groups v1", cgroup_v1),
}
"""What `--fault` takes: the chapter's title, and its steps."""


def chapters(lab: Lab, names: Sequence[str], version: str) -> Chapters:
    """The chapters of faults."""
    return [(FAULTS[name][0], FAULTS[name][1](lab, version)) for name in names]


def machine(lab: Lab, name: str) -> None:
    """A clean machine, in the place of the one that an earlier fault had."""
    lab.engine.discard(name)
    lab.start(name)


def said(lab: Lab, name: str, script: str) -> str:
    """What a machine says of a script, and its exit code."""
    return lab.shell(name, f"({script}\n) 2>&1; echo exit code $?.")


def follow(lab: Lab, name: str, version: str) -> str:
    """What a machine says of the commands of the site's front page, and the exit code of the one
    that failed.
    """
    script = f"set -ex\n{front_page(lab.supply.manifest(version))}"
    return lab.as_person(name, f"({script}\n) 2>&1; echo exit code $?.")


def installed(lab: Lab, name: str, version: str, package: str) -> None:
    """A clean machine with a package of ours."""
    machine(lab, name)
    heard = follow(lab, name, version)
    lab.shell(name, f"apt-get install {package}")
    if "kube-node-check" not in heard:
        raise Failed(f"{name}: the front page's commands do not end with kube-node-check:\n{heard}")


def verify(lab: Lab) -> str:
    """What `kubewright verify` says of the site, and its exit code."""
    try:
        said = lab.supply.kubewright("verify", str(lab.supply.site), *KEYS)
        return f"{said}exit code 0."
    except Failed as failure:
        return str(failure)


def repair(lab: Lab) -> None:
    """Restore what is damaged, from the releases in dist/."""
    verb(lab, "repair", settings=lab.supply.settings(lab.network.registry))


def verb(lab: Lab, *words: str, settings: Sequence[str] = ()) -> None:
    """Run a verb as the site's owner."""
    lab.report.show(f"kubewright {words[0]}", lab.supply.kubewright(*words, settings=settings))


def sound(lab: Lab, name: str, command: str) -> None:
    """Both who looked before find nothing any more."""
    heard = verify(lab)
    if "all sound" not in heard:
        raise Failed(f"kubewright verify: the site is not sound again:\n{heard}")
    lab.shell(name, command)


def tamper(lab: Lab, name: str) -> None:
    """Put another file in the place of a published one: one bit differs."""
    path = lab.supply.site / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    other = path.with_suffix(".other")  # dist/ may have the published file by a hard link
    other.write_bytes(data)
    other.rename(path)


def nothing_installed(lab: Lab, name: str) -> None:
    """No package of the release is there, not even in part."""
    there = lab.shell(
        name, "dpkg-query -W -f '${Package} ${db:Status-Abbrev}\n' 'kube*' 2>/dev/null || true"
    )
    if there.strip():
        raise Failed(f"{name}: apt refused one package and yet installed:\n{there}")


def containerd(lab: Lab, name: str, settings: str) -> None:
    """Give containerd this configuration."""
    lab.engine.put(name, "/etc/containerd/config.toml", settings)
    lab.shell(name, "systemctl restart containerd")
    lab.report.show("/etc/containerd/config.toml", settings)


def content(lab: Lab, name: str, role: str) -> None:
    """kube-node-check finds nothing but what this kernel is."""
    heard = lab.shell(name, f"kube-node-check --role {role}", check=False)
    bad = [line for line in heard.splitlines() if line.startswith(("fail", "warn"))]
    bad = [line for line in bad if not line.startswith(cluster.UNLIKE_A_MACHINE)]
    if bad or "containerd-cri: enabled" not in heard:
        raise Failed(f"{name}: kube-node-check still says {bad}:\n{heard}")
    lab.report.show("kube-node-check", heard)


def stop_kubelet(lab: Lab) -> None:
    """As `kubeadm reset` does, without the rest of it."""
    lab.shell(
        "cp",
        "systemctl stop kubelet; rm -r /var/lib/kubelet/config.yaml "
        "/var/lib/kubelet/kubeadm-flags.env",
    )


def accepted(lab: Lab) -> None:
    """kubeadm init, with a configuration that accepts control groups v1."""
    lab.configure("cp")
    lab.init("cp")


def warned(lab: Lab) -> None:
    """A node that accepts control groups v1 is warned of them."""
    heard = lab.shell("cp", "kube-node-check --role control-plane")
    if "warn  cgroup-version: v1" not in heard:
        raise Failed(f"cp: kube-node-check has no word about control groups v1 any more:\n{heard}")
    lab.report.show("kube-node-check --role control-plane", heard)
