package cluster

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A safe buffer is one that a journal may write to while a test reads it.
type safe struct {
	mutex sync.Mutex
	text  bytes.Buffer
}

func (s *safe) Write(data []byte) (int, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.text.Write(data)
}

func (s *safe) String() string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.text.String()
}

// There is one supervisor for all tests, as there is one in a container: it reaps every child.
var (
	said       = &safe{}
	supervised = sync.OnceValue(func() *supervisor { return newSupervisor(&journal{out: said, began: time.Now()}) })
)

// alone gives a test the supervisor, as if it were a new one.
func alone(t *testing.T) *supervisor {
	s := supervised()
	s.mutex.Lock()
	s.stopping = false
	s.mutex.Unlock()
	select {
	case <-s.failed:
	default:
	}
	return s
}

func script(name, text string) service {
	return service{name: name, argv: []string{"/bin/sh", "-c", text}, environment: []string{"GIVEN=yes"}}
}

// lives is whether a service runs.
func lives(s *supervisor, name string) bool { return len(s.alive([]string{name})) > 0 }

// eventually fails the test unless something is so within some seconds.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	if !within(10*time.Second, is) {
		t.Fatalf("%s: not within 10 seconds; the journal:\n%s", what, said)
	}
}

func lines(path string) int { return strings.Count(text(path), "\n") }

func TestAProgramThatFailsIsReportedWithItsLastWords(t *testing.T) {
	s := alone(t)
	if err := s.finish(script("good", `test "$GIVEN" = yes`)); err != nil {
		t.Error(err)
	}
	err := s.finish(script("bad", "echo one; echo two >&2; exit 3"))
	if err == nil || !strings.Contains(err.Error(), "bad ended with exit code 3") || !strings.Contains(err.Error(), "two") {
		t.Errorf("%v", err)
	}
	err = s.finish(script("killed", "kill -KILL $$"))
	if err == nil || !strings.Contains(err.Error(), "killed was ended by signal 9 (killed)") {
		t.Errorf("%v", err)
	}
	err = s.finish(service{name: "none", argv: []string{"/nonexistent/program"}})
	if err == nil || !strings.Contains(err.Error(), "/nonexistent/program: no such file") {
		t.Errorf("%v", err)
	}
	long := strings.Repeat("x", 100_000)
	all, err := s.output(script("loud", "head -c 100000 /dev/zero | tr '\\0' x"))
	if err != nil || all != long {
		t.Errorf("%d bytes, %v", len(all), err)
	}
}

func TestAServiceThatEndsIsStartedAgain(t *testing.T) {
	s, count := alone(t), filepath.Join(t.TempDir(), "count")
	s.keep(script("flaky", fmt.Sprintf("echo x >> %s; test $(wc -l < %s) -gt 2 || { echo oh no; exit 1; }; exec sleep 60", count, count)))
	eventually(t, "the third start", func() bool { return lines(count) == 3 && lives(s, "flaky") })
	if !strings.Contains(said.String(), "flaky ended with exit code 1; it is started again in 250ms, and said last:\n          oh no\n") {
		t.Errorf("the journal says\n%s", said)
	}
	s.halt()
	s.stop(5*time.Second, "flaky")
	if lives(s, "flaky") {
		t.Error("it lives")
	}
	time.Sleep(400 * time.Millisecond)
	if lines(count) != 3 {
		t.Error("it was started again although everything stops")
	}
}

func TestAServiceThatAlwaysFailsEndsTheClusterWithItsReason(t *testing.T) {
	s := alone(t)
	before := shortestDelay
	shortestDelay = time.Millisecond
	defer func() { shortestDelay = before }()
	s.keep(script("hopeless", "echo the disk is broken; exit 7"))
	select {
	case reason := <-s.failed:
		for _, part := range []string{"hopeless has failed 6 times in a row", "exit code 7", "the disk is broken"} {
			if !strings.Contains(reason, part) {
				t.Errorf("%q is not in %q", part, reason)
			}
		}
	case <-time.After(10 * time.Second):
		t.Error("it is started for ever")
	}
}

func TestAServiceThatDoesNotHearIsKilled(t *testing.T) {
	s := alone(t)
	s.keep(script("deaf", "trap '' TERM; while :; do sleep 0.05; done"))
	eventually(t, "its start", func() bool { return lives(s, "deaf") })
	time.Sleep(100 * time.Millisecond) // until it does not hear
	s.halt()
	began := time.Now()
	s.stop(200*time.Millisecond, "deaf")
	eventually(t, "its end", func() bool { return !lives(s, "deaf") })
	if took := time.Since(began); took < 200*time.Millisecond || took > 8*time.Second {
		t.Errorf("it took %s", took)
	}
	if !strings.Contains(said.String(), "deaf: killed") {
		t.Error("the journal does not say so")
	}
}

func TestNothingIsStartedOnceEverythingStops(t *testing.T) {
	s, mark := alone(t), filepath.Join(t.TempDir(), "mark")
	s.halt()
	s.keep(script("late", "echo x > "+mark))
	time.Sleep(200 * time.Millisecond)
	if exists(mark) {
		t.Error("it was started")
	}
}

func TestOrphansAreReaped(t *testing.T) {
	// PR_SET_CHILD_SUBREAPER: as the first process of a container gets them anyway.
	if _, _, err := syscall.RawSyscall(syscall.SYS_PRCTL, 36, 1, 0); err != 0 {
		t.Fatal(err)
	}
	s, file := alone(t), filepath.Join(t.TempDir(), "pid")
	if err := s.finish(script("parent", "sleep 0.2 & echo $! > "+file)); err != nil {
		t.Fatal(err)
	}
	orphan, err := strconv.Atoi(strings.TrimSpace(text(file)))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the orphan's end", func() bool { return syscall.Kill(orphan, 0) == syscall.ESRCH })
}

func TestWaitsBecomeLongerUpToABound(t *testing.T) {
	for failures, wanted := range map[int]time.Duration{1: 250 * time.Millisecond, 2: 500 * time.Millisecond, 5: 4 * time.Second, 7: longestDelay, 99: longestDelay} {
		if found := delay(failures); found != wanted {
			t.Errorf("%d: %s", failures, found)
		}
	}
}

func TestProcessesOfPodsAreDescendantsInOtherNamespaces(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root may make PID namespaces")
	}
	hears := []string{"/usr/bin/unshare", "--pid", "--fork", "--kill-child", "/bin/sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.05; done"}
	s := alone(t)
	s.keep(service{name: "pod", argv: hears})
	eventually(t, "the Pod's start", func() bool { return len(podProcesses()) > 0 })
	time.Sleep(100 * time.Millisecond) // until it hears
	stopPods(5 * time.Second)
	if left := podProcesses(); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	s.halt()
	s.stop(time.Second, "pod")
}

func TestOnlyDescendantsAreFound(t *testing.T) {
	parents := map[int]int{1: 0, 10: 1, 11: 10, 12: 11, 20: 1, 30: 31, 31: 30}
	for process, wanted := range map[int]bool{11: true, 12: true, 10: false, 20: false, 1: false, 30: false, 99: false} {
		if descends(process, 10, parents) != wanted {
			t.Errorf("%d", process)
		}
	}
}

func TestTheParentOfAProcessIsReadWhateverItsName(t *testing.T) {
	for stat, wanted := range map[string][2]int{
		"7 (sh) S 3 7 7 0":        {7, 3},
		"8 (a) b) (c) R 4 8 8 0":  {8, 4},
		"9 (two words) D 5 9 9 0": {9, 5},
		"10 (ended) Z 6 10 10 0":  {0, 0},
		"":                        {0, 0},
		"11 (cut":                 {0, 0},
	} {
		if process, parent, alive := readStat(stat); [2]int{process, parent} != wanted || alive != (wanted[0] != 0) {
			t.Errorf("%q: %d %d %t", stat, process, parent, alive)
		}
	}
}
