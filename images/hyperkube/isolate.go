package main

import (
	"flag"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// isolate takes back what the packages of other programs did to the process when they were loaded.
func isolate(name string) {
	// etcd's tools take any prefix of a command for the command; kubectl and kubeadm do not.
	cobra.EnablePrefixMatching = name == "etcdctl" || name == "etcdutl"
	switch name {
	case "kube-proxy": // offers every flag that anybody declared in package flag, here kubelet's as well
		keepFlags(proxyFlags...)
	case "kubeadm":
		keepFlags()
		fallthrough
	case "kubectl", "etcdctl", "etcdutl": // cobra offers what anybody declared in pflag, here the servers' --version
		pflag.CommandLine = pflag.NewFlagSet(name, pflag.ExitOnError)
	}
}

// keepFlags forgets what was declared in package flag except the flags with these names.
func keepFlags(names ...string) {
	all := flag.CommandLine
	flag.CommandLine = flag.NewFlagSet(all.Name(), flag.ExitOnError)
	for _, name := range names {
		if kept := all.Lookup(name); kept != nil {
			flag.Var(kept.Value, kept.Name, kept.Usage)
		}
	}
}
