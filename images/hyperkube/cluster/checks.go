package cluster

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// A check finds out before anything is started why a cluster would fail later; it says what is wrong and what to do.
type check struct {
	name string
	find func(chosen options, where place) string
}

var checks = []check{
	{"kernel", func(chosen options, _ place) string { return oldKernel(kernelRelease(), chosen.proxyMode) }},
	{"user-namespace", func(options, place) string { return mapped(text("/proc/self/uid_map")) }},
	{"capabilities", func(options, place) string { return missing(text("/proc/self/status")) }},
	{"mounts", func(options, place) string { return noMounts() }},
	{"kernel-log", func(options, place) string { return noKernelLog() }},
	{"control-groups", func(options, place) string { return noGroups() }},
	{"overlay", func(options, place) string { return noOverlay("/var/lib/containerd") }},
	{"memory", func(options, place) string { return littleMemory(memory()) }},
	{"disk", func(options, place) string { return littleDisk(free("/var")) }},
	{"network", func(_ options, where place) string { return machinesNetwork("/sys/class/net", where.device) }},
	{"ports", func(_ options, where place) string { return taken(where) }},
	{"volume", func(chosen options, _ place) string {
		return anotherCluster(text(keptFile), chosen.kept(kubernetesVersion()))
	}},
	{"subnets", func(chosen options, where place) string { return overlapping(chosen, text("/proc/net/route"), where) }},
	{"watches", func(options, place) string { return noWatches() }},
	{"packet-filter", func(chosen options, _ place) string { return noFilter(chosen.proxyMode) }},
}

func checkNames() []string {
	var names []string
	for _, check := range checks {
		names = append(names, check.name)
	}
	return names
}

// problems are what the checks find, each with the name of its check.
func problems(chosen options, where place) []string {
	var found []string
	for _, check := range checks {
		if chosen.ignored[check.name] {
			continue
		}
		if said := check.find(chosen, where); said != "" {
			found = append(found, check.name+": "+said)
		}
		if len(found) > 0 && check.name == "capabilities" { // the rest would only say the same in other words
			break
		}
	}
	return found
}

// privileged is the remedy for what an ordinary container may not do; the rest of it is for machines that refuse that.
const privileged = "use docker run --privileged, or where that fails --cap-add=ALL --security-opt=seccomp=unconfined " +
	"--security-opt=apparmor=unconfined --device-cgroup-rule='a *:* rwm'"

func text(path string) string {
	data, _ := os.ReadFile(path)
	return string(data)
}

func kernelRelease() string { return strings.TrimSpace(text("/proc/sys/kernel/osrelease")) }

// oldKernel asks for what kube-proxy's modes need.
func oldKernel(release, mode string) string {
	var major, minor int
	if _, err := fmt.Sscanf(release, "%d.%d", &major, &minor); err != nil {
		return ""
	}
	number := major*1000 + minor
	switch {
	case number < 4019:
		return fmt.Sprintf("Linux %s is too old for kubelet, which needs 4.19; use a machine with a newer kernel", release)
	case number < 5013 && mode == "nftables":
		return fmt.Sprintf("Linux %s is too old for kube-proxy's nftables mode, which needs 5.13; use --proxy-mode iptables", release)
	}
	return ""
}

// mapped is true of rootless engines: there root is another user outside.
func mapped(table string) string {
	words := strings.Fields(table)
	if len(words) == 3 && words[0] == "0" && words[1] == "0" && words[2] == "4294967295" {
		return ""
	}
	return "root in this container is an ordinary user of the machine (a rootless engine, or userns-remap), " +
		"who may not do what kubelet does; use an engine that runs as root, with docker run --userns=host"
}

// needed are the capabilities by their number in the kernel.
var needed = map[int]string{
	0: "CHOWN", 1: "DAC_OVERRIDE", 3: "FOWNER", 5: "KILL", 6: "SETGID", 7: "SETUID", 8: "SETPCAP", 10: "NET_BIND_SERVICE", 12: "NET_ADMIN",
	13: "NET_RAW", 18: "SYS_CHROOT", 19: "SYS_PTRACE", 21: "SYS_ADMIN", 27: "MKNOD", 31: "SETFCAP",
}

// resources is the number of CAP_SYS_RESOURCE, which the kernel asks of who makes a process less likely to be killed.
const resources = 24

// capable is whether /proc/self/status lists an effective capability.
func capable(status string, number int) bool {
	for _, line := range strings.Split(status, "\n") {
		if value, found := strings.CutPrefix(line, "CapEff:"); found {
			set, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
			return err == nil && set&(1<<number) != 0
		}
	}
	return false
}

func missing(status string) string {
	var lacking []string
	for number := range 64 {
		if name := needed[number]; name != "" && !capable(status, number) {
			lacking = append(lacking, name)
		}
	}
	if lacking == nil {
		return ""
	}
	return fmt.Sprintf("the container lacks %s; %s", strings.Join(lacking, ", "), privileged)
}

// noMounts tries what AppArmor and seccomp may forbid in spite of all capabilities.
func noMounts() string {
	err := syscall.Mount("", "/", "", syscall.MS_SHARED|syscall.MS_REC, "")
	if err == nil {
		return ""
	}
	return fmt.Sprintf("the container may not change its mounts (%v); %s", err, privileged)
}

// noKernelLog opens the device from which kubelet learns that the kernel has killed a process.
func noKernelLog() string {
	if err := makeKernelLog(); err != nil {
		return fmt.Sprintf("the kernel's log cannot be read (%v); %s", err, privileged)
	}
	return ""
}

// noGroups tries whether control groups for Pods can be made, with the controllers that kubelet needs.
func noGroups() string {
	if err := makeWritable(); err != nil {
		return fmt.Sprintf("%v, and cannot be made writable; %s", err, privileged)
	}
	own, err := groupRoot()
	if err != nil {
		return fmt.Sprintf("%v; mount control groups at %s", err, groups)
	}
	if unified() {
		return lackingControllers(text(filepath.Join(groups, own, "cgroup.controllers")))
	}
	for _, controller := range []string{"cpu", "cpuset", "memory", "pids"} {
		group := filepath.Join(groups, controller, own)
		if _, err := os.Stat(group); err != nil {
			return fmt.Sprintf("the controller %s has no group of this container (%v); mount control groups of version 1 whole, "+
				"or start the machine with version 2 (systemd.unified_cgroup_hierarchy=1)", controller, err)
		}
		if err := tryGroup(group); err != nil {
			return fmt.Sprintf("no control group can be made below %s (%v); %s", group, err, privileged)
		}
	}
	return ""
}

func tryGroup(group string) error {
	trial := filepath.Join(group, "kubewright-check")
	if err := os.Mkdir(trial, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return syscall.Rmdir(trial)
}

// lackingControllers reads cgroup.controllers of version 2: what whoever owns the container has delegated to it.
func lackingControllers(there string) string {
	var lacking []string
	for _, controller := range []string{"cpu", "cpuset", "memory", "pids"} {
		if !contains(strings.Fields(there), controller) {
			lacking = append(lacking, controller)
		}
	}
	if lacking == nil {
		return ""
	}
	return fmt.Sprintf("the control group of this container lacks the controllers %s; delegate them to the engine: "+
		"`systemctl set-property docker.service Delegate=yes` for Docker as root, and restart it", strings.Join(lacking, ", "))
}

// noOverlay mounts what containerd will mount for every container.
func noOverlay(directory string) string {
	remedy := "give the container a volume for /var: docker run -v /var"
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return fmt.Sprintf("%v; %s", err, remedy)
	}
	trial, err := os.MkdirTemp(directory, "check-")
	if err != nil {
		return fmt.Sprintf("%v; %s", err, remedy)
	}
	defer os.RemoveAll(trial)
	for _, name := range []string{"lower", "upper", "work", "merged"} {
		os.Mkdir(filepath.Join(trial, name), 0o755)
	}
	options := fmt.Sprintf("lowerdir=%[1]s/lower,upperdir=%[1]s/upper,workdir=%[1]s/work", trial)
	if err := syscall.Mount("overlay", filepath.Join(trial, "merged"), "overlay", 0, options); err != nil {
		return fmt.Sprintf("the file system of %s cannot hold containers (overlayfs: %v); it may be an overlay itself; %s",
			directory, err, remedy)
	}
	syscall.Unmount(filepath.Join(trial, "merged"), syscall.MNT_DETACH)
	return ""
}

// The least with which a cluster works, in MiB.
const (
	leastMemory = 700
	leastDisk   = 1000
)

// memory is how many MiB the container may have: what the machine has left, or the limit of its control group.
func memory() int {
	least := kilobytes(text("/proc/meminfo"), "MemAvailable:") / 1024
	own, _ := groupRoot()
	for _, file := range []string{filepath.Join(groups, own, "memory.max"), filepath.Join(groups, "memory", own, "memory.limit_in_bytes")} {
		if limit, err := strconv.ParseUint(strings.TrimSpace(text(file)), 10, 64); err == nil && limit>>20 < uint64(least) {
			least = int(limit >> 20)
		}
	}
	return least
}

func kilobytes(table, name string) int {
	for _, line := range strings.Split(table, "\n") {
		if value, found := strings.CutPrefix(line, name); found {
			number, _ := strconv.Atoi(strings.Fields(value + " 0")[0])
			return number
		}
	}
	return 0
}

func littleMemory(mebibytes int) string {
	if mebibytes >= leastMemory {
		return ""
	}
	return fmt.Sprintf("%d MiB of memory, but a cluster needs %d; give the container more with docker run --memory, "+
		"or end other programs", mebibytes, leastMemory)
}

// free is how many MiB a directory has room for.
func free(directory string) int {
	var about syscall.Statfs_t
	if err := syscall.Statfs(directory, &about); err != nil {
		return leastDisk // the check for overlays says what is wrong
	}
	return int(about.Bavail * uint64(about.Bsize) >> 20)
}

func littleDisk(mebibytes int) string {
	if mebibytes >= leastDisk {
		return ""
	}
	return fmt.Sprintf("%d MiB free in /var, but a cluster needs %d; free some space where the engine keeps volumes, "+
		"or give a volume elsewhere with docker run -v DIRECTORY:/var", mebibytes, leastDisk)
}

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

// noWatches makes as many inotify instances as kubelet and its neighbours do: many engines share one small limit.
func noWatches() string {
	const wanted = 12
	for range wanted {
		descriptor, err := syscall.InotifyInit1(syscall.IN_CLOEXEC)
		if err != nil {
			return fmt.Sprintf("no inotify instance can be had (%v), and kubelet needs some; raise the limit on the machine: "+
				"sysctl -w fs.inotify.max_user_instances=1024", err)
		}
		defer syscall.Close(descriptor)
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
