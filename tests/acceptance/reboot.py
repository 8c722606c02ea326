"""Every machine of a cluster is shut down and started again; what people have set up must come back
by itself.
"""

import first_cluster
import state
from engine import Failed
from lab import Lab, Steps

MACHINES = ("cp", "node1", "docker1", "rpm1")

SETTINGS = """set -e
test -z "$(systemctl --failed --no-legend)" || { systemctl --failed; exit 1; }
systemctl is-active --quiet kubelet
for setting in net/ipv4/ip_forward net/bridge/bridge-nf-call-iptables; do
    echo "$setting $(cat /proc/sys/$setting)"
    test "$(cat /proc/sys/$setting)" = 1
done
"""
"""What a machine has after a boot. Each begins with ip_forward 0; the kernel's modules are this
machine's.
"""


def steps(lab: Lab, version: str) -> Steps:
    """The chapter; it needs the nodes and Pods of the chapters before."""
    before: state.Containers = {}

    def restart() -> None:
        before.update(state.containers(lab))
        lab.engine.restart(*MACHINES)

    names = ", ".join(MACHINES)
    return [
        (f"{names}: shut down and started again", restart),
        (
            "every container of the cluster has started anew, every node and Pod is Ready",
            lambda: back(lab, before),
        ),
        (f"{names}: units and kernel settings", lambda: settings(lab)),
        (
            "logs, exec, and a Service by its name from the other node",
            lambda: first_cluster.talk(lab, version),
        ),
    ]


def back(lab: Lab, before: state.Containers) -> None:
    """Wait for what ran before; a container that seems to go on is one of which nobody has news
    yet.
    """

    def missing() -> str:
        after = state.containers(lab)
        return ", ".join(name for name, was in before.items() if after.get(name, was) == was)

    state.until(missing, "", "containers that have not started again")
    lab.wait("node --all")
    lab.wait("pod --all --all-namespaces")


def settings(lab: Lab) -> None:
    """No unit has failed, and the packages' sysctls are set."""
    for machine in MACHINES:
        try:
            lab.report.show(machine, lab.shell(machine, SETTINGS))
        except Failed as failure:
            raise Failed(f"{machine}: not as it was before the boot: {failure}") from failure
