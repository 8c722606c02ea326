package cluster

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

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
