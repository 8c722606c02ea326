package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestAProgramThatIsLedIsLedAgainAtEachStart(t *testing.T) {
	s, heard := alone(t), filepath.Join(t.TempDir(), "heard")
	ended := make(chan struct{}, 10)
	led := script("led", fmt.Sprintf("while read line; do echo $line >> %s; test $line = go || exit 3; done", heard))
	words := []string{"stop", "go"}
	led.lead = func(alive context.Context, input io.Writer) {
		word := words[0]
		words = words[1:]
		fmt.Fprintln(input, word)
		<-alive.Done()
		ended <- struct{}{}
	}
	s.keep(led)
	eventually(t, "the second start", func() bool { return text(heard) == "stop\ngo\n" })
	if len(ended) != 1 || !lives(s, "led") {
		t.Errorf("%d leads have ended", len(ended))
	}
	s.halt()
	s.stop(5*time.Second, "led")
	eventually(t, "the end of its lead", func() bool { return len(ended) == 2 })
}

func TestAProgramThatCannotBeStartedIsNotLed(t *testing.T) {
	s := alone(t)
	_, err := s.start(service{name: "none", argv: []string{"/nonexistent/program"}, lead: func(context.Context, io.Writer) { t.Error("led") }})
	if err == nil || !strings.Contains(err.Error(), "/nonexistent") {
		t.Errorf("%v", err)
	}
}

func TestWhoWritesToAProgramThatHasEndedDoesNotEndWithIt(t *testing.T) {
	s := alone(t)
	failed := make(chan error, 1)
	short := script("short", "exec 0<&-; sleep 0.2; exec sleep 60")
	short.lead = func(alive context.Context, input io.Writer) {
		within(5*time.Second, func() bool { return json.NewEncoder(input).Encode([]string{"etcd"}) != nil })
		failed <- json.NewEncoder(input).Encode([]string{"etcd"})
	}
	s.keep(short)
	if err := <-failed; err == nil || !strings.Contains(err.Error(), syscall.EPIPE.Error()) {
		t.Errorf("%v", err)
	}
	s.halt()
	s.stop(5*time.Second, "short")
}

func TestComponentsTogetherAreOneProgramOfTheImage(t *testing.T) {
	c := example(t)
	c.memoryLow = true
	one := c.together(t.Context(), alone(t), &journal{})
	if one.lead == nil || strings.Join(one.argv, " ") != "/usr/local/bin/hyperkube components" || argv(one)[0] != "hyperkube" {
		t.Errorf("%v", one.argv)
	}
	if command, _ := called(argv(one)); command != nil {
		t.Error("it would run the cluster again")
	}
}
