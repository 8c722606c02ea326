"""A minor cannot be skipped: a machine at 1.35 that is pointed at 1.37 is refused, and stays as it
was.
"""

import difflib
import json
import re
import shutil
from itertools import chain

from engine import Failed
from lab import Lab, Steps
from supply import channel, front_page, minor

MACHINE, SITE = "skip", "old-site"

OVERRIDE = "/etc/kubewright/allow-minor-jump"

GUARDED = (
    "kubelet",
    "kubeadm",
    "kubernetes-runtime-containerd",
    "kubernetes-node",
    "kubernetes-control-plane",
)
"""The Kubernetes-versioned packages of a control plane, but for kubectl, which is on no node's
account.
"""

SERVICES = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy")
"""Those of a machine that runs components as units; nothing takes them along."""

TRIES = {
    "apt-get upgrade": {*GUARDED, *SERVICES},
    "apt-get install kubelet kubeadm kubernetes-node": set(GUARDED),
    **{f"apt-get install {name}": set(GUARDED) for name in GUARDED},
    **{f"apt-get install {name}": {name} for name in SERVICES},
}
"""What a person may type, and who must refuse: apt takes along what has to go along."""

STATE = """set -e
dpkg-query --show --showformat '${db:Status-Abbrev} ${Package} ${Version}\\n'
dpkg --audit
dpkg --verify
systemctl show --property=Id,UnitFileState,FragmentPath containerd kubelet
systemctl show --property=Id,ActiveState,InvocationID,ConditionTimestamp kubelet
"""
"""What must not change: every package and its state, their files, and the services."""


def steps(lab: Lab, version: str) -> Steps:
    """What is done beside a chapter; `version`, which is published, is two minors after the sample
    mirror's 1.35.
    """
    return [
        ("a second site, with 1.35 from the sample mirror", lambda: old_site(lab)),
        (
            f"{MACHINE}: kubernetes-control-plane 1.35 from it, and the services",
            lambda: install(lab),
        ),
        (f"{MACHINE}: apt's sources now name {channel(version)}", lambda: switch(lab, version)),
        (
            f"{MACHINE}: apt refuses to skip 1.36 in every way, and nothing changes",
            lambda: refuse(lab, version),
        ),
        (f"{MACHINE}: each package refuses by itself too", lambda: refuse_each(lab, version)),
        (f"{MACHINE}: the override that the message names", lambda: override(lab, version)),
    ]


def old_site(lab: Lab) -> None:
    """Release 1.35 on a site of its own, signed by the same keys, and serve it."""
    folder = lab.supply.work / "old"
    shutil.rmtree(folder, ignore_errors=True)  # an earlier run's; a site keeps what was published
    lab.supply.kubewright("mirror", "sample", f"{folder}/mirror", "--quiet")
    lab.supply.kubewright(
        "release",
        "1.35",
        "--upstream",
        f"{folder}/mirror",
        "--cache",
        f"{folder}/cache",
        "--dist",
        f"{folder}/dist",
        "--site",
        f"{folder}/site",
        "--channel",
        "stable-1.35",
        "--arch",
        "amd64",
        "--url",
        lab.network.url(SITE),
    )
    lab.supply.serve_site(SITE, folder / "site")


def install(lab: Lab) -> None:
    """Make a machine with 1.35."""
    lab.start(MACHINE)
    manifest = json.loads(
        next((lab.supply.work / "old/site/releases").glob("v1.35.*/manifest.json")).read_text()
    )
    # kube-node-check, which the page ends with, is not asked here.
    wanted = front_page(manifest).replace(
        "\nkube-node-check\n",
        f"\nsudo apt-get install kubernetes-control-plane {' '.join(SERVICES)}\n",
    )
    said = lab.as_person(MACHINE, f"set -eux\n{wanted}", check=False)
    if not state(lab).count("ii  kubernetes-control-plane 1.35."):
        raise Failed(f"{MACHINE}: kubernetes-control-plane 1.35 is not installed:\n{said}")


def switch(lab: Lab, version: str) -> None:
    """Point apt at the newer site; what it would install is there."""
    entry = "/etc/apt/sources.list.d/kubewright.sources"
    script = f"s|^URIs:.*|URIs: {lab.network.site}/apt|; s|^Suites:.*|Suites: {channel(version)}|"
    policy = lab.shell(
        MACHINE, f"set -e; sed -i '{script}' {entry}; apt-get update; apt-cache policy kubelet"
    )
    if f"Candidate: {version}-1" not in policy:
        raise Failed(
            f"{MACHINE}: apt would not install kubelet {version}; look at apt-cache policy:\n"
            f"{policy}"
        )


def state(lab: Lab) -> str:
    """The packages, their files and the services."""
    return lab.shell(MACHINE, STATE)


def refuse(lab: Lab, version: str) -> None:
    """Everything that a person may type is refused by all packages that it would take along, and
    changes nothing.
    """
    before = state(lab)
    shown = [f"all packages before, and after each of {len(TRIES)} tries, ii:\n{ours(before)}"]
    for number, (words, wanted) in enumerate(TRIES.items()):
        said = lab.shell(MACHINE, f"{words} 2>&1; echo exit code $?")
        refused = refusals(said, version)
        if refused != wanted or not said.endswith("exit code 100\n"):
            raise Failed(
                f"{MACHINE}: {words}: refused by {sorted(refused)}, not by {sorted(wanted)}:\n"
                f"{said}"
            )
        unchanged(lab, words, before)
        shown.append(
            f"$ {words}\n"
            + (f"refused by {', '.join(sorted(refused))}" if number else last_words(said))
        )
    lab.report.show(f"{MACHINE}: 1.35 to {minor(version)} is refused", "\n".join(shown))


def refuse_each(lab: Lab, version: str) -> None:
    """Each package alone, given to dpkg, which asks nobody else."""
    before = state(lab)
    lab.shell(MACHINE, f"cd /root && apt-get download {' '.join((*GUARDED, *SERVICES))}")
    for name in (*GUARDED, *SERVICES):
        said = lab.shell(
            MACHINE, f"dpkg --install /root/{name}_{version}-1_*.deb 2>&1; echo exit code $?"
        )
        if refusals(said, version) != {name} or not said.endswith("exit code 1\n"):
            raise Failed(
                f"{MACHINE}: dpkg --install {name} {version}: not refused by its preinst:\n{said}"
            )
        unchanged(lab, f"dpkg --install {name}", before)


def override(lab: Lab, version: str) -> None:
    """With the file that the message names, the same command goes through."""
    lab.shell(MACHINE, f"mkdir -p /etc/kubewright && touch {OVERRIDE} && apt-get upgrade")
    after = state(lab)
    missing = [
        name
        for name in (*GUARDED, *SERVICES, "kubectl")
        if f"ii  {name} {version}-1\n" not in after
    ]
    if missing:
        raise Failed(
            f"{MACHINE}: not at {version} in spite of {OVERRIDE}: {', '.join(missing)}:\n"
            f"{ours(after)}"
        )
    lab.report.show(f"{MACHINE}: after touch {OVERRIDE}, apt-get upgrade", ours(after))


def refusals(said: str, version: str) -> set[str]:
    """The packages that refuse with the reason and a way to go on."""
    reason = (
        rf"^(.+) {re.escape(version)}: not installed: from 1\.35\.\S+ to {minor(version)} "
        r"would skip Kubernetes 1.36"
    )
    if OVERRIDE not in said or "Upgrade to 1.36 first, from its channel: " not in said:
        return set()
    return set(chain(*(names.split(", ") for names in re.findall(reason, said, re.MULTILINE))))


def unchanged(lab: Lab, words: str, before: str) -> None:
    """Nothing has changed since `before`."""
    changes = [
        one for one in difflib.ndiff(before.splitlines(), state(lab).splitlines()) if one[0] in "+-"
    ]
    if changes:
        raise Failed(f"{MACHINE}: {words} was refused but changed this:\n" + "\n".join(changes))


def ours(text: str) -> str:
    """The packages of Kubernetes and its companions in a state."""
    return "\n".join(line for line in text.splitlines() if re.match(r"\S+ +(kube|cri-)", line))


def last_words(said: str) -> str:
    """What the packages and apt said at the end, without downloads and lists."""
    lines = said.splitlines()
    start = next(number for number, line in enumerate(lines) if "not installed:" in line)
    return "\n".join(lines[start:])
