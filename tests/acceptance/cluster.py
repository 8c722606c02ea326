"""What the machines of a run are told: their networks, and what only containers on this machine
need.
"""

from network import Network

REGISTRY_CONFIG = """version: 0.1
storage: {filesystem: {rootdirectory: /data}}
http: {addr: ":5000"}
"""

CONTAINERD = """# Node containers here have no CAP_SYS_RESOURCE, and no systemd that may make
# pods' control groups.
version = 3
[plugins.'io.containerd.cri.v1.images'.registry]
config_path = '/etc/containerd/certs.d'  # the registry has no TLS
[plugins.'io.containerd.cri.v1.runtime']
restrict_oom_score_adj = true
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
SystemdCgroup = false
"""


UNLIKE_A_MACHINE = ("fail  cgroup-version: v1", "warn  cgroup-driver: cgroupfs", "fail  swap:")
"""What kube-node-check may say of any machine here: CONTAINERD says why, and swap is the host's."""

KUBEADM = """#!/bin/sh
# Control groups v1: `kubeadm upgrade` reads no file of its own accord that could tell it to accept
# them.
case "${1-} ${2-}" in
    'upgrade apply' | 'upgrade node')
        exec /usr/bin/kubeadm "$@" --ignore-preflight-errors=SystemVerification ;;
    *) exec /usr/bin/kubeadm "$@" ;;
esac
"""
"""Comes before the program on the PATH of machines with control groups v1, so that our pages need
not mention them.
"""

CONTAINERD_SOCKET, DOCKER_SOCKET = "/run/containerd/containerd.sock", "/run/cri-dockerd.sock"
"""Where the runtimes listen for kubelet."""


def registry_hosts(network: Network) -> str:
    """containerd's hosts.toml of the registry."""
    return f'server = "http://{network.registry}" # no TLS\n'


def kubelet_arguments(network: Network, machine: str) -> str:
    """/etc/default/kubelet: machines that share a kernel keep their pods' control groups apart."""
    return f"KUBELET_EXTRA_ARGS=--cgroup-root=/{network.pods(machine)}\n"


INIT = """---
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
nodeRegistration:
  ignorePreflightErrors: [SystemVerification]  # control groups v1
---
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
cgroupDriver: cgroupfs
failCgroupV1: false
failSwapOn: false
# the disk is a developer's
evictionHard: {memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1%}
---
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
conntrack: {maxPerCore: 0, min: 0}  # nf_conntrack_max is read-only in a container
"""
"""What follows in the file for `kubeadm init`: a kubelet and a kube-proxy that accept this
machine.
"""


def join(socket: str) -> str:
    """What follows in the file for `kubeadm join`."""
    return f"""nodeRegistration:
  criSocket: unix://{socket}
  ignorePreflightErrors: [SystemVerification]  # control groups v1
"""


ASK = (
    "/bin/sh -c 'for _ in 1 2 3 4 5 6 7 8 9; do "
    "/usr/local/bin/kubectl get --raw /version --server=http://server.default.svc.cluster.local && "
    "exit; sleep 1; done'"
)
"""What a Pod runs to ask the Service by its name; kube-proxy on its machine may not have heard of
it yet.
"""


def pods(network: Network, version: str, node: str, control_plane: str) -> str:
    """A Pod with a web server on the node, its Service, and a Pod on the control plane that asks
    it.

    Both run our own image: `kubectl proxy` serves, `kubectl get --raw` asks.
    """
    serve = (
        "echo hello from a pod; exec kubectl proxy --address=0.0.0.0 --port=8080 --accept-hosts=.*"
    )
    return f"""apiVersion: v1
kind: Pod
metadata: {{name: server, labels: {{app: server}}}}
spec:
  nodeName: {node}
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
{client(network, version, "client", control_plane)}"""


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
  - name: {name}
    image: "{network.registry}/hyperkube-node:v{version}"
    command: [/bin/sh, -c, "{wait}"]
"""


def deployment(network: Network, version: str) -> str:
    """Two web servers that may be moved, one to a machine where there are two, the control plane
    among them.
    """
    image = f"{network.registry}/hyperkube-node:v{version}"
    return f"""apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: web}}}}
  strategy: {{rollingUpdate: {{maxSurge: 0, maxUnavailable: 1}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      terminationGracePeriodSeconds: 1
      tolerations: [{{key: node-role.kubernetes.io/control-plane, effect: NoSchedule}}]
      affinity:
        podAntiAffinity:
          preferredDuringSchedulingIgnoredDuringExecution:
          - weight: 100
            podAffinityTerm:
              topologyKey: kubernetes.io/hostname
              labelSelector: {{matchLabels: {{app: web}}}}
        nodeAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
            nodeSelectorTerms:
            - matchExpressions: [{{key: kubernetes.io/hostname, operator: In, values: [cp, node1]}}]
      containers:
      - name: web
        image: "{image}"
        command: [kubectl, proxy, --address=0.0.0.0, --port=8080, "--accept-hosts=.*"]
        readinessProbe: {{httpGet: {{path: /version, port: 8080}}, periodSeconds: 1}}
---
apiVersion: v1
kind: Service
metadata: {{name: web}}
spec: {{selector: {{app: web}}, ports: [{{port: 80, targetPort: 8080}}]}}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {{name: web}}
spec: {{minAvailable: 1, selector: {{matchLabels: {{app: web}}}}}}
"""
