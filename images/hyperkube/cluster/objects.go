package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// An object is one that a cluster is expected to have, as YAML, and where the API server has it.
type object struct {
	path, text string
}

const (
	rbac   = "/apis/rbac.authorization.k8s.io/v1/"
	system = "/api/v1/namespaces/kube-system/"
)

// objects are applied at every start, in this order: access for people first, then the name service, then storage.
func (c cluster) objects() []object {
	return []object{
		{rbac + "clusterrolebindings/kubeadm:cluster-admins",
			binding("kubeadm:cluster-admins", "cluster-admin", `kind: Group, name: "kubeadm:cluster-admins", apiGroup: rbac.authorization.k8s.io`)},
		{rbac + "clusterrolebindings/kubeadm:apiserver-kubelet-client", // for logs, exec and port-forward
			binding("kubeadm:apiserver-kubelet-client", "system:kubelet-api-admin",
				"kind: User, name: kube-apiserver-kubelet-client, apiGroup: rbac.authorization.k8s.io")},
		{rbac + "clusterroles/system:coredns", dnsRole},
		{rbac + "clusterrolebindings/system:coredns",
			binding("system:coredns", "system:coredns", "kind: ServiceAccount, name: coredns, namespace: kube-system")},
		{system + "serviceaccounts/coredns", "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: coredns, namespace: kube-system}\n"},
		{system + "configmaps/coredns", c.dnsConfiguration()},
		{"/apis/apps/v1/namespaces/kube-system/deployments/coredns", c.dnsDeployment()},
		{system + "services/kube-dns", c.dnsService()},
		{"/apis/storage.k8s.io/v1/storageclasses/standard", storageClass},
	}
}

func binding(name, role, subject string) string {
	return fmt.Sprintf(`apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: "%s"}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "%s"}
subjects: [{%s}]
`, name, role, subject)
}

const dnsRole = `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: "system:coredns"}
rules:
- {apiGroups: [""], resources: [endpoints, services, pods, namespaces], verbs: [list, watch]}
- {apiGroups: [discovery.k8s.io], resources: [endpointslices], verbs: [list, watch]}
`

// dnsConfiguration has CoreDNS ask the container's own name servers for what is not in the cluster. It is in the node's
// network because these may be at the loopback there, as Docker's is on networks of one's own.
func (c cluster) dnsConfiguration() string {
	corefile := fmt.Sprintf(`.:53 {
    bind %s
    errors
    health 127.0.0.1:%d
    ready 127.0.0.1:%d
    kubernetes %s in-addr.arpa ip6.arpa {
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 30
    }
    forward . /etc/node-resolv.conf {
        max_concurrent 1000
    }
    cache 30
    reload
    loadbalance
}`, c.device, dnsHealthPort, dnsReadyPort, domain)
	return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: coredns, namespace: kube-system}\ndata:\n  Corefile: |\n    " +
		strings.ReplaceAll(corefile, "\n", "\n    ") + "\n"
}

// dnsDeployment runs the node's CoreDNS, which the image has beside hyperkube.
func (c cluster) dnsDeployment() string {
	return fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata: {name: coredns, namespace: kube-system, labels: {k8s-app: kube-dns}}
spec:
  replicas: 1
  strategy: {type: Recreate}
  selector: {matchLabels: {k8s-app: kube-dns}}
  template:
    metadata: {labels: {k8s-app: kube-dns}}
    spec:
      priorityClassName: system-cluster-critical
      serviceAccountName: coredns
      hostNetwork: true
      dnsPolicy: Default
      tolerations:
      - {operator: Exists}
      containers:
      - name: coredns
        image: %[1]s
        imagePullPolicy: IfNotPresent
        command: [/coredns, -conf, /etc/coredns/Corefile]
        env: # the API server itself: its Service leads nowhere until kube-proxy has begun
        - {name: KUBERNETES_SERVICE_HOST, value: 127.0.0.1}
        - {name: KUBERNETES_SERVICE_PORT, value: "%[4]d"}
        resources: {limits: {memory: 170Mi}, requests: {cpu: 50m, memory: 50Mi}}
        livenessProbe: {httpGet: {host: 127.0.0.1, path: /health, port: %[2]d}, initialDelaySeconds: 30, failureThreshold: 5}
        readinessProbe: {httpGet: {host: 127.0.0.1, path: /ready, port: %[3]d}, periodSeconds: 1}
        securityContext:
          allowPrivilegeEscalation: false
          capabilities: {add: [NET_BIND_SERVICE], drop: [ALL]}
          readOnlyRootFilesystem: true
        volumeMounts:
        - {name: program, mountPath: /coredns, readOnly: true}
        - {name: configuration, mountPath: /etc/coredns, readOnly: true}
        - {name: name-servers, mountPath: /etc/node-resolv.conf, readOnly: true}
      volumes:
      - {name: program, hostPath: {path: /coredns, type: File}}
      - {name: configuration, configMap: {name: coredns}}
      - {name: name-servers, hostPath: {path: /etc/resolv.conf, type: File}}
`, pauseImage, dnsHealthPort, dnsReadyPort, apiPort)
}

// dnsService leads to CoreDNS from the moment that its Pod has an address: there is no other one to ask while it is not
// ready, and what would have to be told to whom until it counts as ready takes more than a second.
func (c cluster) dnsService() string {
	return fmt.Sprintf(`apiVersion: v1
kind: Service
metadata:
  name: kube-dns
  namespace: kube-system
  labels: {k8s-app: kube-dns, kubernetes.io/cluster-service: "true", kubernetes.io/name: CoreDNS}
spec:
  clusterIP: %s
  publishNotReadyAddresses: true
  selector: {k8s-app: kube-dns}
  ports:
  - {name: dns, port: 53, protocol: UDP, targetPort: 53}
  - {name: dns-tcp, port: 53, protocol: TCP, targetPort: 53}
`, c.dns())
}

const storageClass = `apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: standard, annotations: {storageclass.kubernetes.io/is-default-class: "true"}}
provisioner: ` + provisioner + `
reclaimPolicy: Delete
volumeBindingMode: Immediate
`

// apply makes the objects, and leaves alone what somebody else has changed of them.
func (c cluster) apply(ctx context.Context, api *client, journal *journal) error {
	for _, wanted := range c.objects() {
		if err := applyOne(ctx, api, wanted, journal); err != nil {
			return err
		}
	}
	return nil
}

// applyOne tries until the API server has what the object needs: its namespace, or a role.
func applyOne(ctx context.Context, api *client, wanted object, journal *journal) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var last error
	err := until(ctx, func() bool {
		_, last = api.do(ctx, http.MethodPatch, wanted.path+"?fieldManager=kubewright-cluster", "application/apply-patch+yaml", []byte(wanted.text))
		var answer unwanted
		if errors.As(last, &answer) && answer.status == http.StatusConflict {
			journal.say("%s: stays as it has been changed", wanted.path)
			return true
		}
		return last == nil
	})
	if err != nil {
		return fmt.Errorf("%s: %w", wanted.path, last)
	}
	return nil
}
