package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"time"
)

// provisioner is the name under which the supervisor provides volumes: directories on the node.
const provisioner = "kubewright.local/directory"

const (
	claimsPath  = "/api/v1/persistentvolumeclaims"
	volumesPath = "/api/v1/persistentvolumes"
	classesPath = "/apis/storage.k8s.io/v1/storageclasses/"
)

// A meta is what objects have in common, as far as it is needed.
type meta struct {
	Name, Namespace, UID string
	Annotations          map[string]string
}

type claim struct {
	Metadata meta
	Spec     struct {
		AccessModes      []string
		StorageClassName string
		VolumeMode       string
		VolumeName       string
		Resources        struct{ Requests map[string]string }
	}
	Status struct{ Phase string }
}

type volume struct {
	Metadata meta
	Spec     struct{ PersistentVolumeReclaimPolicy string }
	Status   struct{ Phase string }
}

// waits is whether a claim is for this provisioner to fulfil: the controller for volumes says so by an annotation, once
// a Pod wants it where the class waits for that.
func (c claim) waits() bool {
	return c.Metadata.Annotations["volume.kubernetes.io/storage-provisioner"] == provisioner &&
		c.Spec.VolumeName == "" && c.Status.Phase == "Pending"
}

// disposable is whether a volume of this provisioner is to be deleted with its data.
func (v volume) disposable() bool {
	return v.Metadata.Annotations["pv.kubernetes.io/provisioned-by"] == provisioner &&
		v.Spec.PersistentVolumeReclaimPolicy == "Delete" && v.Status.Phase == "Released"
}

// volumeName is the only form of name that directories are made and removed for.
var volumeName = regexp.MustCompile(`^pvc-[0-9a-f-]{36}$`)

// A store provides volumes below a directory.
type store struct {
	api     *client
	root    string
	journal *journal
	refused map[string]bool // claims that were said to be impossible
}

// serve provides and removes volumes until the context ends: at each change of a claim or a volume, and every minute.
func (s *store) serve(ctx context.Context) {
	changes := make(chan struct{}, 1)
	changed := func() {
		select {
		case changes <- struct{}{}:
		default:
		}
	}
	for _, path := range []string{claimsPath, volumesPath} {
		go func() {
			for ctx.Err() == nil {
				s.api.watch(ctx, path, changed)
				changed()
				select {
				case <-ctx.Done():
				case <-time.After(time.Second):
				}
			}
		}()
	}
	for {
		var away *url.Error // the API server is started again, and then the watches tell of a change
		if err := s.settle(ctx); err != nil && !errors.As(err, &away) {
			s.journal.say("volumes: %v", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-changes:
		case <-time.After(time.Minute):
		}
	}
}

// settle does what is due.
func (s *store) settle(ctx context.Context) error {
	var claims struct{ Items []claim }
	var volumes struct{ Items []volume }
	if err := errors.Join(s.api.get(ctx, claimsPath, &claims), s.api.get(ctx, volumesPath, &volumes)); err != nil {
		return err
	}
	var wrong []error
	for _, wanted := range claims.Items {
		if wanted.waits() {
			wrong = append(wrong, s.provide(ctx, wanted))
		}
	}
	for _, old := range volumes.Items {
		if old.disposable() {
			wrong = append(wrong, s.remove(ctx, old))
		}
	}
	return errors.Join(wrong...)
}

// provide makes the directory and the volume of a claim.
func (s *store) provide(ctx context.Context, wanted claim) error {
	name := "pvc-" + wanted.Metadata.UID
	if wanted.Spec.VolumeMode == "Block" || !volumeName.MatchString(name) {
		if !s.refused[wanted.Metadata.UID] {
			s.refused[wanted.Metadata.UID] = true
			return fmt.Errorf("claim %s/%s: asks for a block device, but there are directories only; ask for volumeMode Filesystem",
				wanted.Metadata.Namespace, wanted.Metadata.Name)
		}
		return nil
	}
	var class struct{ ReclaimPolicy string }
	if err := s.api.get(ctx, classesPath+wanted.Spec.StorageClassName, &class); err != nil {
		return err
	}
	directory := filepath.Join(s.root, name)
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return err
	}
	if err := os.Chmod(directory, 0o777); err != nil { // for Pods of any user
		return err
	}
	body, err := json.Marshal(rendered(wanted, name, directory, class.ReclaimPolicy))
	if err != nil {
		return err
	}
	_, err = s.api.do(ctx, http.MethodPost, volumesPath, "application/json", body)
	var answer unwanted
	if errors.As(err, &answer) && answer.status == http.StatusConflict { // it is there already
		return nil
	}
	return err
}

// rendered is the volume of a claim, already bound to it.
func rendered(wanted claim, name, directory, policy string) map[string]any {
	return map[string]any{
		"apiVersion": "v1", "kind": "PersistentVolume",
		"metadata": map[string]any{"name": name, "annotations": map[string]string{"pv.kubernetes.io/provisioned-by": provisioner}},
		"spec": map[string]any{
			"accessModes":                   wanted.Spec.AccessModes,
			"capacity":                      map[string]string{"storage": wanted.Spec.Resources.Requests["storage"]},
			"storageClassName":              wanted.Spec.StorageClassName,
			"persistentVolumeReclaimPolicy": policy,
			"hostPath":                      map[string]string{"path": directory, "type": "DirectoryOrCreate"},
			"claimRef": map[string]string{
				"apiVersion": "v1", "kind": "PersistentVolumeClaim",
				"namespace": wanted.Metadata.Namespace, "name": wanted.Metadata.Name, "uid": wanted.Metadata.UID,
			},
		},
	}
}

// remove deletes a volume with its data.
func (s *store) remove(ctx context.Context, old volume) error {
	if !volumeName.MatchString(old.Metadata.Name) {
		return fmt.Errorf("volume %s: is not one that was provided here; its data stays", old.Metadata.Name)
	}
	if err := os.RemoveAll(filepath.Join(s.root, old.Metadata.Name)); err != nil {
		return err
	}
	_, err := s.api.do(ctx, http.MethodDelete, volumesPath+"/"+old.Metadata.Name, "", nil)
	var answer unwanted
	if errors.As(err, &answer) && answer.status == http.StatusNotFound {
		return nil
	}
	return err
}
