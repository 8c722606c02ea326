package cluster

import (
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"regexp"
	"strings"
)

const usage = `Usage: docker run -d --privileged --name NAME --hostname NAME -p 6443:6443 IMAGE cluster [OPTION...]

Makes the container a whole Kubernetes cluster of one node and runs it until the container is stopped.

  --name NAME              of the node and of the kubeconfig's context (the host name)
  --pod-subnet CIDR        addresses of Pods (%s)
  --service-subnet CIDR    addresses of Services (%s)
  --proxy-mode MODE        nftables or iptables (nftables)
  --memory-low             run all components in one process, and clean up memory more often: a quarter less
  --ignore CHECK,...       begin although these checks fail: %s
  --verbose                print all that the components say, not only warnings and errors

In the running container:

  docker exec NAME kubeconfig > FILE       access for people; kubeconfig --help says more
  docker exec NAME kubectl get nodes,pods -A

Everything that lasts is in the volume /var. docker rm -f -v NAME removes the cluster and its volume.
`

// Options are what a cluster is asked for.
type options struct {
	name          string
	podSubnet     netip.Prefix
	serviceSubnet netip.Prefix
	proxyMode     string
	memoryLow     bool
	ignored       map[string]bool
	verbose       bool
}

const (
	defaultPods     = "10.244.0.0/16"
	defaultServices = "10.96.0.0/16"
)

func printUsage(out io.Writer) {
	fmt.Fprintf(out, usage, defaultPods, defaultServices, strings.Join(checkNames(), " "))
}

// parse reads the options; an error names the option and says what it may be.
func parse(arguments []string) (options, error) {
	host, _ := os.Hostname()
	chosen := options{ignored: map[string]bool{}}
	flags := flag.NewFlagSet("cluster", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	var pods, services, ignored string
	flags.StringVar(&chosen.name, "name", strings.ToLower(host), "")
	flags.StringVar(&pods, "pod-subnet", defaultPods, "")
	flags.StringVar(&services, "service-subnet", defaultServices, "")
	flags.StringVar(&chosen.proxyMode, "proxy-mode", "nftables", "")
	flags.BoolVar(&chosen.memoryLow, "memory-low", false, "")
	flags.StringVar(&ignored, "ignore", "", "")
	flags.BoolVar(&chosen.verbose, "verbose", false, "")
	if err := flags.Parse(arguments); err != nil {
		return chosen, inWords(err)
	}
	if flags.NArg() > 0 {
		return chosen, fmt.Errorf("'%s' is not an option; see --help", flags.Arg(0))
	}
	if err := checkName(chosen.name); err != nil {
		return chosen, err
	}
	if chosen.proxyMode != "nftables" && chosen.proxyMode != "iptables" {
		return chosen, fmt.Errorf("--proxy-mode %s: is neither nftables nor iptables", chosen.proxyMode)
	}
	for _, check := range strings.FieldsFunc(ignored, func(sign rune) bool { return sign == ',' }) {
		if !contains(checkNames(), check) {
			return chosen, fmt.Errorf("--ignore %s: there is no such check, only: %s", check, strings.Join(checkNames(), " "))
		}
		chosen.ignored[check] = true
	}
	var err error
	if chosen.podSubnet, err = subnet("--pod-subnet", pods, 24); err != nil {
		return chosen, err
	}
	if chosen.serviceSubnet, err = subnet("--service-subnet", services, 28); err != nil {
		return chosen, err
	}
	if chosen.podSubnet.Overlaps(chosen.serviceSubnet) {
		return chosen, fmt.Errorf("--pod-subnet %s and --service-subnet %s overlap; choose others", pods, services)
	}
	return chosen, nil
}

// inWords says what package flag says as the rest of this program would.
func inWords(err error) error {
	if option, found := strings.CutPrefix(err.Error(), "flag provided but not defined: -"); found {
		return fmt.Errorf("there is no option --%s; see --help", strings.TrimPrefix(option, "-"))
	}
	if option, found := strings.CutPrefix(err.Error(), "flag needs an argument: -"); found {
		return fmt.Errorf("--%s: needs a value; see --help", strings.TrimPrefix(option, "-"))
	}
	return err
}

var label = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`)

// checkName refuses what cannot be a node's name.
func checkName(name string) error {
	if len(name) > 63 || !label.MatchString(name) {
		return fmt.Errorf("--name %s: a node's name has up to 63 letters (a-z), digits, hyphens and dots; "+
			"give another one with --name or docker run --hostname", name)
	}
	return nil
}

// subnet reads an IPv4 network with room for at least as many addresses as /`longest` has.
func subnet(option, text string, longest int) (netip.Prefix, error) {
	network, err := netip.ParsePrefix(text)
	if err != nil || !network.Addr().Is4() || network.Bits() < 8 || network.Bits() > longest || network != network.Masked() {
		return network, fmt.Errorf("%s %s: is not an IPv4 network between /8 and /%d such as %s", option, text, longest, defaultPods)
	}
	return network, nil
}

func contains(all []string, wanted string) bool {
	for _, one := range all {
		if one == wanted {
			return true
		}
	}
	return false
}

// nth is an address of a network: nth(10.96.0.0/16, 10) is 10.96.0.10.
func nth(network netip.Prefix, number int) netip.Addr {
	address := network.Addr()
	for ; number > 0; number-- {
		address = address.Next()
	}
	return address
}
