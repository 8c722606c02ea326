package cluster

import (
	"runtime/debug"
	"strconv"
	"time"
)

// settling is the variable by which the supervisor tells a program of this binary after how many seconds it will have
// begun, and may give back what it needed for that.
const settling = "HYPERKUBE_SETTLE"

// settleAfter is what the supervisor says: until then memory is better kept than asked for again.
const settleAfter = "20"

// settleEvery is how often a program gives back what it does not use any more.
const settleEvery = time.Minute

// settled reads the variable, which most programs do not have.
func settled(text string) (after time.Duration, ok bool) {
	seconds, err := strconv.ParseUint(text, 10, 16)
	return time.Duration(seconds) * time.Second, err == nil && seconds > 0
}

// settle gives memory back to the machine, again and again. Go itself cleans up an idle program every two minutes, and
// keeps most of what is free then. It never ends.
func settle(after time.Duration) {
	for time.Sleep(after); ; time.Sleep(settleEvery) {
		debug.FreeOSMemory()
	}
}
