package cluster

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// How often a service may fail in a row before the cluster gives up, and after which time a failure is a new one.
const (
	failuresInRow = 6
	soundAfter    = time.Minute
	longestDelay  = 10 * time.Second
)

// shortestDelay is how long to wait after the first failure; tests wait less.
var shortestDelay = 250 * time.Millisecond

// A service is a program that runs as long as the cluster does.
type service struct {
	name        string
	argv        []string                         // the program's path first
	environment []string                         // beside the supervisor's own
	lead        func(context.Context, io.Writer) // see together.go; most have none
}

// A process is one run of a program.
type process struct {
	pid   int
	input *os.File // nil without a lead
	said  *recent
	read  chan struct{} // closed when all of its output has been read
	ended chan syscall.WaitStatus
}

// A supervisor starts programs, reaps every process of the container, and starts services again that end.
type supervisor struct {
	journal *journal
	failed  chan string // gets the reason why the cluster cannot go on

	mutex    sync.Mutex
	all      map[int]*process
	services map[string]*process
	stopping bool
}

func newSupervisor(journal *journal) *supervisor {
	s := &supervisor{
		journal: journal, failed: make(chan string, 1), all: map[int]*process{}, services: map[string]*process{},
	}
	children := make(chan os.Signal, 1)
	signal.Notify(children, syscall.SIGCHLD)
	go func() {
		for range children {
			s.reap()
		}
	}()
	return s
}

// reap collects the processes that have ended: those that it started, and the orphans of a first process.
func (s *supervisor) reap() {
	s.mutex.Lock() // a process that ends at once is known by then
	defer s.mutex.Unlock()
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
		if ended := s.all[pid]; ended != nil {
			delete(s.all, pid)
			ended.ended <- status
		}
	}
}

// start starts a program whose output goes to the journal.
func (s *supervisor) start(wanted service) (*process, error) {
	said := &recent{}
	return s.launch(wanted, said, func(from io.Reader) { s.journal.copy(wanted.name, from, said) })
}

// launch starts a program and has its output read.
func (s *supervisor) launch(wanted service, said *recent, read func(io.Reader)) (*process, error) {
	reader, writer, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer writer.Close()
	stdin, input, err := inputOf(wanted)
	if err != nil {
		return nil, err
	}
	defer stdin.Close()
	started := &process{input: input, said: said, read: make(chan struct{}), ended: make(chan syscall.WaitStatus, 1)}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	started.pid, err = syscall.ForkExec(wanted.argv[0], argv(wanted), &syscall.ProcAttr{
		Env:   append(os.Environ(), wanted.environment...),
		Files: []uintptr{stdin.Fd(), writer.Fd(), writer.Fd()},
		Sys:   &syscall.SysProcAttr{Setpgid: true},
	})
	if err != nil {
		reader.Close()
		input.Close()
		return nil, fmt.Errorf("%s: %w", wanted.argv[0], err)
	}
	s.all[started.pid] = started
	go func() {
		defer close(started.read)
		defer reader.Close()
		read(reader)
	}()
	return started, nil
}

// argv is what the program sees: its own name, for hyperkube is what it is called.
func argv(wanted service) []string {
	return append([]string{filepath.Base(wanted.argv[0])}, wanted.argv[1:]...)
}

// wait returns how a process has ended, once its last words have been read. Its children may hold the pipe for longer.
func (p *process) wait() syscall.WaitStatus {
	status := <-p.ended
	select {
	case <-p.read:
	case <-time.After(200 * time.Millisecond):
	}
	return status
}

// finish runs a program to its end; an error has its last words.
func (s *supervisor) finish(wanted service) error {
	started, err := s.start(wanted)
	if err != nil {
		return err
	}
	if status := started.wait(); status != 0 {
		return fmt.Errorf("%s %s\n%s", wanted.name, describe(status), started.said)
	}
	return nil
}

// output runs a program to its end and returns all that it has said.
func (s *supervisor) output(wanted service) (string, error) {
	var all []byte
	started, err := s.launch(wanted, &recent{}, func(from io.Reader) { all, _ = io.ReadAll(from) })
	if err != nil {
		return "", err
	}
	status := <-started.ended
	<-started.read
	if status != 0 {
		return "", fmt.Errorf("%s %s\n%s", wanted.name, describe(status), all)
	}
	return string(all), nil
}

// keep keeps a service running until stop; one that fails too often ends the cluster.
func (s *supervisor) keep(wanted service) {
	go func() {
		for failures := 0; ; {
			began := time.Now()
			how, words := s.once(wanted)
			if how == "" {
				return
			}
			if time.Since(began) > soundAfter {
				failures = 0
			}
			if failures++; failures == failuresInRow {
				s.give(fmt.Sprintf("%s has failed %d times in a row; it %s, and said last:\n%s", wanted.name, failures, how, words))
				return
			}
			pause := delay(failures)
			s.journal.say("%s %s; it is started again in %s, and said last:\n%s", wanted.name, how, pause, words)
			time.Sleep(pause)
		}
	}()
}

// once runs a service and says how it ended and with which words, or nothing when the cluster stops.
func (s *supervisor) once(wanted service) (how, words string) {
	s.mutex.Lock()
	stopping := s.stopping
	s.mutex.Unlock()
	if stopping {
		return "", ""
	}
	started, err := s.start(wanted)
	if err != nil {
		return "cannot be started", err.Error()
	}
	s.mutex.Lock()
	s.services[wanted.name] = started
	stopping = s.stopping
	s.mutex.Unlock()
	if stopping { // it was started too late to be in anybody's list
		syscall.Kill(started.pid, syscall.SIGKILL)
	}
	defer lead(wanted, started.input)()
	status := started.wait()
	s.mutex.Lock()
	defer s.mutex.Unlock()
	delete(s.services, wanted.name)
	if s.stopping {
		return "", ""
	}
	return describe(status), started.said.String()
}

// give reports why the cluster cannot go on; the first reason counts.
func (s *supervisor) give(reason string) {
	select {
	case s.failed <- reason:
	default:
	}
}

// delay is how long to wait before a service that has failed is started again.
func delay(failures int) time.Duration {
	wait := shortestDelay
	for ; failures > 1 && wait < longestDelay; failures-- {
		wait *= 2
	}
	return min(wait, longestDelay)
}

// describe says in words how a process has ended.
func describe(status syscall.WaitStatus) string {
	if status.Signaled() {
		return fmt.Sprintf("was ended by signal %d (%s)", status.Signal(), status.Signal())
	}
	return fmt.Sprintf("ended with exit code %d", status.ExitStatus())
}

// halt lets no service start any more.
func (s *supervisor) halt() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.stopping = true
}

// stop ends services together: they are asked to, and killed if they have not ended after the patience.
func (s *supervisor) stop(patience time.Duration, names ...string) {
	s.signal(syscall.SIGTERM, names)
	if !within(patience, func() bool { return len(s.alive(names)) == 0 }) {
		late := s.alive(names)
		s.journal.say("%s: killed, not ended within %s", strings.Join(late, ", "), patience)
		s.signal(syscall.SIGKILL, late)
	}
}

func (s *supervisor) signal(number syscall.Signal, names []string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for _, name := range names {
		if running := s.services[name]; running != nil {
			syscall.Kill(running.pid, number)
		}
	}
}

// alive are those of the services that run.
func (s *supervisor) alive(names []string) []string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	var running []string
	for _, name := range names {
		if s.services[name] != nil {
			running = append(running, name)
		}
	}
	return running
}

// within asks again and again until the answer is yes, at most for some time; it returns the last answer.
func within(patience time.Duration, ask func() bool) bool {
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if ask() {
			return true
		}
		if time.Now().After(end) {
			return false
		}
	}
}
