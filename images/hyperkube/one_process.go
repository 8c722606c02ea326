package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/apiserver/pkg/util/feature"
	"k8s.io/component-base/cli/flag"
	"k8s.io/component-base/logs"
	logsapi "k8s.io/component-base/logs/api/v1"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	scheduleroptions "k8s.io/kubernetes/cmd/kube-scheduler/app/options"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
	kubeletoptions "k8s.io/kubernetes/cmd/kubelet/app/options"
	"k8s.io/kubernetes/pkg/kubelet/kubeletconfig/configfiles"
	"k8s.io/kubernetes/pkg/util/filesystem"
)

// together runs components in this process, side by side: each line of its input is the command line of one, as JSON.
// It ends with the first of them, for none does without the others; and with its input, as whoever wrote there is gone.
func together(input io.Reader) int {
	// All of them set up logging, in the same way, and only once is allowed otherwise.
	logsapi.ReapplyHandling = logsapi.ReapplyHandlingIgnoreUnchanged
	ended := make(chan error)
	go func() {
		lines := bufio.NewScanner(input)
		for lines.Scan() {
			var words []string
			if err := json.Unmarshal(lines.Bytes(), &words); err != nil || len(words) == 0 {
				ended <- errors.Join(fmt.Errorf("%q is no command line", lines.Text()), err)
				return
			}
			go func() { ended <- beside(filepath.Base(words[0]), words[1:]) }()
		}
		ended <- errors.Join(errors.New("nobody says any more what to run"), lines.Err())
	}()
	return fail(os.Stderr, 1, "%v", <-ended)
}

// beside runs a component beside others to its end, which is a failure. Their commands would do, but those of
// kube-scheduler and kubelet want to be the only ones in the process that hear signals, as kube-apiserver's does.
func beside(name string, arguments []string) error {
	var err error
	switch name {
	case "etcd":
		etcdmain.Main(append([]string{name}, arguments...))
	case "kube-apiserver":
		err = execute(apiserver.NewAPIServerCommand(), arguments)
	case "kube-controller-manager":
		err = execute(controllers.NewControllerManagerCommand(), arguments)
	case "kube-proxy":
		err = execute(proxy.NewProxyCommand(), arguments)
	case "kube-scheduler":
		err = runScheduler(context.Background(), arguments)
	case "kubelet":
		err = runKubelet(context.Background(), arguments)
	default:
		return fmt.Errorf("%s is no component", name)
	}
	return errors.Join(fmt.Errorf("%s has ended", name), err)
}

func execute(command *cobra.Command, arguments []string) error {
	command.SetArgs(arguments)
	return command.Execute()
}

func runScheduler(ctx context.Context, arguments []string) error {
	options := scheduleroptions.NewOptions()
	flags := pflag.NewFlagSet("kube-scheduler", pflag.ContinueOnError)
	for _, set := range options.Flags.FlagSets {
		flags.AddFlagSet(set)
	}
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	if err := options.ComponentGlobalsRegistry.Set(); err != nil {
		return err
	}
	configuration, made, err := scheduler.Setup(ctx, options)
	if err != nil {
		return err
	}
	return scheduler.Run(ctx, configuration, made)
}

// runKubelet takes what the configuration says: options of the command line that stand there too are not read.
func runKubelet(ctx context.Context, arguments []string) error {
	options := kubeletoptions.NewKubeletFlags()
	flags := pflag.NewFlagSet("kubelet", pflag.ContinueOnError)
	flags.SetNormalizeFunc(flag.WordSepNormalizeFunc)
	options.AddFlags(flags)
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	loader, err := configfiles.NewFsLoader(&filesystem.DefaultFs{}, options.KubeletConfigFile)
	if err != nil {
		return err
	}
	configuration, err := loader.Load(ctx)
	if err != nil {
		return err
	}
	logs.InitLogs()
	server := &kubeletoptions.KubeletServer{KubeletFlags: *options, KubeletConfiguration: *configuration}
	needed, err := kubelet.UnsecuredDependencies(ctx, server, feature.DefaultFeatureGate)
	if err != nil {
		return err
	}
	return kubelet.Run(ctx, server, needed, feature.DefaultFeatureGate)
}
