// Package cluster is the first process of a container that is a whole cluster: it makes a machine of the container,
// starts etcd, containerd and every Kubernetes component as a process of its own, and keeps them running.
//
// It imports the standard library only, so that Go initialises it before Kubernetes' packages. Called as cluster or
// kubeconfig it never gets to them, and needs 15 MB where it would otherwise need what all of them allocate.
package cluster

import (
	"fmt"
	"os"
	"path/filepath"
)

// commands are what this package does, by the name that it is called by; each returns its exit code.
var commands = map[string]func(arguments []string) int{"cluster": run, "kubeconfig": kubeconfig}

func init() {
	if command, arguments := called(os.Args); command != nil {
		os.Exit(command(arguments))
	}
	if after, ok := settled(os.Getenv(settling)); ok {
		go settle(after)
	}
}

// called returns the command of a command line, `hyperkube cluster …` or `/usr/local/bin/cluster …`, or nil.
func called(words []string) (command func([]string) int, arguments []string) {
	if len(words) == 0 {
		return nil, nil
	}
	name, rest := filepath.Base(words[0]), words[1:]
	if name == "hyperkube" && len(rest) > 0 {
		name, rest = rest[0], rest[1:]
	}
	return commands[name], rest
}

// refuse says on standard error why a command does not do what it was asked, and returns its exit code.
func refuse(command, format string, values ...any) int {
	fmt.Fprintf(os.Stderr, "%s: %s\n", command, fmt.Sprintf(format, values...))
	return 2
}
