package cluster

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// says fails the test unless what a check said begins a sentence that has all the words, or is nothing where none are.
func says(t *testing.T, name, said string, words ...string) {
	t.Helper()
	if len(words) == 0 && said != "" {
		t.Errorf("%s: %s", name, said)
	}
	for _, word := range words {
		if !strings.Contains(said, word) {
			t.Errorf("%s: %q is not in %q", name, word, said)
		}
	}
}

func TestAnOldKernelIsNamedWithTheModeThatItHas(t *testing.T) {
	for _, release := range []string{"5.13.0", "6.18.44-fc", "10.0", "unknown"} {
		says(t, release, oldKernel(release, "nftables"))
	}
	for _, release := range []string{"5.12.19", "5.4.0-150-generic", "4.19.1"} {
		says(t, release, oldKernel(release, "nftables"), release, "--proxy-mode iptables")
		says(t, release, oldKernel(release, "iptables"))
	}
	for _, release := range []string{"4.18.0-553.el8", "3.10.0"} {
		says(t, release, oldKernel(release, "iptables"), release, "newer kernel")
	}
}

func TestARootlessEngineIsToldByItsUsers(t *testing.T) {
	says(t, "root", mapped("         0          0 4294967295\n"))
	says(t, "rootless", mapped("         0       1000          1\n         1     100000      65536\n"), "rootless")
	says(t, "userns-remap", mapped("0 100000 65536\n"), "--userns=host")
}

func TestAnotherUserThanRootIsNamed(t *testing.T) {
	says(t, "root", notRoot(0))
	says(t, "another user", notRoot(1000), "user 1000", "--user")
}

func TestChecksOfRightsComeFirstAndSpeakAlone(t *testing.T) {
	before := checks
	defer func() { checks = before }()
	checks = nil
	for _, name := range []string{"first", lastOfRights, "later"} {
		checks = append(checks, check{name, func(options, place) string { return "wrong" }})
	}
	if found := problems(options{}, place{}); len(found) != 2 {
		t.Errorf("found %q", found)
	}
	if found := problems(options{ignored: map[string]bool{"first": true, lastOfRights: true}}, place{}); len(found) != 1 {
		t.Errorf("found %q", found)
	}
}

func TestEachMissingCapabilityIsNamed(t *testing.T) {
	all := "Name:\tx\nCapEff:\t000001ffffffffff\n"
	says(t, "all", missing(all))
	says(t, "all but SYS_RESOURCE", missing("CapEff:\t000001fffeffffff\n"))
	says(t, "an ordinary container", missing("CapEff:\t00000000a80425fb\n"), "NET_ADMIN, SYS_PTRACE, SYS_ADMIN", "--privileged")
	for number, name := range needed {
		says(t, name, missing(fmt.Sprintf("CapEff:\t%016x\n", uint64(0x1ffffffffff)&^(1<<number))), "lacks "+name+";")
	}
	if capable(all, resources) != true || capable("CapEff:\t000001fffeffffff\n", resources) {
		t.Error("CAP_SYS_RESOURCE is not told")
	}
}

func TestControllersThatAreNotDelegatedAreNamed(t *testing.T) {
	says(t, "all", lackingControllers("cpuset cpu io memory hugetlb pids\n"))
	says(t, "what a user has", lackingControllers("memory pids\n"), "lacks the controllers cpu, cpuset;", "Delegate=yes")
	says(t, "none", lackingControllers(""), "cpu, cpuset, memory, pids")
}

func TestLittleMemoryAndDiskAreSaidInNumbers(t *testing.T) {
	says(t, "enough", littleMemory(leastMemory)+littleDisk(leastDisk))
	says(t, "memory", littleMemory(512), "512 MiB", "--memory")
	says(t, "disk", littleDisk(3), "3 MiB free", "-v DIRECTORY:/var")
	if memory := kilobytes("MemTotal:  9 kB\nMemAvailable:    1024 kB\n", "MemAvailable:"); memory != 1024 {
		t.Errorf("%d kB", memory)
	}
}

func TestAPortThatIsTakenIsNamedWithItsComponent(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	port := listener.Addr().(*net.TCPAddr).Port
	before := ports
	defer func() { ports = before }()
	ports = append(ports[:0:0], ports[0])
	ports[0].number = port
	where := place{"lo", netip.MustParseAddr("127.0.0.2")}
	says(t, "taken", taken(where), fmt.Sprintf("port %d, which kube-apiserver needs, is taken", port), "--network host")
	listener.Close()
	if os.Getuid() == 0 { // who may listen on port 53
		says(t, "free", taken(where))
	}
}

func TestTheMachinesOwnNetworkIsToldByItsDevice(t *testing.T) {
	devices := t.TempDir()
	for _, path := range []string{"eth0/device", "veth1"} {
		if err := os.MkdirAll(filepath.Join(devices, path), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	says(t, "a container's", machinesNetwork(devices, "veth1"))
	says(t, "the machine's", machinesNetwork(devices, "eth0"), "eth0 is a device of the machine", "without --network host")
}

func TestOnAMachineNothingIsDone(t *testing.T) {
	if os.Getpid() == 1 {
		t.Skip("this is the first process")
	}
	if code := run([]string{"--name", "a"}); code != 2 {
		t.Errorf("exit code %d", code)
	}
}

func TestNetworksThatTheContainerIsInMayNotBeTheClusters(t *testing.T) {
	chosen, err := parse([]string{"--name", "a"})
	if err != nil {
		t.Fatal(err)
	}
	where := place{"eth0", netip.MustParseAddr("172.17.0.2")}
	says(t, "apart", overlapping(chosen, routes, where))
	chosen.podSubnet = netip.MustParsePrefix("172.17.128.0/17")
	says(t, "Pods", overlapping(chosen, routes, where), "172.17.0.2 in the network 172.17.0.0/16", "--pod-subnet")
	chosen.podSubnet, chosen.serviceSubnet = netip.MustParsePrefix(defaultPods), netip.MustParsePrefix("192.0.0.0/8")
	says(t, "Services", overlapping(chosen, routes, where), "192.168.0.0/24", "--service-subnet")
}

func TestAnIgnoredCheckIsNotAsked(t *testing.T) {
	asked := ""
	before := checks
	defer func() { checks = before }()
	checks = nil
	for _, name := range []string{"one", "two"} {
		checks = append(checks, check{name, func(options, place) string { asked += name + " "; return "wrong" }})
	}
	found := problems(options{ignored: map[string]bool{"one": true}}, place{})
	if asked != "two " || len(found) != 1 || found[0] != "two: wrong" {
		t.Errorf("asked %q, found %q", asked, found)
	}
}

func TestAFileSystemThatCannotHoldContainersIsNamed(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root may mount")
	}
	says(t, "a kernel's file system", noOverlay("/proc/self/kubewright"), "-v /var")
}
