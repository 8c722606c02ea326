package cluster

import (
	"errors"
	"flag"
	"net/netip"
	"reflect"
	"strings"
	"testing"
)

func TestACommandIsKnownByTheNameItIsCalledBy(t *testing.T) {
	for _, given := range []struct {
		words     string
		known     bool
		arguments []string
	}{
		{"hyperkube cluster --verbose", true, []string{"--verbose"}},
		{"/usr/local/bin/hyperkube cluster", true, []string{}},
		{"/usr/local/bin/kubeconfig --wait", true, []string{"--wait"}},
		{"hyperkube kubeconfig", true, []string{}},
		{"cluster", true, []string{}},
		{"hyperkube", false, nil},
		{"hyperkube kubelet cluster", false, nil},
		{"kubectl cluster", false, nil},
		{"hyperkube --list", false, nil},
		{"cluster.test -test.v", false, nil},
		{"", false, nil},
	} {
		command, arguments := called(strings.Fields(given.words))
		if (command != nil) != given.known || given.known && !reflect.DeepEqual(arguments, given.arguments) {
			t.Errorf("%q: known: %t, arguments: %q", given.words, command != nil, arguments)
		}
	}
}

func TestOptionsHaveValuesThatWork(t *testing.T) {
	chosen, err := parse([]string{"--name", "dev", "--pod-subnet=10.1.0.0/16", "--ignore", "memory,disk", "--proxy-mode", "iptables"})
	if err != nil {
		t.Fatal(err)
	}
	if chosen.name != "dev" || chosen.podSubnet.String() != "10.1.0.0/16" || chosen.serviceSubnet.String() != defaultServices ||
		!chosen.ignored["memory"] || !chosen.ignored["disk"] || chosen.ignored["ports"] || chosen.proxyMode != "iptables" {
		t.Errorf("%+v", chosen)
	}
	if _, err := parse([]string{"--help"}); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("--help: %v", err)
	}
}

func TestAWrongOptionIsNamedWithWhatItMayBe(t *testing.T) {
	for arguments, said := range map[string]string{
		"start":                             "'start' is not an option",
		"--nosuch":                          "there is no option --nosuch; see --help",
		"--name":                            "--name: needs a value",
		"--name A_B":                        "--name A_B: a node's name has",
		"--name -a":                         "--name -a: a node's name has",
		"--name " + strings.Repeat("a", 64): "a node's name has up to 63",
		"--proxy-mode ipvs":                 "neither nftables nor iptables",
		"--ignore luck":                     "--ignore luck: there is no such check, only: kernel ",
		"--pod-subnet 10.0.0.0":             "--pod-subnet 10.0.0.0: is not an IPv4 network",
		"--pod-subnet 10.0.0.1/16":          "is not an IPv4 network",
		"--pod-subnet fd00::/48":            "is not an IPv4 network",
		"--pod-subnet 10.0.0.0/25":          "between /8 and /24",
		"--service-subnet 10.0.0.0/29":      "between /8 and /28",
		"--pod-subnet 10.96.0.0/12":         "--pod-subnet 10.96.0.0/12 and --service-subnet 10.96.0.0/16 overlap",
	} {
		name := []string{"--name", "a"}
		if _, err := parse(append(name, strings.Fields(arguments)...)); err == nil || !strings.Contains(err.Error(), said) {
			t.Errorf("%s: %v", arguments, err)
		}
	}
}

func TestTheTenthAddressOfANetworkIsCountedAcrossOctets(t *testing.T) {
	for network, wanted := range map[string]string{"10.96.0.0/16": "10.96.0.10", "10.0.0.240/28": "10.0.0.250", "172.16.8.0/22": "172.16.8.10"} {
		if found := nth(netip.MustParsePrefix(network), 10).String(); found != wanted {
			t.Errorf("%s: %s", network, found)
		}
	}
}

func TestTheUsageNamesEveryOptionAndCheck(t *testing.T) {
	var said strings.Builder
	printUsage(&said)
	for _, option := range []string{"--name", "--pod-subnet", "--service-subnet", "--proxy-mode", "--memory-low", "--ignore", "--verbose"} {
		if !strings.Contains(said.String(), "\n  "+option+" ") {
			t.Errorf("%s is missing", option)
		}
	}
	for _, check := range checkNames() {
		if !strings.Contains(said.String(), " "+check) {
			t.Errorf("%s is missing", check)
		}
	}
}
