package cluster

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"
)

// machinesNetwork tells the machine's own network by its device, which is one of the machine's, and no end of a link.
func machinesNetwork(devices, device string) string {
	if !exists(filepath.Join(devices, device, "device")) {
		return ""
	}
	return fmt.Sprintf("the container is in the machine's own network (%s is a device of the machine), where a cluster would change "+
		"routes and the packet filter, and leave them changed; run it without --network host", device)
}

// ports are those that components listen on, in the container's network.
var ports = []struct {
	number    int
	component string
}{
	{apiPort, "kube-apiserver"}, {10249, "kube-proxy"}, {10250, "kubelet"}, {10256, "kube-proxy"}, {10257, "kube-controller-manager"},
	{10259, "kube-scheduler"}, {dnsHealthPort, "CoreDNS"}, {dnsReadyPort, "CoreDNS"},
}

// taken tries the ports; in a network of the container's own nobody else can have them.
func taken(where place) string {
	for _, port := range ports {
		if err := tryPort(fmt.Sprintf(":%d", port.number)); err != nil {
			return portTaken(port.number, port.component, err)
		}
	}
	if err := tryPort(net.JoinHostPort(where.address.String(), "53")); err != nil {
		return portTaken(53, "CoreDNS", err)
	}
	return ""
}

func tryPort(address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	return listener.Close()
}

func portTaken(port int, component string, err error) string {
	return fmt.Sprintf("port %d, which %s needs, is taken (%v); run the container in a network of its own, without --network host, "+
		"or end the program that has the port", port, component, errors.Unwrap(err))
}

// overlapping compares the cluster's networks with those that the container already reaches.
func overlapping(chosen options, routes string, where place) string {
	for _, wanted := range []struct {
		option string
		subnet netip.Prefix
	}{{"--pod-subnet", chosen.podSubnet}, {"--service-subnet", chosen.serviceSubnet}} {
		for _, network := range reachable(routes) {
			if network.Overlaps(wanted.subnet) {
				return fmt.Sprintf("the container is at %s in the network %s, which overlaps %s %s; choose another network with %s",
					where.address, network, wanted.option, wanted.subnet, wanted.option)
			}
		}
	}
	return ""
}

// noFilter tries the tool that kube-proxy will use.
func noFilter(mode string) string {
	command := exec.Command("nft", "--check", "add table ip kubewright-check")
	if mode == "iptables" {
		command = exec.Command("iptables", "--wait", "--table", "nat", "--list-rules")
	}
	said, err := command.CombinedOutput()
	if err == nil {
		return ""
	}
	first, _, _ := strings.Cut(strings.TrimSpace(string(said)+" "+err.Error()), "\n")
	return fmt.Sprintf("%s does not work here (%s); load the kernel modules nf_tables and nft_chain_nat on the machine",
		command.Args[0], first)
}
