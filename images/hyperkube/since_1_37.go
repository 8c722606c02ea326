//go:build kubernetes_1_37

package main

import (
	"time"

	"github.com/spf13/pflag"
	"go.etcd.io/etcd/etcdutl/v3/etcdutl"
)

// proxyFlags are none any more.
var proxyFlags []string

// addEtcdutlFlags adds the flag that came with etcd 3.7.
func addEtcdutlFlags(flags *pflag.FlagSet) {
	flags.DurationVar(&etcdutl.FlockTimeout, "timeout", 10*time.Second, "how long to wait for the lock on the data file; 0: for ever")
}
