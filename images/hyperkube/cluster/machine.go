package cluster

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// A mount is a line of /proc/self/mountinfo: which directory of a file system is mounted where, and how.
type mount struct {
	root, point, kind string
	options           []string // of the mount and of the file system
}

// mounts reads /proc/self/mountinfo.
func mounts(table string) []mount {
	var all []mount
	for _, line := range strings.Split(table, "\n") {
		before, after, found := strings.Cut(line, " - ")
		words, more := strings.Fields(before), strings.Fields(after)
		if !found || len(words) < 6 || len(more) < 3 {
			continue
		}
		options := append(strings.Split(words[5], ","), strings.Split(more[2], ",")...)
		all = append(all, mount{words[3], words[4], more[0], options})
	}
	return all
}

func ownMounts() ([]mount, error) {
	table, err := os.ReadFile("/proc/self/mountinfo")
	return mounts(string(table)), err
}

// Where things are. What lasts is below /var, so that a volume there holds the whole cluster.
const (
	state      = "/var/lib/kubernetes"
	kubernetes = "/etc/kubernetes" // a link to it
	volumes    = "/var/lib/kubernetes/volumes"
	runtime    = "/run/cluster"
)

// A step makes the container more like a machine.
type step struct {
	what string
	do   func() error
}

var steps = []step{
	{"mounts that Pods may share with their node", func() error { return syscall.Mount("", "/", "", syscall.MS_SHARED|syscall.MS_REC, "") }},
	{"/proc and /sys that can be written", makeWritable},
	{"an empty /run", func() error {
		return syscall.Mount("tmpfs", "/run", "tmpfs", syscall.MS_NOSUID|syscall.MS_NODEV, "mode=755")
	}},
	{"control groups for Pods", delegate},
	{"forwarding between Pods", func() error { return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0) }},
	{"the files of a machine", makeFiles},
}

// machine makes a machine of the container; an error says what it lacks.
func machine() error {
	for _, step := range steps {
		if err := step.do(); err != nil {
			return fmt.Errorf("cannot have %s: %w", step.what, err)
		}
	}
	return nil
}

// makeWritable mounts again what the engine has mounted read-only of the kernel's file systems.
func makeWritable() error {
	all, err := ownMounts()
	if err != nil {
		return err
	}
	for _, mounted := range all {
		kernel := mounted.kind == "proc" || mounted.kind == "sysfs" || strings.HasPrefix(mounted.kind, "cgroup")
		if !kernel || !contains(mounted.options, "ro") {
			continue
		}
		if err := writable(mounted); err != nil {
			return fmt.Errorf("%s: %w", mounted.point, err)
		}
	}
	return nil
}

func writable(mounted mount) error {
	const safe = syscall.MS_NOSUID | syscall.MS_NODEV | syscall.MS_NOEXEC
	if err := syscall.Mount("", mounted.point, "", syscall.MS_BIND|syscall.MS_REMOUNT|safe, ""); err != nil {
		return err
	}
	if mounted.kind == "sysfs" { // the file system itself may be read-only too; that of groups is the machine's
		return syscall.Mount("", mounted.point, "", syscall.MS_REMOUNT|safe, "")
	}
	return nil
}

// makeKernelLog makes the device of the kernel's log, which containers do not have.
func makeKernelLog() error {
	err := syscall.Mknod("/dev/kmsg", syscall.S_IFCHR|0o600, 1<<8|11)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	log, err := os.Open("/dev/kmsg")
	if err != nil {
		return err
	}
	return log.Close()
}

// delegate lets the container's control group have groups below it with all controllers, which version 2 does only for
// groups without processes of their own.
func delegate() error {
	own, err := groupRoot()
	if err != nil || !unified() {
		return err
	}
	group := filepath.Join(groups, own)
	if err := os.MkdirAll(filepath.Join(group, "cluster"), 0o755); err != nil {
		return err
	}
	for range 10 { // a process may start another one meanwhile
		processes, err := os.ReadFile(filepath.Join(group, "cgroup.procs"))
		if err != nil {
			return err
		}
		if len(processes) == 0 {
			break
		}
		for _, process := range strings.Fields(string(processes)) {
			os.WriteFile(filepath.Join(group, "cluster", "cgroup.procs"), []byte(process), 0) // it may have ended
		}
	}
	controllers, err := os.ReadFile(filepath.Join(group, "cgroup.controllers"))
	if err != nil {
		return err
	}
	for _, controller := range strings.Fields(string(controllers)) {
		err := os.WriteFile(filepath.Join(group, "cgroup.subtree_control"), []byte("+"+controller), 0)
		if err != nil && contains(neededControllers, controller) {
			return fmt.Errorf("controller %s: %w", controller, err)
		}
	}
	return nil
}

// groups is where control groups are mounted.
const groups = "/sys/fs/cgroup"

// unified is whether control groups are of version 2.
func unified() bool {
	_, err := os.Stat(groups + "/cgroup.controllers")
	return err == nil
}

// groupRoot is the container's control group as a path below the mounted ones.
func groupRoot() (string, error) {
	table, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", err
	}
	all, err := ownMounts()
	if err != nil {
		return "", err
	}
	return groupBelow(string(table), all), nil
}

// groupBelow finds the group of the memory controller, or of version 2, in /proc/self/cgroup, and what of its path is
// below the mounted directory: an engine may mount the group itself, or all groups.
func groupBelow(table string, all []mount) string {
	path, kind := "/", "cgroup2"
	for _, line := range strings.Split(table, "\n") {
		words := strings.SplitN(line, ":", 3)
		if len(words) == 3 && contains(strings.Split(words[1], ","), "memory") {
			path, kind = words[2], "cgroup"
			break
		}
		if len(words) == 3 && words[0] == "0" {
			path = words[2]
		}
	}
	path = strings.TrimSuffix(path, "/cluster") // where `delegate` has put the processes
	for _, mounted := range all {
		if mounted.kind != kind || kind == "cgroup" && !contains(mounted.options, "memory") {
			continue
		}
		if below, found := strings.CutPrefix(path, mounted.root); found {
			return filepath.Join("/", below)
		}
		return "/" // its root is in another namespace
	}
	return filepath.Join("/", path)
}

// makeFiles makes what programs expect to be there.
func makeFiles() error {
	for _, directory := range []string{state, volumes, runtime, "/var/lib/kubelet", "/var/log/pods", "/var/log/containers"} {
		if err := os.MkdirAll(directory, 0o755); err != nil {
			return err
		}
	}
	for _, secret := range []string{state, runtime} { // keys, and etcd's sockets
		if err := os.Chmod(secret, 0o700); err != nil {
			return err
		}
	}
	for path, line := range map[string]string{
		"/etc/passwd":     "root:x:0:0:root:/root:/bin/sh\n", // kubelet asks for users that may have ranges of their own
		"/etc/group":      "root:x:0:\n",
		"/etc/os-release": "ID=kubewright\nPRETTY_NAME=\"Kubewright cluster\"\n", // what `kubectl get nodes -o wide` shows
	} {
		if exists(path) {
			continue
		}
		if err := os.WriteFile(path, []byte(line), 0o644); err != nil {
			return err
		}
	}
	err := os.Symlink(state, kubernetes)
	if target, _ := filepath.EvalSymlinks(kubernetes); target == state {
		return nil
	}
	return err
}
