package cluster

import (
	"context"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const kubeconfigUsage = `Usage: docker exec CONTAINER kubeconfig [--server HOST[:PORT]] [--name NAME] [--wait] > FILE

Prints a kubeconfig for the cluster of this container, with all rights. The key in it is secret.

  --server HOST[:PORT]  where the cluster is reached (127.0.0.1:6443); for -p 7443:6443 it is 127.0.0.1:7443, from other
                        containers of the same network CONTAINER:6443. HOST may be any name or address
  --name NAME           of the context, cluster and user (the node's)
  --wait                until the node and the cluster's name service are ready, at most two minutes
`

// Files by which the commands of this package know what the supervisor has reached, and what it was asked for.
const (
	nameFile  = runtime + "/name"
	readyFile = runtime + "/ready"
)

// kubeconfig prints access to the cluster.
func kubeconfig(arguments []string) int {
	flags := flag.NewFlagSet("kubeconfig", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	where := flags.String("server", "127.0.0.1", "")
	name := flags.String("name", "", "")
	wait := flags.Bool("wait", false, "")
	err := flags.Parse(arguments)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Print(kubeconfigUsage)
		return 0
	}
	if err != nil {
		return refuse("kubeconfig", "%v", inWords(err))
	}
	if flags.NArg() > 0 {
		return refuse("kubeconfig", "'%s' is not an option; see --help", flags.Arg(0))
	}
	host, port, err := splitServer(*where)
	if err != nil {
		return refuse("kubeconfig", "%v", err)
	}
	if err := reached(*wait); err != nil {
		return refuse("kubeconfig", "%v", err)
	}
	if *name == "" {
		*name = strings.TrimSpace(text(nameFile))
	}
	if err := checkName(*name); err != nil {
		return refuse("kubeconfig", "%v", err)
	}
	known, err := readCredentials(text(config("admin.conf")))
	if err != nil {
		return refuse("kubeconfig", "%s: %v; remove the container and its volume, and begin anew", config("admin.conf"), err)
	}
	fmt.Print(renderKubeconfig(*name, host, port, known))
	return 0
}

// reached waits for access to be there, and for the cluster to be ready where that is wanted.
func reached(ready bool) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	file := madeAccess
	if ready {
		file = readyFile
	}
	if until(ctx, func() bool { return exists(file) && exists(nameFile) }) != nil {
		return errors.New("the cluster is not ready after two minutes; `docker logs CONTAINER` says why")
	}
	return nil
}

// splitServer reads HOST, HOST:PORT or a URL of these.
func splitServer(text string) (host, port string, err error) {
	bare := strings.TrimSuffix(strings.TrimPrefix(text, "https://"), "/")
	host, port, err = net.SplitHostPort(bare)
	if err != nil {
		host, port = strings.Trim(bare, "[]"), strconv.Itoa(apiPort)
	}
	number, wrong := strconv.ParseUint(port, 10, 16)
	if host == "" || strings.ContainsAny(host, "/@ \"'\n") || wrong != nil || number == 0 {
		return "", "", fmt.Errorf("--server %s: is not HOST or HOST:PORT", text)
	}
	return host, port, nil
}

// renderKubeconfig writes a kubeconfig. The server's certificate is checked for a name that it always has, so that any
// host and port that leads to it will do.
func renderKubeconfig(name, host, port string, known credentials) string {
	encode := base64.StdEncoding.EncodeToString
	return fmt.Sprintf(`apiVersion: v1
kind: Config
clusters:
- name: %[1]s
  cluster:
    server: https://%[2]s
    tls-server-name: kubernetes
    certificate-authority-data: %[3]s
users:
- name: %[1]s
  user:
    client-certificate-data: %[4]s
    client-key-data: %[5]s
contexts:
- name: %[1]s
  context: {cluster: %[1]s, user: %[1]s}
current-context: %[1]s
`, name, net.JoinHostPort(host, port), encode(known.authority), encode(known.certificate), encode(known.key))
}
