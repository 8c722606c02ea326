package cluster

import (
	"fmt"
	"net"
	"os"
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

// memory is the setting of Go's garbage collector: how much the heap may grow, in percent, before it is cleaned up.
func (c cluster) memory() []string {
	if c.memoryLow {
		return []string{"GOGC=40"}
	}
	return nil
}

func pki(name string) string { return filepath.Join(kubernetes, "pki", name) }

func config(name string) string { return filepath.Join(kubernetes, name) }

// writeConfigurations writes what components read, anew at every start: the address may be another one.
func (c cluster) writeConfigurations(restricted bool, group string) error {
	for path, content := range map[string]string{
		config("kubeadm.yaml"):               c.kubeadmConfiguration(),
		config("kubelet.yaml"):               c.kubeletConfiguration(group),
		config("kube-proxy.yaml"):            c.proxyConfiguration(),
		config("containerd.toml"):            containerdConfiguration(restricted),
		runtime + "/resolv.conf":             resolver(text("/etc/resolv.conf"), c.address),
		"/etc/cni/net.d/10-cluster.conflist": c.podNetwork(),
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (c cluster) kubeadmConfiguration() string {
	return fmt.Sprintf(`apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
localAPIEndpoint: {advertiseAddress: %[1]s, bindPort: %[2]d}
nodeRegistration: {name: %[3]s, criSocket: "unix://%[4]s", taints: []}
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: %[5]s
encryptionAlgorithm: ECDSA-P256 # quicker than RSA
certificateValidityPeriod: 87600h # nobody renews them on a laptop
controlPlaneEndpoint: "127.0.0.1:%[2]d"
networking: {podSubnet: "%[6]s", serviceSubnet: "%[7]s", dnsDomain: %[8]s}
etcd: {external: {endpoints: ["http://127.0.0.1:2379"]}} # ours has a socket, and needs no certificates
apiServer: {certSANs: [localhost, 127.0.0.1, "::1", 0.0.0.0]}
`, c.address, apiPort, c.name, containerd, c.version, c.podSubnet, c.serviceSubnet, domain)
}

func (c cluster) kubeletConfiguration(group string) string {
	return fmt.Sprintf(`apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: %s}}
authorization: {mode: Webhook}
cgroupDriver: cgroupfs
cgroupRoot: %s
clusterDNS: [%s]
clusterDomain: %s
containerRuntimeEndpoint: unix://%s
evictionHard: {memory.available: 50Mi, nodefs.available: 1%%, imagefs.available: 1%%}
failCgroupV1: false
failSwapOn: false
imageGCHighThresholdPercent: 100
nodeStatusReportFrequency: 5m
nodeStatusUpdateFrequency: 2s # after a restart its first attempt may come too early
resolvConf: %s/resolv.conf
rotateCertificates: false
`, pki("ca.crt"), group, c.dns(), domain, containerd, runtime)
}

func (c cluster) proxyConfiguration() string {
	return fmt.Sprintf(`apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection: {kubeconfig: %s}
clusterCIDR: %s
conntrack: {maxPerCore: 0, min: 0} # the machine's, which a container may not change
healthzBindAddress: 127.0.0.1:10256
hostnameOverride: %s
metricsBindAddress: 127.0.0.1:10249
mode: %s
`, config("kube-proxy.conf"), c.podSubnet, c.name, c.proxyMode)
}

// containerdConfiguration is for containerd 2; restricted is a container that may not prefer its Pods over others when
// memory runs out.
func containerdConfiguration(restricted bool) string {
	return fmt.Sprintf(`version = 3
[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = '%s'
[plugins.'io.containerd.cri.v1.images'.registry]
config_path = '/etc/containerd/certs.d'
[plugins.'io.containerd.cri.v1.runtime']
restrict_oom_score_adj = %t
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
SystemdCgroup = false
`, pauseImage, restricted)
}

// podNetwork gives every Pod a link to the node of its own: what Pods say to each other is routed, so that kube-proxy
// sees it without the kernel module br_netfilter. Addresses are given anew after each start, as /run is empty then.
func (c cluster) podNetwork() string {
	return fmt.Sprintf(`{
  "cniVersion": "1.0.0", "name": "cluster", "plugins": [
    {"type": "ptp", "ipMasq": false, "mtu": %d, "ipam": {
      "type": "host-local", "dataDir": "/run/cni/addresses", "ranges": [[{"subnet": "%s"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
    {"type": "portmap", "capabilities": {"portMappings": true}}]}
`, mtu(c.device), c.podSubnet)
}

func mtu(device string) int {
	if found, err := net.InterfaceByName(device); err == nil {
		return found.MTU
	}
	return 1500
}

// masquerade is nftables' rule by which Pods reach what is not in the cluster under the node's address.
func (c cluster) masquerade() string {
	return fmt.Sprintf(`table ip kubewright
delete table ip kubewright
table ip kubewright {
  chain leaving {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr %[1]s ip daddr != %[1]s oifname != "lo" masquerade
  }
}
`, c.podSubnet)
}
