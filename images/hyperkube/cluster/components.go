package cluster

import (
	"fmt"
	"path/filepath"
	"runtime/debug"
)

const (
	programs   = "/usr/local/bin/"
	containerd = "/run/containerd/containerd.sock"
	etcdSocket = "/run/cluster/etcd.sock" // not a port: whoever reaches etcd needs no other rights
	peerSocket = "/run/cluster/etcd-peer.sock"
	domain     = "cluster.local"

	dnsHealthPort = 10054
	dnsReadyPort  = 10055
)

// A cluster is what has been chosen, and where it is.
type cluster struct {
	options
	place
	version string // of Kubernetes, v1.36.3
}

// kubernetesVersion is the version of the module that this program is built of.
func kubernetesVersion() string {
	if about, ok := debug.ReadBuildInfo(); ok {
		for _, module := range about.Deps {
			if module.Path == "k8s.io/kubernetes" {
				return module.Version
			}
		}
	}
	return ""
}

// dns is the address of the cluster's name service: the tenth of its Services, as kubeadm has it.
func (c cluster) dns() string { return nth(c.serviceSubnet, 10).String() }

func (c cluster) etcd() service {
	return service{name: "etcd", argv: []string{
		programs + "etcd", "--name=cluster", "--data-dir=/var/lib/etcd",
		"--listen-client-urls=unix://" + etcdSocket, "--listen-peer-urls=unix://" + peerSocket,
		"--advertise-client-urls=http://127.0.0.1:2379", // what is advertised must look so, and is asked by nobody
		"--initial-advertise-peer-urls=http://127.0.0.1:2380", "--initial-cluster=cluster=http://127.0.0.1:2380",
		"--log-level=warn", "--log-format=console",
		"--unsafe-no-fsync=true",                            // only a power failure loses what the kernel has not written yet
		"--heartbeat-interval=20", "--election-timeout=200", // it waits for one election, against nobody
	}, environment: c.memory()}
}

func (c cluster) apiserver() service {
	return service{name: "kube-apiserver", argv: []string{
		programs + "kube-apiserver",
		"--advertise-address=" + c.address.String(), fmt.Sprintf("--secure-port=%d", apiPort),
		"--etcd-servers=unix://" + etcdSocket,
		"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction", "--allow-privileged=true",
		"--enable-bootstrap-token-auth=true",
		"--service-cluster-ip-range=" + c.serviceSubnet.String(),
		"--service-account-issuer=https://kubernetes.default.svc." + domain,
		"--service-account-key-file=" + pki("sa.pub"), "--service-account-signing-key-file=" + pki("sa.key"),
		"--client-ca-file=" + pki("ca.crt"),
		"--tls-cert-file=" + pki("apiserver.crt"), "--tls-private-key-file=" + pki("apiserver.key"),
		"--kubelet-client-certificate=" + pki("apiserver-kubelet-client.crt"),
		"--kubelet-client-key=" + pki("apiserver-kubelet-client.key"),
		"--kubelet-preferred-address-types=InternalIP,ExternalIP,Hostname",
		"--requestheader-client-ca-file=" + pki("front-proxy-ca.crt"), "--requestheader-allowed-names=front-proxy-client",
		"--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file=" + pki("front-proxy-client.crt"), "--proxy-client-key-file=" + pki("front-proxy-client.key"),
	}, environment: c.memory()}
}

func (c cluster) controllerManager() service {
	access := config("controller-manager.conf")
	return service{name: "kube-controller-manager", argv: []string{
		programs + "kube-controller-manager", "--bind-address=127.0.0.1",
		"--leader-elect=false", // there is only one
		"--kubeconfig=" + access, "--authentication-kubeconfig=" + access, "--authorization-kubeconfig=" + access,
		"--client-ca-file=" + pki("ca.crt"), "--requestheader-client-ca-file=" + pki("front-proxy-ca.crt"),
		"--root-ca-file=" + pki("ca.crt"), "--service-account-private-key-file=" + pki("sa.key"),
		"--cluster-signing-cert-file=" + pki("ca.crt"), "--cluster-signing-key-file=" + pki("ca.key"),
		"--use-service-account-credentials=true", "--controllers=*,bootstrapsigner,tokencleaner",
		"--kube-api-qps=1000", "--kube-api-burst=2000", // its own limits are for many clients of one server
	}, environment: c.memory()}
}

func (c cluster) scheduler() service {
	access := config("scheduler.conf")
	return service{name: "kube-scheduler", argv: []string{
		programs + "kube-scheduler", "--bind-address=127.0.0.1", "--leader-elect=false",
		"--kubeconfig=" + access, "--authentication-kubeconfig=" + access, "--authorization-kubeconfig=" + access,
	}, environment: c.memory()}
}

func (c cluster) kubelet() service {
	return service{name: "kubelet", argv: []string{
		programs + "kubelet", "--config=" + config("kubelet.yaml"), "--kubeconfig=" + config("kubelet.conf"),
		"--hostname-override=" + c.name, "--node-ip=" + c.address.String(),
	}, environment: c.memory()}
}

func (c cluster) proxy() service {
	return service{
		name: "kube-proxy", argv: []string{programs + "kube-proxy", "--config=" + config("kube-proxy.yaml")}, environment: c.memory(),
	}
}

func (c cluster) containerd() service {
	return service{name: "containerd", argv: []string{
		programs + "containerd", "--config=" + config("containerd.toml"), "--log-level=warn",
	}, environment: c.memory()}
}

// memory are the settings of a program's memory: when it gives back what it does not use, and, of Go's garbage
// collector, how much the heap may grow, in percent, before it is cleaned up.
func (c cluster) memory() []string {
	if c.memoryLow {
		return []string{settling + "=" + settleAfter, "GOGC=40"}
	}
	return []string{settling + "=" + settleAfter}
}

func pki(name string) string { return filepath.Join(kubernetes, "pki", name) }

func config(name string) string { return filepath.Join(kubernetes, name) }
