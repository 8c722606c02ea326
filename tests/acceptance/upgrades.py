"""A patch, then a minor, as docs/upgrade.md says: packages by apt, the control plane by kubeadm,
Pods meanwhile.
"""

import json
import re
from concurrent.futures import Future
from functools import partial

import cluster
import state
import traces
from engine import Failed
from lab import Lab, Steps
from pages import commands
from supply import channel

PAGE = "upgrade.md"
MACHINES = ("cp", "node1")


def patch(lab: Lab, old: str, new: str, *, meanwhile: Steps) -> Steps:
    """The chapter of a patch: apt and dnf on all machines, then kubeadm, which takes its time: then
    `meanwhile`.
    """
    return [
        *published(lab, new),
        *(
            (
                f"{one}: apt-get upgrade to {new}, Pods keep running",
                partial(packages, lab, one, old, new),
            )
            for one in MACHINES
        ),
        (
            f"docker1: apt-get upgrade to {new}, dockerd and Pods keep running",
            lambda: beside_docker(lab, old, new),
        ),
        (f"rpm1: dnf upgrade to {new}, Pods keep running", lambda: rpms(lab, old, new)),
        *control_plane(lab, new, meanwhile),
        *(
            (f"{one}: kubeadm upgrade node", partial(node, lab, one))
            for one in ("node1", "docker1", "rpm1")
        ),
        (
            f"the control plane's Pods are those of {new}, by digest",
            lambda: control_plane_runs(lab, new),
        ),
    ]


def minor(lab: Lab, old: str, new: str, *, meanwhile: Steps) -> Steps:
    """The chapter of a minor that is published: kubeadm and control plane first, then machine by
    machine, drained.
    """
    return [
        (
            "Pods that may be moved: a Deployment, a Service and a disruption budget",
            lambda: workload(lab, old),
        ),
        (f"both machines are fit for {new}", lambda: fit(lab, new)),
        (f"cp: {channel(new)}, kubeadm alone", lambda: kubeadm_alone(lab, "cp", old, new)),
        *control_plane(lab, new, meanwhile),
        (
            f"the control plane's Pods are those of {new}, by digest",
            lambda: control_plane_runs(lab, new),
        ),
        ("cp: drained; the Service answers", lambda: drain(lab, "cp")),
        (f"cp: apt-get upgrade to {new}", lambda: rest(lab, "cp", new)),
        (f"node1: {channel(new)}, kubeadm alone", lambda: kubeadm_alone(lab, "node1", old, new)),
        ("node1: kubeadm upgrade node", lambda: node(lab, "node1")),
        ("node1: drained; the Service answers", lambda: drain(lab, "node1")),
        (f"node1: apt-get upgrade to {new}", lambda: rest(lab, "node1", new)),
        ("Pods are back on both nodes and talk", lambda: back(lab)),
    ]


def published(lab: Lab, version: str) -> Steps:
    """A further release comes to the site that machines already use."""
    return [
        (f"{version} is released into the same site", lambda: lab.supply.release(version)),
        (f"the images of {version} are pushed", lambda: lab.supply.push(version)),
    ]


def typed(lab: Lab, machine: str, block: str, *, at: str | None = None) -> str:
    """Type a block of the page on `at` (else on the machine itself), with NODE set to the machine's
    name.
    """
    return lab.as_person(at or machine, script(machine, commands(PAGE, block)))


def script(machine: str, block: str) -> str:
    """A block with NODE set, as the page tells people to set it."""
    return f"set -eux\nNODE={machine}\n{block}"


def packages(lab: Lab, machine: str, old: str, new: str) -> None:
    """apt-get upgrade brings the new patch, nothing that is the same, and stops no container of the
    cluster.
    """
    before, running, earlier = (
        state.packages(lab, machine),
        state.containers(lab),
        state.unpacked(lab, machine),
    )
    wanted = {
        name: f"{new}-1" if version == f"{old}-1" else version for name, version in before.items()
    }
    typed(lab, machine, "patch-packages")
    version_is(lab, machine, new)
    state.same_containers(running, state.containers(lab))
    after = state.packages(lab, machine)
    lab.report.show(
        f"{machine}: packages before and after apt-get upgrade", state.changes(before, after)
    )
    expect(machine, f"not the packages of {new}", wanted, after)
    again = [
        name
        for name in state.unpacked(lab, machine)[len(earlier) :]
        if before.get(name) == after.get(name, "")
    ]
    if again:
        raise Failed(f"{machine}: apt installed again what did not change: {', '.join(again)}")
    if machine == MACHINES[-1]:
        lines = [f"{name}  {what}" for name, what in running.items()]
        lab.report.show(
            "containers that went on through apt-get upgrade on every machine", "\n".join(lines)
        )
    lab.check_packages(machine)


def beside_docker(lab: Lab, old: str, new: str) -> None:
    """A node with Docker gets the patch as any other does; Docker is not restarted."""
    asked = "systemctl show --property=InvocationID,ActiveEnterTimestamp docker"
    before = lab.shell("docker1", asked)
    packages(lab, "docker1", old, new)
    if (after := lab.shell("docker1", asked)) != before:
        raise Failed(f"docker1: dockerd should have gone on:\n{before}{after}")


def rpms(lab: Lab, old: str, new: str) -> None:
    """dnf brings the new patch to everything that was of the old one."""
    asked = "rpm --query --all --queryformat '%{NAME} %{VERSION}-%{RELEASE}\\n' | sort"
    before, running = lab.shell("rpm1", asked), state.containers(lab)
    typed(lab, "rpm1", "dnf-patch")
    version_is(lab, "rpm1", new)
    state.same_containers(running, state.containers(lab))
    after = lab.shell("rpm1", asked)
    lab.report.show("rpm1: packages before and after dnf upgrade", f"{before}\n{after}")
    if f"kubelet {old}-1\n" not in before or after != before.replace(f" {old}-1\n", f" {new}-1\n"):
        raise Failed(
            f"rpm1: not the packages of {new}, and the others as they were:\n{before}\n{after}"
        )


def expect(machine: str, why: str, wanted: dict[str, str], found: dict[str, str]) -> None:
    """Raise Failed unless a machine has the packages that it should have."""
    if wanted != found:
        raise Failed(
            f"{machine}: {why}; what should be there, and what is:\n{state.changes(wanted, found)}"
        )


def version_is(lab: Lab, machine: str, version: str) -> None:
    """The kubelet that runs is of a version, and its node is Ready."""
    words = f"get node {machine} -o jsonpath={{.status.nodeInfo.kubeletVersion}}"
    state.until(
        lambda: lab.kubectl(words), f"v{version}", f"{machine}: the version that kubelet reports"
    )
    lab.wait(f"node/{machine}")


def accept_control_groups(lab: Lab, machine: str) -> None:
    """On a machine with control groups v1, make `kubeadm upgrade` accept them, as kubeadm.yaml
    makes `init`.
    """
    if not traces.two():
        lab.engine.put(machine, "/usr/local/sbin/kubeadm", cluster.KUBEADM)
        lab.shell(machine, "chmod 755 /usr/local/sbin/kubeadm")


def control_plane(lab: Lab, version: str, meanwhile: Steps) -> Steps:
    """`kubeadm upgrade plan` offers the version, `apply` brings it; Pods of users go on.

    It waits minutes for kubelet to start one component after the other, in which `meanwhile` is
    done.
    """
    running: state.Containers = {}
    begun: list[Future[str]] = []

    def begin() -> None:
        accept_control_groups(lab, "cp")
        running.update(state.containers(lab, "-n default"))
        begun.append(lab.meanwhile("cp", script("cp", commands(PAGE, "control-plane"))))

    def end() -> None:
        said = begun[0].result()
        lab.report.show(f"cp: kubeadm upgrade to {version}", said)
        if not offers(said, version):
            raise Failed(f"kubeadm upgrade plan does not offer v{version}:\n{said}")
        settled(lab)
        state.same_containers(running, state.containers(lab, "-n default"))

    return [
        (f"cp: kubeadm upgrade plan and apply, {version}, are typed", begin),
        *((f"meanwhile: {name}", step) for name, step in meanwhile),
        (f"cp: kubeadm upgrade plan and apply, {version}, have ended", end),
    ]


def offers(said: str, version: str) -> bool:
    """Whether `kubeadm upgrade plan` ends with the command for a version; `set -x` says the version
    in any case.
    """
    return (
        re.search(rf"^\tkubeadm upgrade apply v{re.escape(version)}$", said, re.MULTILINE)
        is not None
    )


def settled(lab: Lab) -> None:
    """What runs everywhere is rolled out."""
    for what in ("daemonset/kube-proxy", "deployment/coredns"):
        state.patiently(
            partial(lab.kubectl, f"rollout status -n kube-system {what} --timeout=120s")
        )
    lab.wait(
        "pod -n kube-system --field-selector=status.phase!=Succeeded"
    )  # kubeadm's Job for its health check


def node(lab: Lab, machine: str) -> None:
    """`kubeadm upgrade node`."""
    accept_control_groups(lab, machine)
    running = state.containers(lab, "-n default")
    lab.report.show(f"{machine}: kubeadm upgrade node", typed(lab, machine, "node"))
    lab.wait(f"node/{machine}")
    state.same_containers(running, state.containers(lab, "-n default"))


def control_plane_runs(lab: Lab, version: str) -> None:
    """The API server says the version, and every Pod of kube-system is of an image of that
    release's manifest.
    """
    said = json.loads(lab.kubectl("get --raw /version"))["gitVersion"]
    if said != f"v{version}":
        raise Failed(
            f"cp: the API server is {said}, not v{version}; look at /etc/kubernetes/manifests"
        )
    wanted = {one["reference"] for one in lab.supply.manifest(version)["images"]}
    published: dict[
        str, set[str]
    ] = {}  # what did not change, like etcd, may be the image of an earlier release
    for image in (one for manifest in lab.supply.manifests() for one in manifest["images"]):
        published.setdefault(image["reference"], set()).add(image["index"])
    lines, wrong = [], []
    pods = lab.kubectl("get pods -n kube-system --field-selector=status.phase=Running -o json")
    for pod in json.loads(pods)["items"]:
        for one in pod["status"]["containerStatuses"]:
            image, digest = one["image"], one["imageID"].rpartition("@")[2]
            lines.append(f"{pod['metadata']['name']}  {image}  {digest}")
            wrong += [lines[-1]] if image not in wanted or digest not in published[image] else []
    lab.report.show(f"images of kube-system with {version}", "\n".join(sorted(lines)))
    if wrong:
        raise Failed(f"not images of the manifest of {version}:\n" + "\n".join(wrong))


def workload(lab: Lab, version: str) -> None:
    """In place of bare Pods, which `kubectl drain` refuses to delete, Pods that are started
    elsewhere.
    """
    lab.kubectl("delete --ignore-not-found pod/server pod/client service/server")
    lab.kubectl("apply -f -", stdin=cluster.deployment(lab.network, version))
    back(lab)


def back(lab: Lab) -> None:
    """A Pod of the Deployment on each machine, and the Service answers both."""
    lab.kubectl("rollout restart deployment/web")  # a drain leaves all Pods where they fled to
    lab.kubectl("rollout status deployment/web --timeout=120s")
    nodes = set(lab.kubectl("get pods -l app=web -o jsonpath={.items[*].spec.nodeName}").split())
    if nodes != set(MACHINES):
        raise Failed(
            f"the Deployment's Pods are on {', '.join(sorted(nodes))}, not on "
            f"{' and '.join(MACHINES)}"
        )
    answers(lab)


def answers(lab: Lab) -> None:
    """From a Pod, the Service answers by its name."""
    ask = "/usr/local/bin/kubectl get --raw /version --server=http://web.default.svc.cluster.local"
    said = lab.kubectl(f"exec deployment/web -- {ask}")
    if '"gitVersion"' not in said:
        raise Failed(f"the Service web does not answer from a Pod:\n{said}")


def fit(lab: Lab, new: str) -> None:
    """kube-node-check of the old minor reads what the site has of the new release."""
    for machine in MACHINES:
        said = typed(lab, machine, "fit")
        wanted = f"Kubernetes {new.rpartition('.')[0]}, role node: 0 failed"
        if wanted not in said:
            raise Failed(f"{machine}: kube-node-check does not say {wanted!r}:\n{said}")


def kubeadm_alone(lab: Lab, machine: str, old: str, new: str) -> None:
    """kubeadm goes first and takes nothing with it."""
    before = state.packages(lab, machine)
    typed(lab, machine, "minor-kubeadm")
    after = state.packages(lab, machine)
    expect(
        machine,
        f"kubeadm {new} alone was to come beside {old}",
        {**before, "kubeadm": f"{new}-1"},
        after,
    )


def drain(lab: Lab, machine: str) -> None:
    """The Pods move to the other machine, and the Service goes on answering."""
    typed(lab, machine, "drain", at="cp")
    words = f"get pods -l app=web --field-selector=spec.nodeName={machine} -o name"
    state.until(lambda: lab.kubectl(words), "", f"{machine}: Pods that should have moved")
    lab.kubectl("rollout status deployment/web --timeout=120s")
    answers(lab)


def rest(lab: Lab, machine: str, new: str) -> None:
    """kubelet, kubectl and the companions; the machine takes Pods again."""
    before = state.packages(lab, machine)
    offered = {
        one["package"]: one["version"]
        for one in lab.supply.manifest(new)["packages"]
        if one["format"] == "deb"
    }
    wanted = {name: offered[name] for name in before}
    typed(lab, machine, "minor-packages")
    version_is(lab, machine, new)
    after = state.packages(lab, machine)
    lab.report.show(f"{machine}: packages before and after the minor", state.changes(before, after))
    expect(machine, f"not what the manifest of {new} has", wanted, after)
    state.patiently(lambda: typed(lab, machine, "uncordon", at="cp"))
    settled(lab)
    lab.check_packages(machine)
