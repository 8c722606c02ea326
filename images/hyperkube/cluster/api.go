package cluster

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

// apiPort is where kube-apiserver listens.
const apiPort = 6443

// server is the API server as the node's own programs call it: the certificate has this name whatever the address.
var server = fmt.Sprintf("https://127.0.0.1:%d", apiPort)

// Credentials are what a kubeconfig of kubeadm's has, decoded.
type credentials struct {
	authority, certificate, key []byte
}

// readCredentials reads them from a kubeconfig's text.
func readCredentials(kubeconfig string) (credentials, error) {
	var found credentials
	for _, line := range strings.Split(kubeconfig, "\n") {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		target := map[string]*[]byte{
			"certificate-authority-data": &found.authority, "client-certificate-data": &found.certificate, "client-key-data": &found.key,
		}[name]
		if target == nil {
			continue
		}
		var err error
		if *target, err = base64.StdEncoding.DecodeString(value); err != nil {
			return found, fmt.Errorf("%s: %w", name, err)
		}
	}
	if found.authority == nil || found.certificate == nil || found.key == nil {
		return found, errors.New("lacks a certificate or key")
	}
	return found, nil
}

// A client speaks to the API server as a user with a certificate.
type client struct {
	http *http.Client
	base string
}

// newClient reads the credentials of a kubeconfig file.
func newClient(path string) (*client, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	known, err := readCredentials(string(data))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	pair, err := tls.X509KeyPair(known.certificate, known.key)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(known.authority)
	transport := &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: trusted, Certificates: []tls.Certificate{pair}},
		ForceAttemptHTTP2: true,
	}
	return &client{&http.Client{Transport: transport}, server}, nil
}

// An unwanted answer is what the API server says instead of yes.
type unwanted struct {
	status int
	said   string
}

func (u unwanted) Error() string { return fmt.Sprintf("%d: %s", u.status, u.said) }

// do sends a request; an answer that is not 2xx is an error of the type unwanted.
func (c *client) do(ctx context.Context, method, path, kind string, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	response, err := c.send(ctx, method, path, kind, body)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	said, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode/100 != 2 {
		return nil, unwanted{response.StatusCode, reason(said)}
	}
	return said, nil
}

func (c *client) send(ctx context.Context, method, path, kind string, body []byte) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if kind != "" {
		request.Header.Set("Content-Type", kind)
	}
	return c.http.Do(request)
}

// reason is the message of a Status, or the text itself.
func reason(said []byte) string {
	var status struct{ Message string }
	if json.Unmarshal(said, &status) == nil && status.Message != "" {
		return status.Message
	}
	return string(said[:min(len(said), 300)])
}

// get reads an object into a value.
func (c *client) get(ctx context.Context, path string, into any) error {
	said, err := c.do(ctx, http.MethodGet, path, "", nil)
	if err != nil {
		return err
	}
	return json.Unmarshal(said, into)
}

// answers is whether a path answers with 200.
func (c *client) answers(ctx context.Context, path string) bool {
	_, err := c.do(ctx, http.MethodGet, path, "", nil)
	return err == nil
}

// watch calls back for each change of the objects at a path until the connection ends.
func (c *client) watch(ctx context.Context, path string, changed func()) error {
	response, err := c.send(ctx, http.MethodGet, path+"?watch=true", "", nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(response.Body)
		return unwanted{response.StatusCode, reason(said)}
	}
	events := json.NewDecoder(response.Body)
	for {
		var event json.RawMessage
		if err := events.Decode(&event); err != nil {
			return err
		}
		changed()
	}
}

// until asks every 20 ms until the answer is yes or the context ends.
func until(ctx context.Context, ask func() bool) error {
	for !ask() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}
