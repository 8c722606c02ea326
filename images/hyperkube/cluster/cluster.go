package cluster

import (
	"context"
	"errors"
	"flag"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// run is the command cluster: it returns when the cluster has stopped.
func run(arguments []string) int {
	chosen, err := parse(arguments)
	if errors.Is(err, flag.ErrHelp) {
		printUsage(os.Stdout)
		return 0
	}
	if err != nil {
		return refuse("cluster", "%v", err)
	}
	if os.Getpid() != 1 { // everything from here on would change the machine
		return refuse("cluster", "is no program for a machine or a running container, but the first process of a container of its "+
			"own: docker run --privileged IMAGE cluster, without --init and --pid")
	}
	where, err := find()
	if err != nil {
		return refuse("cluster", "%v", err)
	}
	if found := problems(chosen, where); found != nil {
		for _, problem := range found {
			refuse("cluster", "%s", problem)
		}
		return refuse("cluster", "nothing was started; --ignore CHECK begins all the same")
	}
	journal := &journal{out: os.Stdout, began: time.Now(), verbose: chosen.verbose}
	if err := machine(); err != nil {
		return refuse("cluster", "%v; %s", err, privileged)
	}
	c := cluster{chosen, where, kubernetesVersion()}
	return c.live(newSupervisor(journal), journal)
}

// live starts everything, waits until it shall end, and stops everything.
func (c cluster) live(s *supervisor, journal *journal) int {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	journal.say("Kubernetes %s, node %s at %s", c.version, c.name, c.address)
	go func() {
		if err := c.begin(ctx, s, journal); err != nil && ctx.Err() == nil {
			s.give(err.Error())
		}
	}()
	code := 0
	select {
	case received := <-signals:
		journal.say("stopping: %s", received)
	case reason := <-s.failed:
		journal.say("the cluster cannot go on: %s", reason)
		code = 1
	}
	cancel()
	c.end(s, journal)
	return code
}

// begin starts everything: a process for each component, or one for all of them but containerd.
func (c cluster) begin(ctx context.Context, s *supervisor, journal *journal) error {
	if err := c.prepare(s); err != nil {
		return err
	}
	s.keep(c.containerd())
	if c.memoryLow {
		s.keep(c.together(ctx, s, journal))
		return nil
	}
	return c.start(ctx, s, journal, s.keep)
}

// start has components run: each as soon as what it needs is there.
func (c cluster) start(ctx context.Context, s *supervisor, journal *journal, run func(service)) error {
	run(c.etcd())
	var waiting sync.WaitGroup
	failures := make(chan error, 3)
	background := func(do func() error) {
		waiting.Add(1)
		go func() {
			defer waiting.Done()
			if err := do(); err != nil {
				failures <- err
			}
		}()
	}
	made := make(chan struct{}) // kubeconfigs
	background(func() error {
		if err := journal.wait(ctx, "containerd to listen", func() bool { return listens(containerd) }); err != nil {
			return err
		}
		return importPause(s)
	})
	background(func() error {
		defer close(made)
		return c.makeAccess(ctx, s, func() {
			if journal.wait(ctx, "etcd to be healthy", etcdHealthy) == nil {
				run(c.apiserver())
			}
		})
	})
	<-made
	waiting.Wait()
	select {
	case err := <-failures:
		return err
	default:
	}
	run(c.kubelet())
	return c.converge(ctx, journal, run)
}

// converge waits for the API server, starts the rest and waits until the cluster is ready.
func (c cluster) converge(ctx context.Context, journal *journal, run func(service)) error {
	began := time.Now()
	api, err := newClient(config("super-admin.conf"))
	if err != nil {
		return err
	}
	// Before it has the roles of its clients they are refused, and wait for seconds until they try again.
	rolesAreThere := func() bool { return api.answers(ctx, "/readyz/poststarthook/rbac/bootstrap-roles") }
	if err := journal.wait(ctx, "kube-apiserver to have its roles", rolesAreThere); err != nil {
		return err
	}
	for _, component := range []service{c.controllerManager(), c.scheduler(), c.proxy()} {
		run(component)
	}
	if err := journal.wait(ctx, "kube-apiserver to be ready", func() bool { return api.answers(ctx, "/readyz") }); err != nil {
		return err
	}
	journal.say("API server ready")
	applied := make(chan error, 1)
	go func() { applied <- c.apply(ctx, api, journal) }()
	if err := journal.wait(ctx, "kubelet to say that the node is ready", func() bool { return c.nodeReady(ctx, api, began) }); err != nil {
		return err
	}
	journal.say("node ready")
	if err := c.labelNode(ctx, api); err != nil {
		return err
	}
	if err := <-applied; err != nil {
		return err
	}
	if err := journal.wait(ctx, "CoreDNS and kube-proxy to answer for names", func() bool { return c.nameServed(ctx) }); err != nil {
		return err
	}
	journal.say("name service ready")
	journal.open(true)
	if err := os.WriteFile(readyFile, nil, 0o644); err != nil {
		return err
	}
	(&store{api, volumes, journal, map[string]bool{}}).serve(ctx)
	return nil
}

// prepare writes what components read.
func (c cluster) prepare(s *supervisor) error {
	own, err := groupRoot()
	if err != nil {
		return err
	}
	if err := c.writeConfigurations(!capable(text("/proc/self/status"), resources), own); err != nil {
		return err
	}
	rules := runtime + "/masquerade.nft"
	if err := os.WriteFile(rules, []byte(c.masquerade()), 0o600); err != nil {
		return err
	}
	if err := s.finish(service{name: "nft", argv: []string{"/usr/sbin/nft", "--file", rules}}); err != nil {
		return err
	}
	if err := os.WriteFile(keptFile, []byte(c.kept(c.version)), 0o644); err != nil {
		return err
	}
	return os.WriteFile(nameFile, []byte(c.name+"\n"), 0o644)
}

func listens(socket string) bool {
	connection, err := net.Dial("unix", socket)
	if err != nil {
		return false
	}
	connection.Close()
	return true
}

// etcdHealthy asks etcd on its socket.
func etcdHealthy() bool {
	dial := func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", etcdSocket) }
	asking := http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}, Timeout: time.Second}
	response, err := asking.Get("http://etcd/health")
	if err != nil {
		return false
	}
	response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// nameServed is whether the cluster's name service answers at its Service's address: CoreDNS knows the cluster, and
// kube-proxy leads to it.
func (c cluster) nameServed(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort(c.dns(), "53"))
	}
	asking := net.Resolver{PreferGo: true, Dial: dial}
	found, err := asking.LookupHost(ctx, "kubernetes.default.svc."+domain+".")
	return err == nil && contains(found, nth(c.serviceSubnet, 1).String())
}

// nodeReady is whether kubelet has said that the node is ready since a moment: what it said before a restart may stand
// there yet.
func (c cluster) nodeReady(ctx context.Context, api *client, since time.Time) bool {
	var node node
	return api.get(ctx, "/api/v1/nodes/"+c.name, &node) == nil && node.ready(since)
}

// A node is one of the API's, as far as it is needed.
type node struct {
	Status struct {
		Conditions []struct {
			Type, Status      string
			LastHeartbeatTime time.Time // in whole seconds
		}
	}
}

func (n node) ready(since time.Time) bool {
	for _, condition := range n.Status.Conditions {
		if condition.Type == "Ready" {
			return condition.Status == "True" && !condition.LastHeartbeatTime.Before(since.Truncate(time.Second))
		}
	}
	return false
}

// labelNode gives the node its role, which kubelet may not.
func (c cluster) labelNode(ctx context.Context, api *client) error {
	const role = `{"metadata":{"labels":{"node-role.kubernetes.io/control-plane":""}}}`
	_, err := api.do(ctx, http.MethodPatch, "/api/v1/nodes/"+c.name, "application/merge-patch+json", []byte(role))
	return err
}

// end stops everything, in the order in which nothing misses what it still needs, within five seconds.
func (c cluster) end(s *supervisor, journal *journal) {
	os.Remove(readyFile)
	journal.open(false)
	s.halt()
	s.stop(800*time.Millisecond, "kubelet")
	s.stop(1900*time.Millisecond, Components)
	stopPods(1500 * time.Millisecond)
	s.stop(1400*time.Millisecond, "kube-proxy", "kube-scheduler", "kube-controller-manager", "kube-apiserver")
	s.stop(time.Second, "etcd", "containerd")
	journal.say("stopped")
}
