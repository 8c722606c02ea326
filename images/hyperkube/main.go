// hyperkube is every Kubernetes program, etcd and pause in one static binary.
//
// The program is the name under which it is called (a link to it), or its first argument.
package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"hyperkube/cluster" // does its own work before main: see there
)

const usage = `Usage: hyperkube PROGRAM [ARGUMENT...]
       hyperkube --list                the programs that are here, one a line
       hyperkube --version             the version of each of them
       hyperkube --make-symlinks DIR   a link for each of them in DIR
       hyperkube cluster [OPTION...]   a whole cluster, as the first process of a container
       hyperkube --help

Programs: %s
`

// aliases are what hyperkube called them before Kubernetes 1.19.
var aliases = map[string]string{
	"apiserver":          "kube-apiserver",
	"controller-manager": "kube-controller-manager",
	"proxy":              "kube-proxy",
	"scheduler":          "kube-scheduler",
}

func main() {
	called := filepath.Base(os.Args[0])
	if called != "hyperkube" && find(called) != nil {
		start(called, os.Args[1:])
		return
	}
	os.Exit(hyperkube(os.Args[1:], os.Stdout, os.Stderr))
}

// hyperkube does what is asked of hyperkube itself and returns the exit code; a program that it starts ends the process.
func hyperkube(arguments []string, out, problems io.Writer) int {
	if len(arguments) == 0 {
		fmt.Fprintf(problems, usage, names())
		return 2
	}
	switch first := arguments[0]; {
	case first == "-h" || first == "--help":
		fmt.Fprintf(out, usage, names())
	case first == "--list":
		for _, program := range programs {
			fmt.Fprintln(out, program.name)
		}
	case first == "--version":
		return printVersions(out)
	case first == "--make-symlinks":
		if len(arguments) != 2 {
			return fail(problems, 2, "usage: hyperkube --make-symlinks DIR")
		}
		return makeSymlinks(arguments[1], problems)
	case first == cluster.Components: // for the supervisor, so it is in no list
		return together(os.Stdin)
	case strings.HasPrefix(first, "-"):
		return fail(problems, 2, "there is no option '%s'; see hyperkube --help", first)
	case find(first) == nil:
		return fail(problems, 2, "there is no program '%s' here, only: %s", first, names())
	default:
		start(first, arguments[1:])
	}
	return 0
}

// find returns the program with this name or historical alias, or nil.
func find(name string) *program {
	if modern, known := aliases[name]; known {
		name = modern
	}
	for index := range programs {
		if programs[index].name == name {
			return &programs[index]
		}
	}
	return nil
}

// start runs a program as if it were a binary of its own: all of them read os.Args.
func start(name string, arguments []string) {
	chosen := find(name)
	os.Args = append([]string{chosen.name}, arguments...)
	isolate(chosen.name)
	chosen.run()
}

func names() string {
	all := make([]string, len(programs))
	for index, program := range programs {
		all[index] = program.name
	}
	return strings.Join(all, " ")
}

func fail(problems io.Writer, code int, message string, values ...any) int {
	fmt.Fprintf(problems, "hyperkube: "+message+"\n", values...)
	return code
}
