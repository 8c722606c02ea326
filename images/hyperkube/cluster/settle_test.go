package cluster

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestWhenAProgramSettlesIsSaidInSeconds(t *testing.T) {
	for text, want := range map[string]time.Duration{"20": 20 * time.Second, "1": time.Second} {
		if after, ok := settled(text); !ok || after != want {
			t.Errorf("%q: %s, %t", text, after, ok)
		}
	}
	for _, text := range []string{"", "0", "-1", "20s", "1.5", "99999999"} {
		if after, ok := settled(text); ok {
			t.Errorf("%q: taken for %s", text, after)
		}
	}
}

// A program that has had much memory, in a process of its own; it prints how much it has left.
func TestASettledProgramGivesBackWhatItDoesNotUse(t *testing.T) {
	if os.Getenv(settling) != "" {
		needed := make([]byte, 200<<20)
		for index := 0; index < len(needed); index += 4096 {
			needed[index] = 1
		}
		needed = nil
		time.Sleep(3 * time.Second)
		os.Stdout.WriteString("resident " + text("/proc/self/statm"))
		return
	}
	command := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	command.Env = append(os.Environ(), settling+"=1", "GOGC=off")
	said, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	_, numbers, _ := strings.Cut(string(said), "resident ")
	fields := strings.Fields(numbers)
	if len(fields) < 2 {
		t.Fatalf("it said: %s", said)
	}
	pages, err := strconv.Atoi(fields[1])
	if size := pages * os.Getpagesize(); err != nil || size > 100<<20 {
		t.Fatalf("%d bytes are resident yet (%v)", size, err)
	}
}
