package cluster

import (
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

// podProcesses are the processes in other PID namespaces than this one, without the pauses, which hold these open.
func podProcesses() []int {
	own, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return nil
	}
	directories, _ := filepath.Glob("/proc/[0-9]*")
	var found []int
	for _, directory := range directories {
		namespace, err := os.Readlink(directory + "/ns/pid")
		if err != nil || namespace == own || strings.TrimSpace(text(directory+"/comm")) == "pause" {
			continue
		}
		if number, err := strconv.Atoi(filepath.Base(directory)); err == nil {
			found = append(found, number)
		}
	}
	return found
}
