package cluster

import (
	"encoding/json"
	"net/netip"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

func example(t *testing.T) cluster {
	t.Helper()
	chosen, err := parse([]string{"--name", "dev", "--service-subnet", "172.20.0.0/16"})
	if err != nil {
		t.Fatal(err)
	}
	return cluster{chosen, place{"eth0", netip.MustParseAddr("10.9.8.7")}, "v1.36.3"}
}

func TestEveryServiceIsAProgramOfTheImage(t *testing.T) {
	c := example(t)
	for _, service := range []service{c.etcd(), c.containerd(), c.apiserver(), c.controllerManager(), c.scheduler(), c.kubelet(), c.proxy()} {
		if service.argv[0] != programs+service.name || argv(service)[0] != service.name {
			t.Errorf("%s: %s", service.name, service.argv[0])
		}
		for _, argument := range service.argv[1:] {
			if !regexp.MustCompile(`^--[a-z-]+=[^ %]+$`).MatchString(argument) {
				t.Errorf("%s: %s", service.name, argument)
			}
		}
	}
}

func TestTheMemoryOptionReachesEveryService(t *testing.T) {
	c := example(t)
	if said := strings.Join(c.etcd().environment, " "); said != "HYPERKUBE_SETTLE=20" {
		t.Errorf("without being asked for: %s", said)
	}
	c.memoryLow = true
	for _, service := range []service{c.etcd(), c.containerd(), c.apiserver(), c.controllerManager(), c.scheduler(), c.kubelet(), c.proxy()} {
		if strings.Join(service.environment, " ") != "HYPERKUBE_SETTLE=20 GOGC=40" {
			t.Errorf("%s: %v", service.name, service.environment)
		}
	}
}

func TestThePodNetworkIsJSONWithTheChosenSubnet(t *testing.T) {
	var network struct {
		Plugins []struct {
			Type string
			IPAM struct{ Ranges [][]struct{ Subnet string } }
		}
	}
	if err := json.Unmarshal([]byte(example(t).podNetwork()), &network); err != nil {
		t.Fatal(err)
	}
	if network.Plugins[0].Type != "ptp" || network.Plugins[0].IPAM.Ranges[0][0].Subnet != defaultPods || network.Plugins[1].Type != "portmap" {
		t.Errorf("%+v", network)
	}
}

func TestConfigurationsHaveWhatWasChosen(t *testing.T) {
	c := example(t)
	for name, given := range map[string]struct{ text, wanted string }{
		"kubeadm":         {c.kubeadmConfiguration(), "advertiseAddress: 10.9.8.7"},
		"kubeadm's name":  {c.kubeadmConfiguration(), "{name: dev,"},
		"kubeadm's nets":  {c.kubeadmConfiguration(), `serviceSubnet: "172.20.0.0/16"`},
		"kubelet":         {c.kubeletConfiguration("/docker/ab"), "cgroupRoot: /docker/ab\nclusterDNS: [172.20.0.10]"},
		"kubelet's limit": {c.kubeletConfiguration("/"), `nodefs.available: 1%,`},
		"kube-proxy":      {c.proxyConfiguration(), "mode: nftables"},
		"kube-proxy soon": {c.proxyConfiguration(), "nftables: {minSyncPeriod: 100ms}"},
		"CoreDNS alone":   {c.dnsDeployment(), `{name: KUBERNETES_SERVICE_HOST, value: 127.0.0.1}`},
		"CoreDNS's port":  {c.dnsDeployment(), `{name: KUBERNETES_SERVICE_PORT, value: "6443"}`},
		"its Service":     {c.dnsService(), "publishNotReadyAddresses: true"},
		"containerd":      {containerdConfiguration(true), "restrict_oom_score_adj = true"},
		"containerd's":    {containerdConfiguration(false), "restrict_oom_score_adj = false"},
		"masquerade":      {c.masquerade(), `ip saddr 10.244.0.0/16 ip daddr != 10.244.0.0/16 oifname != "lo" masquerade`},
	} {
		if !strings.Contains(given.text, given.wanted) || strings.Contains(given.text, "%!") {
			t.Errorf("%s: %q is not in\n%s", name, given.wanted, given.text)
		}
	}
}

func TestEveryObjectHasThePathOfItsName(t *testing.T) {
	kinds := map[string]string{
		"clusterrolebindings": "ClusterRoleBinding", "clusterroles": "ClusterRole", "serviceaccounts": "ServiceAccount", "configmaps": "ConfigMap",
		"deployments": "Deployment", "services": "Service", "storageclasses": "StorageClass",
	}
	for _, object := range example(t).objects() {
		name, resource := filepath.Base(object.path), filepath.Base(filepath.Dir(object.path))
		named := regexp.MustCompile(`(?m)^(metadata: \{|  )name: "?` + regexp.QuoteMeta(name) + `["},\n]`)
		if !strings.Contains(object.text, "\nkind: "+kinds[resource]+"\n") || !named.MatchString(object.text) || strings.Contains(object.text, "\t") || strings.Contains(object.text, "%!") {
			t.Errorf("%s:\n%s", object.path, object.text)
		}
	}
}

func TestANodeIsReadyOnlyByWhatKubeletHasSaidSince(t *testing.T) {
	since := time.Date(2026, 11, 30, 0, 9, 18, 700_000_000, time.UTC)
	for text, wanted := range map[string]bool{
		`{"status":{"conditions":[{"type":"Ready","status":"True","lastHeartbeatTime":"2026-11-30T00:09:18Z"}]}}`:                                         true,
		`{"status":{"conditions":[{"type":"DiskPressure","status":"True"},{"type":"Ready","status":"True","lastHeartbeatTime":"2026-11-30T01:00:00Z"}]}}`: true,
		`{"status":{"conditions":[{"type":"Ready","status":"True","lastHeartbeatTime":"2026-11-30T00:09:17Z"}]}}`:                                         false,
		`{"status":{"conditions":[{"type":"Ready","status":"False","lastHeartbeatTime":"2026-11-30T00:09:19Z"}]}}`:                                        false,
		`{"status":{}}`: false,
	} {
		var node node
		if err := json.Unmarshal([]byte(text), &node); err != nil {
			t.Fatal(err)
		}
		if node.ready(since) != wanted {
			t.Errorf("%s", text)
		}
	}
}
