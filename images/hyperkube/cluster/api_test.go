package cluster

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// An api is an API server as far as this package calls it: objects of two kinds, and watches that tell of changes.
type api struct {
	mutex   sync.Mutex
	claims  []claim
	volumes map[string]map[string]any
	changed chan struct{}
}

func (a *api) ServeHTTP(out http.ResponseWriter, request *http.Request) {
	if request.URL.Query().Get("watch") == "true" {
		out.(http.Flusher).Flush()
		select {
		case <-a.changed:
			io.WriteString(out, `{"type":"ADDED"}`+"\n")
		case <-request.Context().Done():
		}
		return
	}
	a.mutex.Lock()
	defer a.mutex.Unlock()
	name, below := strings.CutPrefix(request.URL.Path, volumesPath+"/")
	switch {
	case request.URL.Path == claimsPath:
		json.NewEncoder(out).Encode(map[string]any{"items": a.claims})
	case request.URL.Path == classesPath+"standard":
		io.WriteString(out, `{"reclaimPolicy":"Delete"}`)
	case request.URL.Path == volumesPath && request.Method == http.MethodPost:
		var body map[string]any
		json.NewDecoder(request.Body).Decode(&body)
		name := body["metadata"].(map[string]any)["name"].(string)
		if a.volumes[name] != nil {
			out.WriteHeader(http.StatusConflict)
			return
		}
		a.volumes[name] = body
		out.WriteHeader(http.StatusCreated)
	case request.URL.Path == volumesPath:
		items := []any{}
		for _, volume := range a.volumes {
			items = append(items, volume)
		}
		json.NewEncoder(out).Encode(map[string]any{"items": items})
	case below && request.Method == http.MethodDelete:
		delete(a.volumes, name)
	default:
		out.WriteHeader(http.StatusNotFound)
		io.WriteString(out, `{"kind":"Status","message":"there is no such thing"}`)
	}
}

// served starts the API and gives a store over it.
func served(t *testing.T) (*api, *store) {
	a := &api{volumes: map[string]map[string]any{}, changed: make(chan struct{}, 9)}
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	journal := &journal{out: said, began: time.Now()}
	return a, &store{&client{server.Client(), server.URL}, t.TempDir(), journal, map[string]bool{}}
}

const uid = "8b7e5adf-aab2-458c-841c-05ca998ae834"

func pending(uid string) claim {
	wanted := claim{Metadata: meta{Name: "data", Namespace: "default", UID: uid}}
	wanted.Metadata.Annotations = map[string]string{"volume.kubernetes.io/storage-provisioner": provisioner}
	wanted.Spec.AccessModes, wanted.Spec.StorageClassName = []string{"ReadWriteOnce"}, "standard"
	wanted.Spec.Resources.Requests = map[string]string{"storage": "1Gi"}
	wanted.Status.Phase = "Pending"
	return wanted
}

func TestAClaimGetsADirectoryForEverybody(t *testing.T) {
	a, s := served(t)
	a.claims = []claim{pending(uid)}
	for range 2 { // the second time it is there already
		if err := s.settle(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	directory := filepath.Join(s.root, "pvc-"+uid)
	if info, err := os.Stat(directory); err != nil || info.Mode().Perm() != 0o777 {
		t.Errorf("%v %v", info, err)
	}
	made, _ := json.Marshal(a.volumes["pvc-"+uid]["spec"])
	for _, part := range []string{`"path":"` + directory + `"`, `"storage":"1Gi"`, `"uid":"` + uid + `"`, `"persistentVolumeReclaimPolicy":"Delete"`, `["ReadWriteOnce"]`} {
		if !strings.Contains(string(made), part) {
			t.Errorf("%s is not in %s", part, made)
		}
	}
}

func TestClaimsOfOthersAndBoundClaimsAreLeftAlone(t *testing.T) {
	a, s := served(t)
	other, none, bound, done := pending(uid), pending(uid), pending(uid), pending(uid)
	other.Metadata.Annotations = map[string]string{"volume.kubernetes.io/storage-provisioner": "example.org/nfs"}
	none.Metadata.Annotations = nil
	bound.Spec.VolumeName, done.Status.Phase = "somewhere", "Bound"
	a.claims = []claim{other, none, bound, done}
	if err := s.settle(t.Context()); err != nil || len(a.volumes) > 0 {
		t.Errorf("%v %v", err, a.volumes)
	}
}

func TestABlockDeviceIsRefusedOnce(t *testing.T) {
	a, s := served(t)
	block := pending(uid)
	block.Spec.VolumeMode = "Block"
	a.claims = []claim{block, pending("../../etc")}
	err := s.settle(t.Context())
	if err == nil || !strings.Contains(err.Error(), "default/data: asks for a block device") || len(a.volumes) > 0 {
		t.Errorf("%v %v", err, a.volumes)
	}
	if err := s.settle(t.Context()); err != nil {
		t.Errorf("said again: %v", err)
	}
}

func TestAReleasedVolumeGoesWithItsDataUnlessItIsToStay(t *testing.T) {
	for _, given := range []struct {
		name, by, policy, phase string
		gone                    bool
	}{
		{"pvc-" + uid, provisioner, "Delete", "Released", true},
		{"pvc-" + uid, provisioner, "Retain", "Released", false},
		{"pvc-" + uid, provisioner, "Delete", "Bound", false},
		{"pvc-" + uid, "example.org/nfs", "Delete", "Released", false},
		{"by-hand", provisioner, "Delete", "Released", false},
		{"..", provisioner, "Delete", "Released", false},
	} {
		a, s := served(t)
		directory := filepath.Join(s.root, given.name)
		file := filepath.Join(directory, "kubewright-test")
		if err := errors.Join(os.MkdirAll(directory, 0o755), os.WriteFile(file, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
		a.volumes[given.name] = map[string]any{
			"metadata": map[string]any{"name": given.name, "annotations": map[string]string{"pv.kubernetes.io/provisioned-by": given.by}},
			"spec":     map[string]any{"persistentVolumeReclaimPolicy": given.policy}, "status": map[string]any{"phase": given.phase},
		}
		s.settle(t.Context())
		if exists(file) == given.gone || (a.volumes[given.name] == nil) != given.gone {
			t.Errorf("%+v: the file is there: %t", given, exists(file))
		}
	}
}

func TestAChangeIsNoticed(t *testing.T) {
	a, s := served(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); s.serve(ctx) }()
	time.Sleep(50 * time.Millisecond)
	a.mutex.Lock()
	a.claims = []claim{pending(uid)}
	a.mutex.Unlock()
	a.changed <- struct{}{}
	eventually(t, "the volume", func() bool { return exists(filepath.Join(s.root, "pvc-"+uid)) })
	cancel()
	<-ended
}

func TestWhatTheServerSaysIsInTheError(t *testing.T) {
	_, s := served(t)
	_, err := s.api.do(t.Context(), http.MethodGet, "/nowhere", "", nil)
	var answer unwanted
	if !errors.As(err, &answer) || answer.status != 404 || err.Error() != "404: there is no such thing" {
		t.Errorf("%v", err)
	}
	if s.api.answers(t.Context(), "/nowhere") || !s.api.answers(t.Context(), claimsPath) {
		t.Error("answers")
	}
}

func TestWaitingEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := until(ctx, func() bool { return false }); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

// ── Access ───────────────────────────────────────────────────────────────────────────────────

func TestAKubeconfigLeadsToTheServerThatIsAskedFor(t *testing.T) {
	for given, wanted := range map[string]string{
		"127.0.0.1": "127.0.0.1:6443", "localhost:7443": "localhost:7443", "k8s": "k8s:6443", "https://k8s:1": "k8s:1",
		"[fd00::1]:7443": "[fd00::1]:7443", "fd00::1": "[fd00::1]:6443", "https://example.org/": "example.org:6443",
	} {
		host, port, err := splitServer(given)
		if err != nil {
			t.Errorf("%s: %v", given, err)
			continue
		}
		text := renderKubeconfig("dev", host, port, credentials{[]byte("ca"), []byte("cert"), []byte("key")})
		if !strings.Contains(text, "\n    server: https://"+wanted+"\n") || !strings.Contains(text, "\n    tls-server-name: kubernetes\n") {
			t.Errorf("%s:\n%s", given, text)
		}
	}
	for _, wrong := range []string{"", ":6443", "a:0", "a:70000", "a:b", "a b", "a/b", "user@a", "a\nserver: b"} {
		if _, _, err := splitServer(wrong); err == nil || !strings.Contains(err.Error(), "--server") {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}

func TestCredentialsAreReadAsTheyWereWritten(t *testing.T) {
	given := credentials{[]byte("the authority"), []byte("the certificate"), []byte("the key\n")}
	whole := renderKubeconfig("a", "b", "1", given)
	read, err := readCredentials(whole)
	if err != nil || fmt.Sprint(read) != fmt.Sprint(given) {
		t.Errorf("%v %v", read, err)
	}
	for _, name := range []string{"certificate-authority-data", "client-certificate-data", "client-key-data"} {
		if _, err := readCredentials(strings.Replace(whole, name, "another", 1)); err == nil {
			t.Errorf("%s is not missed", name)
		}
	}
	broken := strings.Replace(whole, base64.StdEncoding.EncodeToString(given.key), "=broken=", 1)
	if _, err := readCredentials(broken); err == nil || !strings.Contains(err.Error(), "client-key-data") {
		t.Errorf("%v", err)
	}
}
