package cluster

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
)

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
iptables: {minSyncPeriod: 100ms} # a second is for thousands of Services
metricsBindAddress: 127.0.0.1:10249
mode: %s
nftables: {minSyncPeriod: 100ms}
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
