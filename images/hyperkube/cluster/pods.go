package cluster

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// stopPods asks the programs in Pods to end and gives them some time. Those of them that have not ended by then are
// killed with the container.
func stopPods(patience time.Duration) {
	for _, process := range podProcesses() {
		syscall.Kill(process, syscall.SIGTERM)
	}
	within(patience, func() bool { return len(podProcesses()) == 0 })
}

// podProcesses are the descendants of this process that are in another PID namespace, without the pauses, which hold
// these open, and without those that have ended.
func podProcesses() []int {
	own, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return nil
	}
	parents := parents()
	var found []int
	for process := range parents {
		directory := filepath.Join("/proc", strconv.Itoa(process))
		namespace, err := os.Readlink(directory + "/ns/pid")
		if err == nil && namespace != own && descends(process, os.Getpid(), parents) && strings.TrimSpace(text(directory+"/comm")) != "pause" {
			found = append(found, process)
		}
	}
	return found
}

// parents has the parent of every process that has not ended.
func parents() map[int]int {
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	all := map[int]int{}
	for _, file := range files {
		if process, parent, alive := readStat(text(file)); alive {
			all[process] = parent
		}
	}
	return all
}

// readStat reads `PID (NAME) STATE PARENT …`; the name may have any signs in it.
func readStat(stat string) (process, parent int, alive bool) {
	if _, err := fmt.Sscanf(stat, "%d (", &process); err != nil {
		return 0, 0, false
	}
	var state string
	if _, err := fmt.Sscanf(stat[strings.LastIndexByte(stat, ')')+1:], " %s %d", &state, &parent); err != nil || state == "Z" {
		return 0, 0, false
	}
	return process, parent, true
}

// descends is whether a process is a descendant of another one.
func descends(process, ancestor int, parents map[int]int) bool {
	for range len(parents) { // processes may end and their numbers come again meanwhile: no endless loop
		parent, known := parents[process]
		if !known || parent == ancestor {
			return known
		}
		process = parent
	}
	return false
}
