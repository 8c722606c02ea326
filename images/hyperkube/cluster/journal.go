package cluster

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"
	"time"
)

// recentLines is how many last words of a process are kept, lineBytes how much of a line.
const (
	recentLines = 8
	lineBytes   = 1000
)

// A journal is what the container prints. What components say has their name before it.
type journal struct {
	out     io.Writer
	began   time.Time
	verbose bool // everything that components say, and from the first moment

	mutex sync.Mutex
	ready bool // before and after, components complain about each other's absence
}

// say prints a line of the supervisor's own, with the seconds since it began.
func (j *journal) say(format string, values ...any) {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	fmt.Fprintf(j.out, "%7.2fs %s\n", time.Since(j.began).Seconds(), fmt.Sprintf(format, values...))
}

// open lets the warnings and errors of components through from now on, or no more.
func (j *journal) open(ready bool) {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	j.ready = ready
}

// patience is after which time a wait is said, and components are heard; tests have less.
var patience = 30 * time.Second

// wait asks until the answer is yes or the context ends. What takes long is said.
func (j *journal) wait(ctx context.Context, what string, ask func() bool) error {
	long := time.AfterFunc(patience, func() {
		j.open(true)
		j.say("still waiting for %s; what components say is printed from now on", what)
	})
	defer long.Stop()
	return until(ctx, ask)
}

// copy reads what a process says to its end.
func (j *journal) copy(name string, from io.Reader, said *recent) {
	lines := bufio.NewReaderSize(from, 64*1024)
	for {
		line, err := readLine(lines)
		if line != "" {
			said.add(line)
			j.pass(name, line)
		}
		if err != nil {
			return
		}
	}
}

// pass prints a line of a component, if it is worth it.
func (j *journal) pass(name, line string) {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	if j.verbose || j.ready && !informs(line) {
		fmt.Fprintf(j.out, "[%s] %s\n", name, line)
	}
}

// readLine returns the next line without its end, cut off where it is too long.
func readLine(from *bufio.Reader) (string, error) {
	var line []byte
	for {
		part, more, err := from.ReadLine()
		if room := lineBytes - len(line); room > 0 {
			line = append(line, part[:min(len(part), room)]...)
		}
		if err != nil || !more {
			return string(line), err
		}
	}
}

// information is how a line begins that is neither a warning nor an error: of klog, containerd and CoreDNS.
var information = regexp.MustCompile(`^(I\d{4} |time="[^"]*" level=(info|debug|trace) |\[INFO\]|\{"level":"(info|debug)")`)

func informs(line string) bool { return information.MatchString(line) }

// recent has the last lines of a process, for whoever asks why it has ended.
type recent struct {
	mutex sync.Mutex
	lines []string
}

func (r *recent) add(line string) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.lines = append(r.lines, line); len(r.lines) > recentLines {
		r.lines = r.lines[1:]
	}
}

// String gives the lines indented; information is left out where there is anything else.
func (r *recent) String() string {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	var kept []string
	for _, line := range r.lines {
		if !informs(line) {
			kept = append(kept, line)
		}
	}
	if kept == nil {
		kept = r.lines
	}
	if kept == nil {
		return "          (it said nothing)"
	}
	return "          " + strings.Join(kept, "\n          ")
}
