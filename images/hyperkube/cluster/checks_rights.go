package cluster

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// privileged is the remedy for what an ordinary container may not do; the rest of it is for machines that refuse that.
const privileged = "use docker run --privileged, or where that fails --cap-add=ALL --security-opt=seccomp=unconfined " +
	"--security-opt=apparmor=unconfined --device-cgroup-rule='a *:* rwm'"

func notRoot(user int) string {
	if user == 0 {
		return ""
	}
	return fmt.Sprintf("the command runs as user %d, and must be root in its container; leave out docker run --user", user)
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

// neededControllers are those without which kubelet does not begin.
var neededControllers = []string{"cpu", "cpuset", "memory", "pids"}

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
		if said := lackingControllers(text(filepath.Join(groups, own, "cgroup.controllers"))); said != "" {
			return said
		}
		if err := tryGroup(filepath.Join(groups, own)); err != nil {
			return fmt.Sprintf("no control group can be made (%v); %s", err, privileged)
		}
		return ""
	}
	for _, controller := range neededControllers {
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
	for _, controller := range neededControllers {
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
