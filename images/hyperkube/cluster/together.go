package cluster

import (
	"context"
	"encoding/json"
	"io"
	"os"
)

// Components is what hyperkube is called with to run components in one process: it reads their command lines.
const Components = "components"

// together is the process of all components. At each start it is led through the same steps as if each component were a
// process of its own; when it ends, all of them do, and begin again.
func (c cluster) together(ctx context.Context, s *supervisor, journal *journal) service {
	lead := func(alive context.Context, input io.Writer) {
		both, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(alive, cancel)()
		journal.open(false)
		run := func(component service) { json.NewEncoder(input).Encode(component.argv) } // it fails where alive has ended
		if err := c.start(both, s, journal, run); err != nil && both.Err() == nil {
			s.give(err.Error())
		}
	}
	return service{name: Components, argv: []string{programs + "hyperkube", Components}, environment: c.memory(), lead: lead}
}

// inputOf is where a program reads from, and where its lead writes to; a program without a lead reads nothing.
func inputOf(wanted service) (stdin, input *os.File, err error) {
	if wanted.lead != nil {
		return os.Pipe()
	}
	stdin, err = os.Open(os.DevNull)
	return stdin, nil, err
}

// lead leads a program that has been started, if it wants to be; the function that it returns ends that.
func lead(wanted service, input *os.File) (end func()) {
	if wanted.lead == nil {
		return func() {}
	}
	alive, cancel := context.WithCancel(context.Background())
	go wanted.lead(alive, input)
	return func() {
		cancel()
		input.Close()
	}
}
