package cluster

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestWarningsAndErrorsAreToldFromInformation(t *testing.T) {
	for _, line := range []string{
		`I1130 00:08:17.999956     115 serving.go:411] Generated self-signed cert in-memory`,
		`time="2026-11-30T00:08:17Z" level=info msg="starting containerd"`,
		`{"level":"info","ts":"2026"}`, `[INFO] plugin/reload`,
	} {
		if !informs(line) {
			t.Errorf("passes: %s", line)
		}
	}
	for _, line := range []string{
		`W1130 00:08:18.002810     115 requestheader_controller.go:204] Unable`, `E1130 x`, `F1130 x`, `panic: runtime error`,
		`time="2026-11-30T00:08:17Z" level=warning msg="level=info"`, `{"level":"warn","msg":"x"}`, `I am no log line`, `Error: unknown flag`,
	} {
		if informs(line) {
			t.Errorf("does not pass: %s", line)
		}
	}
}

func TestComponentsAreHeardWhileTheClusterIsReady(t *testing.T) {
	var out bytes.Buffer
	journal := &journal{out: &out, began: time.Now()}
	journal.pass("kubelet", "E1 before")
	journal.open(true)
	journal.pass("kubelet", "E1 while")
	journal.pass("kubelet", "I1130 while")
	journal.open(false)
	journal.pass("kubelet", "E1 after")
	if out.String() != "[kubelet] E1 while\n" {
		t.Errorf("%q", out.String())
	}
	journal.verbose = true
	journal.pass("kubelet", "I1130 anything")
	if !strings.HasSuffix(out.String(), "[kubelet] I1130 anything\n") {
		t.Errorf("%q", out.String())
	}
}

func TestLinesAreCutAndTheLastOfThemKept(t *testing.T) {
	journal := &journal{out: &bytes.Buffer{}}
	said := &recent{}
	long := strings.Repeat("x", 200_000)
	var text strings.Builder
	for number := range recentLines {
		fmt.Fprintf(&text, "line %d\n", number)
	}
	text.WriteString(long + "\nE1130 the end, without an end of line")
	journal.copy("etcd", strings.NewReader(text.String()), said)
	lines := strings.Split(said.String(), "\n")
	if len(lines) != recentLines || strings.TrimSpace(lines[0]) != "line 2" {
		t.Errorf("%d lines, the first %q", len(lines), lines[0])
	}
	if cut := strings.TrimSpace(lines[recentLines-2]); len(cut) != lineBytes {
		t.Errorf("%d bytes of the long line", len(cut))
	}
	if strings.TrimSpace(lines[recentLines-1]) != "E1130 the end, without an end of line" {
		t.Errorf("%q", lines[recentLines-1])
	}
}

func TestInformationIsLeftOutOfLastWordsWhereThereAreOthers(t *testing.T) {
	said := &recent{}
	if !strings.Contains(said.String(), "said nothing") {
		t.Errorf("%q", said)
	}
	said.add("I1130 only this")
	if !strings.Contains(said.String(), "only this") {
		t.Errorf("%q", said)
	}
	said.add("F1130 the reason")
	if strings.Contains(said.String(), "only this") || !strings.Contains(said.String(), "the reason") {
		t.Errorf("%q", said)
	}
}

func TestAWaitThatTakesLongIsSaidAndComponentsAreHeard(t *testing.T) {
	before := patience
	patience = 20 * time.Millisecond
	defer func() { patience = before }()
	out := &safe{}
	journal := &journal{out: out, began: time.Now()}
	if err := journal.wait(t.Context(), "something quick", func() bool { return true }); err != nil {
		t.Fatal(err)
	}
	done := time.Now().Add(200 * time.Millisecond)
	if err := journal.wait(t.Context(), "CoreDNS", func() bool { return time.Now().After(done) }); err != nil {
		t.Fatal(err)
	}
	journal.pass("kubelet", "E1130 no such file")
	if said := out.String(); strings.Contains(said, "quick") || strings.Count(said, "still waiting for CoreDNS;") != 1 || !strings.Contains(said, "[kubelet] E1130 no such file") {
		t.Errorf("%q", said)
	}
}
