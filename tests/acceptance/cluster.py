"""What the machines of a run are told: the addresses, and what only containers on this machine need."""

import json

SITE = "10.213.0.4"
REGISTRY = "10.213.0.5"
MACHINES = {"cp": "10.213.0.10", "node1": "10.213.0.11"}
PODS = {"cp": "10.214.1.0/24", "node1": "10.214.2.0/24"}

SITE_URL = f"http://{SITE}:8000"
IMAGES = f"{REGISTRY}:5000"
"""Addresses rather than names, so that this machine, which pushes, calls them as the nodes do."""

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

REGISTRY_HOSTS = f'server = "http://{IMAGES}" # no TLS\n'


def kubelet_arguments(machine: str) -> str:
    """/etc/default/kubelet: machines that share a kernel keep their pods' control groups apart."""
    return f"KUBELET_EXTRA_ARGS=--cgroup-root=/kubewright-acceptance/pods-{machine}\n"


def network(machine: str) -> str:
    """The CNI configuration of a machine: a bridge, and the machines as each other's routers."""
    ipam = {"type": "host-local", "ranges": [[{"subnet": PODS[machine]}]], "routes": [{"dst": "0.0.0.0/0"}]}
    bridge = {"type": "bridge", "bridge": "cni0", "isGateway": True, "ipMasq": True, "hairpinMode": True, "ipam": ipam}
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}}
    return json.dumps({"cniVersion": "1.0.0", "name": "pods", "plugins": [bridge, portmap]}, indent=2) + "\n"


def routes(machine: str) -> str:
    """The commands that make the other machines' pods reachable."""
    return "\n".join(
        f"ip route replace {PODS[other]} via {address}" for other, address in MACHINES.items() if other != machine
    )


def init(version: str) -> str:
    """What `kubeadm init` is given: our images, and a kubelet that accepts this machine."""
    return f"""apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
localAPIEndpoint: {{advertiseAddress: {MACHINES["cp"]}}}
nodeRegistration:
  criSocket: unix:///run/containerd/containerd.sock
  ignorePreflightErrors: [SystemVerification]  # control groups v1
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: v{version}
imageRepository: {IMAGES}
networking: {{podSubnet: 10.214.0.0/16, serviceSubnet: 10.215.0.0/16}}
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


def join(endpoint: str, token: str, authority: str) -> str:
    """What `kubeadm join` is given, from the words of the command that `kubeadm token create` prints."""
    return f"""apiVersion: kubeadm.k8s.io/v1beta4
kind: JoinConfiguration
discovery:
  bootstrapToken: {{apiServerEndpoint: "{endpoint}", token: {token}, caCertHashes: ["{authority}"]}}
nodeRegistration:
  criSocket: unix:///run/containerd/containerd.sock
  ignorePreflightErrors: [SystemVerification]  # control groups v1
"""


def pods(version: str) -> str:
    """A Pod with a web server on the node, its Service, and a Pod on the control plane that asks it.

    Both run our own image: `kubectl proxy` serves, `kubectl get --raw` asks.
    """
    image = f"{IMAGES}/hyperkube-node:v{version}"
    serve = "echo hello from a pod; exec kubectl proxy --address=0.0.0.0 --port=8080 --accept-hosts=.*"
    return f"""apiVersion: v1
kind: Pod
metadata: {{name: server, labels: {{app: server}}}}
spec:
  nodeName: node1
  containers:
  - {{name: server, image: "{image}", command: [/bin/sh, -c, "{serve}"]}}
---
apiVersion: v1
kind: Service
metadata: {{name: server}}
spec: {{selector: {{app: server}}, ports: [{{port: 80, targetPort: 8080}}]}}
---
apiVersion: v1
kind: Pod
metadata: {{name: client}}
spec:
  nodeName: cp
  terminationGracePeriodSeconds: 1
  containers:
  - {{name: client, image: "{image}", command: [/bin/sh, -c, "while :; do sleep 1; done"]}}
"""
