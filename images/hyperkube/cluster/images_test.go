package cluster

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	goruntime "runtime"
	"strings"
	"testing"
	"time"
)

// placed writes the pause of this processor to a file that can be run.
func placed(t *testing.T) string {
	t.Helper()
	program, err := pause(goruntime.GOARCH)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "pause")
	if err := os.WriteFile(path, program, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPauseIsAProgramForEachProcessor(t *testing.T) {
	for processor, machine := range map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64} {
		program, err := pause(processor)
		if err != nil {
			t.Fatal(err)
		}
		read, err := elf.NewFile(bytes.NewReader(program))
		if err != nil {
			t.Fatal(err)
		}
		segment := read.Progs[0]
		if read.Machine != machine || read.Type != elf.ET_EXEC || len(read.Progs) != 1 || segment.Type != elf.PT_LOAD ||
			segment.Flags != elf.PF_R|elf.PF_X || read.Entry <= segment.Vaddr || read.Entry >= segment.Vaddr+segment.Filesz {
			t.Errorf("%s: %+v %+v", processor, read.FileHeader, segment)
		}
		if len(program)%8 != 0 || len(program) > 300 {
			t.Errorf("%s: %d bytes", processor, len(program))
		}
	}
	if _, err := pause("riscv64"); err == nil {
		t.Error("there is one for a processor that it has no code for")
	}
}

func TestPauseWaitsWithoutWork(t *testing.T) {
	s := alone(t)
	s.keep(service{name: "pause", argv: []string{placed(t)}})
	var started int
	eventually(t, "its start", func() bool {
		s.mutex.Lock()
		defer s.mutex.Unlock()
		if running := s.services["pause"]; running != nil {
			started = running.pid
		}
		return started != 0 && strings.HasPrefix(text(fmt.Sprintf("/proc/%d/comm", started)), "pause")
	})
	time.Sleep(100 * time.Millisecond)
	if stat := text(fmt.Sprintf("/proc/%d/stat", started)); !strings.Contains(stat, ") S ") {
		t.Errorf("it does not sleep: %s", stat)
	}
	s.halt()
	s.stop(5*time.Second, "pause")
	if lives(s, "pause") {
		t.Error("it does not end")
	}
}

func TestPauseLeavesNoOrphanBehind(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root may make PID namespaces")
	}
	s, program := alone(t), placed(t)
	// In a PID namespace of its own, as in a Pod, pause is the parent of the sleep that the shell has left.
	s.keep(service{name: "pod", argv: []string{"/usr/bin/unshare", "--pid", "--fork", "--kill-child", "/bin/sh", "-c", "(sleep 2 & ) ; exec " + program}})
	children := func() (pauses, others int) {
		parents := everything(t)
		for process := range parents {
			if !descends(process, os.Getpid(), parents) {
				continue
			}
			switch strings.TrimSpace(text(fmt.Sprintf("/proc/%d/comm", process))) {
			case "pause":
				pauses++
			case "sleep":
				others++
			}
		}
		return pauses, others
	}
	eventually(t, "the orphan", func() bool { pauses, others := children(); return pauses == 1 && others == 1 })
	eventually(t, "its end", func() bool { pauses, others := children(); return pauses == 1 && others == 0 })
	s.halt()
	s.stop(time.Second, "pod")
}

// everything has the parent of every process, also of those that have ended and were not reaped.
func everything(t *testing.T) map[int]int {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	all := map[int]int{}
	for _, file := range files {
		stat := text(file)
		var process, parent int
		var state string
		if _, err := fmt.Sscanf(stat, "%d ", &process); err == nil {
			if _, err := fmt.Sscanf(stat[strings.LastIndexByte(stat, ')')+1:], " %s %d", &state, &parent); err == nil {
				all[process] = parent
			}
		}
	}
	return all
}

func TestTheArchiveOfPauseIsWholeAndAlwaysTheSame(t *testing.T) {
	packed, err := pauseArchive("arm64")
	if err != nil {
		t.Fatal(err)
	}
	again, _ := pauseArchive("arm64")
	if !bytes.Equal(packed, again) {
		t.Error("two archives differ")
	}
	files := unpacked(t, packed)
	var index struct{ Manifests []descriptor }
	read(t, files["index.json"], &index)
	if index.Manifests[0].Annotations["io.containerd.image.name"] != pauseImage {
		t.Errorf("%+v", index)
	}
	var manifest struct {
		Config descriptor
		Layers []descriptor
	}
	read(t, blob(t, files, index.Manifests[0]), &manifest)
	var config struct {
		Architecture string
		Config       struct{ Entrypoint []string }
		Rootfs       struct {
			DiffIDs []string `json:"diff_ids"`
		}
	}
	read(t, blob(t, files, manifest.Config), &config)
	layer := blob(t, files, manifest.Layers[0])
	if config.Architecture != "arm64" || config.Rootfs.DiffIDs[0] != digest(layer) {
		t.Errorf("%+v", config)
	}
	if _, there := unpacked(t, layer)[strings.TrimPrefix(config.Config.Entrypoint[0], "/")]; !there {
		t.Error("the layer lacks the program")
	}
}

type descriptor struct {
	Digest      string
	Size        int
	Annotations map[string]string
}

func blob(t *testing.T, files map[string][]byte, wanted descriptor) []byte {
	t.Helper()
	data := files["blobs/sha256/"+strings.TrimPrefix(wanted.Digest, "sha256:")]
	if digest(data) != wanted.Digest || len(data) != wanted.Size {
		t.Fatalf("%+v: %d bytes", wanted, len(data))
	}
	return data
}

func read(t *testing.T, data []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatal(err)
	}
}

func unpacked(t *testing.T, packed []byte) map[string][]byte {
	t.Helper()
	files, reader := map[string][]byte{}, tar.NewReader(bytes.NewReader(packed))
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[header.Name], err = io.ReadAll(reader); err != nil {
			t.Fatal(err)
		}
	}
}
