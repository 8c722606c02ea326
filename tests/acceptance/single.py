"""A cluster of one container, from the image that the release has pushed: used, started again, a
second beside it, and gone without a trace.
"""

import json
import os
import re
import signal
import time
from functools import partial
from pathlib import Path

import cluster
import traces
import unfit
from engine import Failed
from lab import Lab, Steps

PARTS_OF_PRIVILEGED = [
    "--cap-add=ALL",
    "--cap-drop=SYS_RESOURCE",
    "--device-cgroup-rule=a *:* rwm",
    "--security-opt=seccomp=unconfined",
    "--security-opt=apparmor=unconfined",
]
"""What docs/cluster.md has in place of --privileged."""

NAME, OTHER = "single", "verb"
NODE_PORT = 30080

APPLICATION = """apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: data}}
spec: {{accessModes: [ReadWriteOnce], resources: {{requests: {{storage: 1Gi}}}}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: app}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: app}}}}
  template:
    metadata: {{labels: {{app: app}}}}
    spec:
      terminationGracePeriodSeconds: 1
      securityContext: {{runAsUser: 1000, runAsGroup: 1000}}
      containers:
      - name: app
        image: "{image}"
        command: [/bin/sh, -c, "echo started >> /data/log; exec kubectl proxy --address=0.0.0.0
          --port=8080 --accept-hosts=.* --www=/data --www-prefix=/data/"]
        readinessProbe: {{tcpSocket: {{port: 8080}}, periodSeconds: 1}}
        volumeMounts: [{{name: data, mountPath: /data}}]
      volumes: [{{name: data, persistentVolumeClaim: {{claimName: data}}}}]
---
apiVersion: v1
kind: Service
metadata: {{name: app}}
spec:
  type: NodePort
  selector: {{app: app}}
  ports: [{{port: 80, targetPort: 8080, nodePort: 30080}}]
"""
"""Two Pods of an ordinary user that share a volume, and a Service before them."""

ASK = (
    "for _ in 1 2 3 4 5; do "
    "kubectl get --raw /data/log --server=http://app.default.svc.cluster.local && "
    "exit; sleep 1; done; exit 1"
)


def steps(lab: Lab, version: str) -> Steps:
    """The chapter; it needs the site, the registry and the pushed images."""
    before: dict[str, list[str]] = {}

    def first() -> None:
        before.update(there(lab))
        begin(lab, version)

    return [
        (f"{NAME}: docker run, from the registry", first),
        (f"{NAME}: node and name service are ready", lambda: ready(lab, NAME)),
        (f"{NAME}: the image is the manifest's, by digest", lambda: image(lab, version)),
        (f"{NAME}: an application with a volume and a Service", lambda: application(lab, version)),
        (f"{NAME}: the Service by its name, logs, exec, and from outside", lambda: use(lab)),
        (f"{NAME}: docker restart brings Pods and volume back", lambda: restart(lab)),
        ("what cannot hold a cluster is refused", lambda: refuse(lab, version)),
        (f"{OTHER}: kubewright cluster up, beside it", lambda: second(lab, version)),
        (f"{OTHER}: its components, one process, begin again", lambda: together(lab)),
        (f"{OTHER}: kubewright cluster down, and nothing of it is left", lambda: down(lab)),
        (f"{NAME}: docker rm, and nothing is left of either", lambda: gone(lab, before)),
    ]


def begin(lab: Lab, version: str) -> None:
    """Type the command of docs/cluster.md; the registry has no TLS, which containerd is told."""
    certificates = lab.supply.work / "certs.d"
    hosts = certificates / lab.network.registry / "hosts.toml"
    hosts.parent.mkdir(parents=True, exist_ok=True)
    hosts.write_text(cluster.registry_hosts(lab.network))
    options = [*PARTS_OF_PRIVILEGED, f"--volume={certificates}:/etc/containerd/certs.d:ro"]
    lab.engine.container(NAME, reference(lab, "hyperkube-cluster", version), options, ["cluster"])


def reference(lab: Lab, name: str, version: str) -> str:
    """An image in the run's registry."""
    return f"{lab.network.registry}/{name}:v{version}"


def inside(lab: Lab, name: str, script: str, *, stdin: str = "") -> str:
    """Run a script in a cluster's container, which knows users by number only."""
    return lab.engine.shell(name, script, stdin=stdin, user="0")


def kubectl(lab: Lab, name: str, words: str, *, stdin: str = "") -> str:
    """Run kubectl in a cluster's container."""
    return inside(lab, name, f"kubectl {words}", stdin=stdin)


def ready(lab: Lab, name: str) -> None:
    """Wait as docs/cluster.md says, and show what there is."""
    inside(lab, name, "kubeconfig --wait > /dev/null")
    log = lab.engine.run([*lab.engine.docker, "logs", name])
    shown = kubectl(lab, name, "get nodes,pods -A -o wide")
    lab.report.show(f"{name}: docker logs, and kubectl get nodes,pods -A", f"{log}\n{shown}")
    if not re.search(rf"^node/{name} +Ready ", shown, re.MULTILINE):
        raise Failed(f"the node is not {name}, or is not Ready:\n{shown}")


def image(lab: Lab, version: str) -> None:
    """The engine has pulled what the manifest names."""
    known = {one["reference"]: one["index"] for one in lab.supply.manifest(version)["images"]}
    wanted = reference(lab, "hyperkube-cluster", version)
    said = lab.engine.run([*lab.engine.docker, "image", "inspect", wanted])
    (digest,) = (one.partition("@")[2] for one in json.loads(said)[0]["RepoDigests"])
    lab.report.show(f"{NAME}: its image", f"{wanted}  {digest}")
    if digest != known[wanted]:
        raise Failed(f"{wanted}: is {digest}, but the manifest has {known[wanted]}")


def application(lab: Lab, version: str) -> None:
    """Run it from an image of the registry."""
    kubectl(
        lab, NAME, "apply -f -",
        stdin=APPLICATION.format(image=reference(lab, "hyperkube-node", version)),
    )  # fmt: skip
    kubectl(lab, NAME, "rollout status deployment/app --timeout=120s")
    shown = kubectl(lab, NAME, "get pods,pvc,pv,services -o wide")
    lab.report.show(f"{NAME}: kubectl get pods,pvc,pv,services", shown)


def use(lab: Lab) -> None:
    """What one Pod wrote, another one reads, by the Service's name and by its port on the node."""
    said = {
        "by its name": kubectl(lab, NAME, f"exec deploy/app -- /bin/sh -c '{ASK}'"),
        "logs": kubectl(lab, NAME, "logs deploy/app"),
        "from this machine": outside(lab),
    }
    lab.report.show(f"{NAME}: the application", "\n".join(f"{k}: {v}" for k, v in said.items()))
    for title, word in (("by its name", "started\nstarted"), ("logs", "Starting to serve"),
                        ("from this machine", "started\nstarted")):  # fmt: skip
        if word not in said[title]:
            raise Failed(f"{title}: {word!r} is not in {said[title]!r}")


def outside(lab: Lab) -> str:
    """What the Service says on the node's port, to this machine."""
    address = f"http://{lab.network.address(NAME)}:{NODE_PORT}/data/log"
    return lab.engine.run(["python3", "-c", FETCH, address])


FETCH = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1], timeout=10).read().decode())"


def restart(lab: Lab) -> None:
    """Docker stops and starts it; what was there is there again, within what the page promises."""
    began = time.monotonic()
    lab.engine.run([*lab.engine.docker, "stop", NAME])
    stopped = time.monotonic() - began
    lab.engine.run([*lab.engine.docker, "start", NAME])
    ready(lab, NAME)
    kubectl(lab, NAME, "wait --for=condition=Ready pod --all --timeout=60s")
    said = outside(lab)
    lab.report.show(f"{NAME}: after docker stop, {stopped:.1f} s, and docker start", said)
    if said.count("started") != 4:
        raise Failed(f"two Pods that started twice should have said so in their volume:\n{said}")


def refuse(lab: Lab, version: str) -> None:
    """Begin clusters where none can live, beside this one."""
    unfit.refuse(lab, reference(lab, "hyperkube-cluster", version), NAME, PARTS_OF_PRIVILEGED)


def second(lab: Lab, version: str) -> None:
    """Another cluster, by the verb; neither sees the other."""
    config = lab.supply.work / "kubeconfig"
    config.unlink(missing_ok=True)
    said = verb(lab, "up", OTHER, f"v{version}", "--network", "nodes", "--merge",
                "--", "--memory-low")  # fmt: skip
    lab.report.show("kubewright cluster up", said)
    for name in (NAME, OTHER):
        nodes = kubectl(lab, name, "get nodes -o name").split()
        if nodes != [f"node/{name}"]:
            raise Failed(f"{name}: has the nodes {nodes}")
    if f"current-context: {OTHER}" not in config.read_text():
        raise Failed(f"{config}: {OTHER} is not its current context")
    lab.report.show("kubewright cluster list", verb(lab, "list"))


def together(lab: Lab) -> None:
    """With --memory-low the components are one process; when it is killed they begin again, and
    Pods go on.
    """
    pods = "get pods -n kube-system -o jsonpath={..containerID}"
    before = kubectl(lab, OTHER, pods)
    rows = lab.engine.run([*lab.engine.docker, "top", OTHER, "-o", "pid,args"]).splitlines()
    (process,) = [int(row.split()[0]) for row in rows if row.endswith("hyperkube components")]
    os.kill(process, signal.SIGKILL)
    for _ in range(120):
        ready = lab.engine.shell(OTHER, "kubectl get --raw /readyz", user="0", check=False)
        if ready == "ok":
            break
        time.sleep(0.25)
    log = lab.engine.run([*lab.engine.docker, "logs", OTHER])
    lab.report.show(f"{OTHER}: docker logs", log)
    if "components was ended by signal 9 (killed); it is started again" not in log:
        raise Failed("the log does not say that components have ended")
    if kubectl(lab, OTHER, pods) != before:
        raise Failed("Pods have been started again, which had no reason")


def down(lab: Lab) -> None:
    """It takes all of it away, and what the kubeconfig has of it."""
    lab.report.show("kubewright cluster down", verb(lab, "down", OTHER))
    listed = lab.engine.run([*lab.engine.docker, "ps", "--all", "--format={{.Names}}"]).split()
    volumes = lab.engine.run([*lab.engine.docker, "volume", "ls", "--quiet"])
    config = (lab.supply.work / "kubeconfig").read_text()
    for place, text in (("containers", listed), ("volumes", volumes), ("kubeconfig", config)):
        if any(OTHER in one for one in text):
            raise Failed(f"{OTHER} is in the {place} yet:\n{text}")


def verb(lab: Lab, *words: str) -> str:
    """Run `kubewright cluster` on the run's engine, with a kubeconfig of the run's own."""
    settings = [
        f"DOCKER_HOST=unix://{lab.engine.folder}/docker.sock",
        f"KUBECONFIG={lab.supply.work}/kubeconfig",
        f"KUBEWRIGHT_REGISTRY={lab.network.registry}",
    ]
    return lab.supply.kubewright("cluster", *words, settings=settings)


def gone(lab: Lab, before: dict[str, list[str]]) -> None:
    """Remove the first as the page says; what was there before it is there, and nothing else."""
    lab.engine.discard(NAME)
    for _ in range(50):  # the kernel takes its time with mounts and links
        after = there(lab)
        left = {kind: sorted(set(now) - set(before[kind])) for kind, now in after.items()}
        if not any(left.values()):
            break
        time.sleep(0.1)
    lines = [f"{kind}: {', '.join(names) or 'nothing'}" for kind, names in left.items()]
    lab.report.show("what is left", "\n".join(lines))
    if any(left.values()):
        raise Failed("left behind: " + "; ".join(lines))


def there(lab: Lab) -> dict[str, list[str]]:
    """What clusters could leave behind."""
    run = partial(lab.engine.run, check=False)
    docker = lab.engine.docker
    ports = Path("/sys/class/net", lab.network.bridge, "brif")  # others may have links of their own
    links = [one.name for one in ports.iterdir()]
    return {
        "processes": lab.engine.traces.processes(),
        # The engine keeps the one of the machine's network, once a container has asked for that.
        "mounts": [one for one in lab.engine.traces.mounts() if not one.endswith("netns/default")],
        "links": links,
        "control groups": traces.control_groups(lab.network.group, "docker"),
        "containers": run([*docker, "ps", "--all", "--quiet"]).split(),
        "volumes": run([*docker, "volume", "ls", "--quiet"]).split(),
        "networks": run([*docker, "network", "ls", "--quiet"]).split(),
    }
