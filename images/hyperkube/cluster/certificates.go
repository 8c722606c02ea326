package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
)

// skipped are the phases of `kubeadm init` beside certs and kubeconfig.
const skipped = "preflight,kubelet-start,control-plane,etcd,wait-control-plane,upload-config,upload-certs,mark-control-plane," +
	"bootstrap-token,kubelet-finalize,addon,show-join-command"

// kubeadm makes the certificates, and kubeconfigs of those components whose certificates these have in them.
func (c cluster) kubeadm(words ...string) service {
	return service{
		name: "kubeadm", argv: append([]string{programs + "kubeadm"}, append(words, "--config", config("kubeadm.yaml"))...),
		environment: []string{"KUBECONFIG="},
	}
}

// lastCertificate is the last file that kubeadm's phase certs writes.
const lastCertificate = "sa.pub"

// madeAccess is a file that says that nothing of it is half made.
const madeAccess = state + "/access-is-made"

// makeAccess has kubeadm make certificates and kubeconfigs, once in the life of a cluster. It calls back when the
// certificates are all there: kube-apiserver needs no more.
func (c cluster) makeAccess(ctx context.Context, s *supervisor, certified func()) error {
	if exists(madeAccess) {
		certified()
		return nil
	}
	if err := os.RemoveAll(pki("")); err != nil { // of a start that was cut short
		return err
	}
	for _, name := range []string{"admin", "super-admin", "kubelet", "controller-manager", "scheduler"} {
		if err := os.RemoveAll(config(name + ".conf")); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	proxy := make(chan error, 1)
	go func() {
		if err := until(ctx, func() bool { return exists(pki(lastCertificate)) }); err != nil {
			proxy <- err
			return
		}
		certified()
		proxy <- c.makeProxyAccess(s)
	}()
	if err := s.finish(c.kubeadm("init", "--skip-phases="+skipped)); err != nil {
		return err
	}
	if err := <-proxy; err != nil {
		return err
	}
	if err := localize(); err != nil {
		return err
	}
	return os.WriteFile(madeAccess, nil, 0o600)
}

// makeProxyAccess has kubeadm make kube-proxy's kubeconfig, which `kubeadm init` has in the cluster only.
func (c cluster) makeProxyAccess(s *supervisor) error {
	said, err := s.output(c.kubeadm("kubeconfig", "user", "--client-name=system:kube-proxy"))
	if err != nil {
		return err
	}
	begin := strings.Index(said, "apiVersion:")
	if begin < 0 {
		return errors.New("kubeadm kubeconfig user: printed no kubeconfig")
	}
	return os.WriteFile(config("kube-proxy.conf"), []byte(said[begin:]), 0o600)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// localize lets the node's own components call the API server by the loopback: the address is another one after a
// restart perhaps, and the network need not be there.
func localize() error {
	for _, name := range []string{"kubelet.conf", "controller-manager.conf", "scheduler.conf"} {
		data, err := os.ReadFile(config(name))
		if err != nil {
			return err
		}
		lines := strings.Split(string(data), "\n")
		for index, line := range lines {
			if before, _, found := strings.Cut(line, "server: "); found {
				lines[index] = before + "server: " + server
			}
		}
		if err := os.WriteFile(config(name), []byte(strings.Join(lines, "\n")), 0o600); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}
