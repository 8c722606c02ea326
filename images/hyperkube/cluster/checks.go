package cluster

import (
	"fmt"
	"os"
	"strings"
)

// A check finds out before anything is started why a cluster would fail later; it says what is wrong and what to do.
type check struct {
	name string
	find func(chosen options, where place) string
}

var checks = []check{
	{"kernel", func(chosen options, _ place) string { return oldKernel(kernelRelease(), chosen.proxyMode) }},
	{"root", func(options, place) string { return notRoot(os.Getuid()) }},
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

// lastOfRights is the last check of what the container may do at all.
const lastOfRights = "capabilities"

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
		if len(found) > 0 && check.name == lastOfRights { // the rest would only say the same in other words
			break
		}
	}
	return found
}

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
