//go:build !kubernetes_1_37

package main

import "github.com/spf13/pflag"

// proxyFlags are the globally declared flags that kube-proxy's own packages bring: cAdvisor's.
var proxyFlags = []string{"boot_id_file", "machine_id_file"}

// addEtcdutlFlags has nothing to add before etcd 3.7.
func addEtcdutlFlags(*pflag.FlagSet) {}
