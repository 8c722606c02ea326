"""What the machines of a run are told: their networks, and what only containers on this machine need."""

import json
from collections.abc import Iterable

from network import Network

REGISTRY_CONFIG = """version: 0.1
storage: {filesystem: {rootdirectory: /data}}
http: {addr: ":5000"}
"""

CONTAINERD = """# Node containers here have no CAP_SYS_RESOURCE, and no systemd that may make pods' control groups.
version = 3
[plugins.'io.containerd.cri.v1.images'.registry]
config_path = '/etc/containerd/certs.d'  # the registry has no TLS
[plugins.'io.containerd.cri.v1.runtime']
restrict_oom_score_adj = true
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
SystemdCgroup = false
"""


CONTAINERD_SOCKET, DOCKER_SOCKET = "/run/containerd/containerd.sock", "/run/cri-dockerd.sock"
"""Where the runtimes listen for kubelet."""


def registry_hosts(network: Network) -> str:
    """containerd's hosts.toml of the registry."""
    return f'server = "http://{network.registry}" # no TLS\n'


def kubelet_arguments(network: Network, machine: str) -> str:
    """/etc/default/kubelet: machines that share a kernel keep their pods' control groups apart."""
    return f"KUBELET_EXTRA_ARGS=--cgroup-root=/{network.pods(machine)}\n"


def pod_network(machine: str) -> str:
    """The CNI configuration of a machine: a bridge, and the machines as each other's routers."""
    ipam = {
        "type": "host-local",
        "ranges": [[{"subnet": Network.pod_subnet(machine)}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    bridge = {"type": "bridge", "bridge": "cni0", "isGateway": True, "ipMasq": True, "hairpinMode": True, "ipam": ipam}
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}}
    return json.dumps({"cniVersion": "1.0.0", "name": "pods", "plugins": [bridge, portmap]}, indent=2) + "\n"


def routes(network: Network, others: Iterable[str]) -> str:
    """The commands that make other machines' pods reachable."""
    return "\n".join(f"ip route replace {Network.pod_subnet(other)} via {network.address(other)}" for other in others)


def init(network: Network, machine: str, version: str) -> str:
    """What `kubeadm init` is given: our images, and a kubelet that accepts this machine."""
    return f"""apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
localAPIEndpoint: {{advertiseAddress: {network.address(machine)}}}
nodeRegistration:
  criSocket: unix://{CONTAINERD_SOCKET}
  ignorePreflightErrors: [SystemVerification]  # control groups v1
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: v{version}
imageRepository: {network.registry}
networking: {{podSubnet: 10.244.0.0/16, serviceSubnet: 10.245.0.0/16}}
---
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
cgroupDriver: cgroupfs
failCgroupV1: false
failSwapOn: false
evictionHard: {{memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1%}}  # the disk is a developer's
---
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
conntrack: {{maxPerCore: 0, min: 0}}  # nf_conntrack_max is read-only in a container
"""


def join(endpoint: str, token: str, authority: str, socket: str) -> str:
    """What `kubeadm join` is given, from the words of the command that `kubeadm token create` prints."""
    return f"""apiVersion: kubeadm.k8s.io/v1beta4
kind: JoinConfiguration
discovery:
  bootstrapToken: {{apiServerEndpoint: "{endpoint}", token: {token}, caCertHashes: ["{authority}"]}}
nodeRegistration:
  criSocket: unix://{socket}
  ignorePreflightErrors: [SystemVerification]  # control groups v1
"""


ASK = (
    "/bin/sh -c 'for _ in 1 2 3 4 5 6 7 8 9; do "
    "/usr/local/bin/kubectl get --raw /version --server=http://server.default.svc.cluster.local && exit; sleep 1; done'"
)
"""What a Pod runs to ask the Service by its name; kube-proxy on its machine may not have heard of it yet."""


def pods(network: Network, version: str) -> str:
    """A Pod with a web server on the node, its Service, and a Pod on the control plane that asks it.

    Both run our own image: `kubectl proxy` serves, `kubectl get --raw` asks.
    """
    serve = "echo hello from a pod; exec kubectl proxy --address=0.0.0.0 --port=8080 --accept-hosts=.*"
    return f"""apiVersion: v1
kind: Pod
metadata: {{name: server, labels: {{app: server}}}}
spec:
  nodeName: node1
  containers:
  - name: server
    image: "{network.registry}/hyperkube-node:v{version}"
    command: [/bin/sh, -c, "{serve}"]
    readinessProbe: {{tcpSocket: {{port: 8080}}, periodSeconds: 1}}
---
apiVersion: v1
kind: Service
metadata: {{name: server}}
spec: {{selector: {{app: server}}, ports: [{{port: 80, targetPort: 8080}}]}}
---
{client(network, version, "client", "cp")}"""


def client(network: Network, version: str, name: str, machine: str) -> str:
    """A Pod on a machine that says hello and then waits to be told what to ask."""
    wait = f"echo hello from {name}; while :; do sleep 1; done"
    return f"""apiVersion: v1
kind: Pod
metadata: {{name: {name}}}
spec:
  nodeName: {machine}
  terminationGracePeriodSeconds: 1
  containers:
  - {{name: {name}, image: "{network.registry}/hyperkube-node:v{version}", command: [/bin/sh, -c, "{wait}"]}}
"""
