package cluster

import (
	"fmt"
	"strings"
)

// keptFile says which cluster is in the volume: what it was begun with, and by which Kubernetes it was run last.
const keptFile = state + "/cluster"

// kept is the content of that file, a line for each thing that cannot change in the life of a cluster, then the version.
func (o options) kept(version string) string {
	return fmt.Sprintf("name %s\npod-subnet %s\nservice-subnet %s\nversion %s\n", o.name, o.podSubnet, o.serviceSubnet, version)
}

// anotherCluster compares what the volume has, if it has anything, with what is asked for.
func anotherCluster(before, now string) string {
	if before == "" {
		return ""
	}
	was, is := fields(before), fields(now)
	for _, name := range []string{"name", "pod-subnet", "service-subnet"} {
		if was[name] != is[name] {
			return fmt.Sprintf("/var holds a cluster with --%s %s, and this would be one with --%[1]s %[3]s; "+
				"begin it as it was, or give the container an empty volume", name, was[name], is[name])
		}
	}
	old, new := minor(was["version"]), minor(is["version"])
	if old >= 0 && new >= 0 && (new < old || new > old+1) {
		return fmt.Sprintf("/var holds a cluster of Kubernetes %s, which %s cannot run: Kubernetes goes one minor up at a time, and never "+
			"down; use an image between them, or give the container an empty volume", was["version"], is["version"])
	}
	return ""
}

func fields(text string) map[string]string {
	all := map[string]string{}
	for _, line := range strings.Split(text, "\n") {
		name, value, _ := strings.Cut(line, " ")
		all[name] = value
	}
	return all
}

// minor is 36 of v1.36.3, and -1 of what is no version.
func minor(version string) int {
	var major, minor int
	if _, err := fmt.Sscanf(version, "v%d.%d", &major, &minor); err != nil {
		return -1
	}
	return major*1000 + minor
}
