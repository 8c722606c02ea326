package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// printVersions asks each program in a process of its own: two of them in one would be in each other's way.
func printVersions(out io.Writer) int {
	self, err := os.Executable()
	if err != nil {
		return fail(os.Stderr, 1, "cannot find itself: %v", err)
	}
	code := 0
	for _, program := range programs {
		said := []byte("built into hyperkube")
		if program.version != nil {
			command := exec.Command(self, program.version...)
			command.Args[0] = program.name
			if said, err = command.CombinedOutput(); err != nil {
				said, code = fmt.Appendf(nil, "does not run here (%v)", err), 1
			}
		}
		first, _, _ := strings.Cut(string(said), "\n")
		fmt.Fprintf(out, "%-24s %s\n", program.name, first)
	}
	return code
}

// makeSymlinks links every program in a directory to this binary; links that are right already stay.
func makeSymlinks(directory string, problems io.Writer) int {
	if info, err := os.Stat(directory); err != nil || !info.IsDir() {
		return fail(problems, 2, "%s: no such directory; make it first", directory)
	}
	self, err := os.Executable()
	if err == nil {
		self, err = filepath.EvalSymlinks(self)
	}
	if err != nil {
		return fail(problems, 1, "cannot find itself: %v", err)
	}
	for _, program := range programs {
		link := filepath.Join(directory, program.name)
		err := os.Symlink(self, link)
		if errors.Is(err, fs.ErrExist) {
			if target, _ := filepath.EvalSymlinks(link); target != self {
				return fail(problems, 1, "%s: is there already and is something else; move it away", link)
			}
		} else if err != nil {
			return fail(problems, 1, "%v", err)
		}
	}
	return 0
}
