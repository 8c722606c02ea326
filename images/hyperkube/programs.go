package main

import (
	"context"
	"os"
	_ "time/tzdata" // the time zones of CronJobs

	"go.etcd.io/etcd/etcdctl/v3/ctlv3"
	"go.etcd.io/etcd/server/v3/etcdmain"
	_ "k8s.io/client-go/plugin/pkg/client/auth" // kubectl's ways to log in
	"k8s.io/component-base/cli"
	"k8s.io/component-base/logs"
	_ "k8s.io/component-base/logs/json/register"          // --logging-format=json
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // metrics of the API client
	_ "k8s.io/component-base/metrics/prometheus/version"  // the metric that tells the version
	kubectl "k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubeadm "k8s.io/kubernetes/cmd/kubeadm/app"
	kubeadmerrors "k8s.io/kubernetes/cmd/kubeadm/app/util/errors"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"

	"hyperkube/pause"
)

// A program is constructed only when it is run: constructors install signal handlers, which may happen once.
type program struct {
	name    string
	run     func()
	version []string // the arguments that make it say its version
}

var programs = []program{
	{"kube-apiserver", func() { os.Exit(cli.Run(apiserver.NewAPIServerCommand())) }, []string{"--version"}},
	{"kube-controller-manager", func() { os.Exit(cli.Run(controllers.NewControllerManagerCommand())) }, []string{"--version"}},
	{"kube-scheduler", func() { os.Exit(cli.Run(scheduler.NewSchedulerCommand())) }, []string{"--version"}},
	{"kube-proxy", func() { os.Exit(cli.Run(proxy.NewProxyCommand())) }, []string{"--version"}},
	{"kubelet", func() { os.Exit(cli.Run(kubelet.NewKubeletCommand(context.Background()))) }, []string{"--version"}},
	{"kubeadm", func() { kubeadmerrors.HandleError(kubeadm.Run()) }, []string{"version", "--output=short"}},
	{"kubectl", runKubectl, []string{"version", "--client"}},
	{"etcd", func() { etcdmain.Main(os.Args) }, []string{"--version"}},
	{"etcdctl", ctlv3.MustStart, []string{"version"}},
	{"etcdutl", runEtcdutl, []string{"version"}},
	{"pause", pause.Run, nil},
}

func runKubectl() {
	logs.GlogSetter(kubectl.GetLogVerbosity(os.Args)) // before the construction, which already looks for plugins
	if err := cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()); err != nil {
		util.CheckErr(err)
	}
}
