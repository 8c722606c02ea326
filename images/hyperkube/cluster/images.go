package cluster

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	goruntime "runtime"
	"strings"
)

// pauseImage is the image of every Pod's first container, and of CoreDNS, whose program is mounted from the node. It is
// made here: it weighs 300 bytes, and neither a registry nor a second copy of a program is needed.
const pauseImage = "kubewright.local/pause:1"

// pauseCode is what pause does, instruction by instruction for each processor: it lets the kernel reap its orphans, by
// ignoring SIGCHLD, and waits for ever. Pods are ended by SIGKILL. The last line is the structure for rt_sigaction:
// SIG_IGN (1), no flags, an empty set of signals.
var pauseCode = map[string][]string{
	"amd64": {
		"b80d000000",     // mov eax, 13 (rt_sigaction)
		"bf11000000",     // mov edi, 17 (SIGCHLD)
		"488d3517000000", // lea rsi, [action]
		"31d2",           // xor edx, edx: no old action
		"41ba08000000",   // mov r10d, 8: the size of a set of signals
		"0f05",           // syscall
		"b822000000",     // again: mov eax, 34 (pause)
		"0f05",           // syscall
		"ebf7",           // jmp again
		"0f1f4000",       // nop
		"0100000000000000" + "0000000000000000" + "0000000000000000" + "0000000000000000",
	},
	"arm64": {
		"c81080d2", // mov x8, 134 (rt_sigaction)
		"200280d2", // mov x0, 17 (SIGCHLD)
		"81010010", // adr x1, action
		"020080d2", // mov x2, 0: no old action
		"030180d2", // mov x3, 8: the size of a set of signals
		"010000d4", // svc 0
		"280980d2", // again: mov x8, 73 (ppoll)
		"000080d2", // mov x0, 0: of no files
		"010080d2", // mov x1, 0
		"020080d2", // mov x2, 0: for ever
		"030080d2", // mov x3, 0: with the signals of before
		"010000d4", // svc 0
		"faffff17", // b again
		"1f2003d5", // nop
		"0100000000000000" + "0000000000000000" + "0000000000000000" + "0000000000000000",
	},
}

// processors are their numbers in ELF headers.
var processors = map[string]uint16{"amd64": 62, "arm64": 183}

// pause is the program: an ELF header, one segment, and the code.
func pause(processor string) ([]byte, error) {
	code, err := hex.DecodeString(strings.Join(pauseCode[processor], ""))
	if err != nil || len(code) == 0 {
		return nil, fmt.Errorf("there is no pause for the processor %s", processor)
	}
	const start, headers, page = 0x400000, 64 + 56, 0x10000
	size := uint64(headers + len(code))
	var program bytes.Buffer
	for _, part := range []any{
		elf.Header64{
			Ident: [16]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
			Type:  uint16(elf.ET_EXEC), Machine: processors[processor], Version: uint32(elf.EV_CURRENT),
			Entry: start + headers, Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 1,
		},
		elf.Prog64{
			Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_X), Vaddr: start, Paddr: start, Filesz: size, Memsz: size, Align: page,
		},
		code,
	} {
		if err := binary.Write(&program, binary.LittleEndian, part); err != nil {
			return nil, err
		}
	}
	return program.Bytes(), nil
}

// A file is one of an archive.
type file struct {
	name string
	data []byte
	mode int64
}

// archive packs files, always as the same bytes.
func archive(files ...file) []byte {
	var packed bytes.Buffer
	writer := tar.NewWriter(&packed)
	for _, one := range files {
		writer.WriteHeader(&tar.Header{Name: one.name, Mode: one.mode, Size: int64(len(one.data)), Format: tar.FormatUSTAR})
		writer.Write(one.data)
	}
	writer.Close()
	return packed.Bytes()
}

// pauseArchive is the image as an archive that containerd imports.
func pauseArchive(processor string) ([]byte, error) {
	program, err := pause(processor)
	if err != nil {
		return nil, err
	}
	layer := archive(file{"pause", program, 0o755})
	config := document(map[string]any{
		"architecture": processor, "os": "linux", "config": map[string]any{"Entrypoint": []string{"/pause"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{digest(layer)}},
	})
	manifest := document(map[string]any{
		"schemaVersion": 2, "mediaType": oci + "manifest.v1+json", "config": described("config.v1+json", config),
		"layers": []any{described("layer.v1.tar", layer)},
	})
	entry := described("manifest.v1+json", manifest)
	entry["annotations"] = map[string]string{"io.containerd.image.name": pauseImage}
	index := document(map[string]any{"schemaVersion": 2, "mediaType": oci + "index.v1+json", "manifests": []any{entry}})
	files := []file{{"oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`), 0o644}, {"index.json", index, 0o644}}
	for _, blob := range [][]byte{layer, config, manifest} {
		files = append(files, file{"blobs/sha256/" + strings.TrimPrefix(digest(blob), "sha256:"), blob, 0o644})
	}
	return archive(files...), nil
}

// oci is how the types of OCI documents begin.
const oci = "application/vnd.oci.image."

func document(value map[string]any) []byte {
	data, _ := json.Marshal(value) // of strings and numbers: cannot fail
	return data
}

func digest(data []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(data)) }

func described(kind string, data []byte) map[string]any {
	return map[string]any{"mediaType": oci + kind, "digest": digest(data), "size": len(data)}
}

// importPause gives the image to containerd, which must listen; one that is there already stays.
func importPause(s *supervisor) error {
	packed, err := pauseArchive(goruntime.GOARCH)
	if err != nil {
		return err
	}
	path := runtime + "/pause.tar"
	if err := os.WriteFile(path, packed, 0o600); err != nil {
		return err
	}
	// The labels are those by which containerd's side of kubelet knows an image, and kubelet that it must not remove it.
	return s.finish(service{name: "ctr", argv: []string{
		programs + "ctr", "--address=" + containerd, "--namespace=k8s.io", "images", "import", "--local",
		"--label=io.cri-containerd.image=managed", "--label=io.cri-containerd.pinned=pinned", path,
	}})
}
