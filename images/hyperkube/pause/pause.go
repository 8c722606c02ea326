// Package pause is the first process of a pod: it holds the namespaces and reaps orphans until it is told to end.
//
// It imports next to nothing, so that Go initialises it before the other programs' packages. Called as pause it
// never gets to them, and needs a few MB of memory where it would otherwise need what all of them allocate.
package pause

import (
	"os"
	"os/signal"
	"syscall"
)

func init() {
	if len(os.Args) > 0 && base(os.Args[0]) == "pause" || len(os.Args) > 1 && base(os.Args[0]) == "hyperkube" && os.Args[1] == "pause" {
		Run()
	}
}

// Run waits for SIGINT or SIGTERM and ends the process. With -v it ends at once: `kubeadm upgrade` starts it so in a
// Job, to see whether the cluster can run one.
func Run() {
	for _, argument := range os.Args[1:] {
		if argument == "-v" {
			os.Stdout.WriteString("pause, built into hyperkube\n")
			os.Exit(0)
		}
	}
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGCHLD)
	for received := range signals {
		if received != syscall.SIGCHLD {
			os.Exit(0)
		}
		reap()
	}
}

func reap() {
	for {
		child, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		if err != syscall.EINTR && child <= 0 {
			return
		}
	}
}

// base is filepath.Base without the packages that it would bring in.
func base(path string) string {
	for index := len(path) - 1; index >= 0; index-- {
		if path[index] == '/' {
			return path[index+1:]
		}
	}
	return path
}
