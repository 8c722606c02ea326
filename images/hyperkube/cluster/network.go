package cluster

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// A place is where the container is in the network.
type place struct {
	device  string
	address netip.Addr
}

var errNoAddress = errors.New("the container has no IPv4 address; give it a network with docker run --network")

// find returns the device of the default route, or else the first with an address.
func find() (place, error) {
	table, err := os.ReadFile("/proc/net/route")
	if err != nil {
		return place{}, err
	}
	devices, err := net.Interfaces()
	if err != nil {
		return place{}, err
	}
	wanted := defaultDevice(string(table))
	var found place
	for _, device := range devices {
		if device.Flags&net.FlagLoopback != 0 || device.Flags&net.FlagUp == 0 {
			continue
		}
		address, ok := first(device)
		if ok && (device.Name == wanted || !found.address.IsValid()) {
			found = place{device.Name, address}
		}
	}
	if !found.address.IsValid() {
		return found, errNoAddress
	}
	return found, nil
}

// defaultDevice reads the device of the default route with the lowest metric from /proc/net/route.
func defaultDevice(table string) string {
	name, best := "", -1
	for _, line := range strings.Split(table, "\n") {
		words := strings.Fields(line)
		if len(words) < 8 || words[1] != "00000000" || words[7] != "00000000" {
			continue
		}
		if metric, err := strconv.Atoi(words[6]); err == nil && (best < 0 || metric < best) {
			name, best = words[0], metric
		}
	}
	return name
}

// first is the first IPv4 address of a device.
func first(device net.Interface) (netip.Addr, bool) {
	addresses, err := device.Addrs()
	if err != nil {
		return netip.Addr{}, false
	}
	for _, address := range addresses {
		if found, err := netip.ParsePrefix(address.String()); err == nil && found.Addr().Is4() {
			return found.Addr(), true
		}
	}
	return netip.Addr{}, false
}

// reachable are the networks that the routes of /proc/net/route lead to, but for the default ones.
func reachable(table string) []netip.Prefix {
	var networks []netip.Prefix
	for _, line := range strings.Split(table, "\n") {
		words := strings.Fields(line)
		if len(words) < 8 {
			continue
		}
		address, wrong := strconv.ParseUint(words[1], 16, 32)
		mask, alsoWrong := strconv.ParseUint(words[7], 16, 32)
		if wrong != nil || alsoWrong != nil || mask == 0 {
			continue
		}
		ones := 0
		for ; mask != 0; mask &= mask - 1 {
			ones++
		}
		octets := [4]byte{byte(address), byte(address >> 8), byte(address >> 16), byte(address >> 24)}
		networks = append(networks, netip.PrefixFrom(netip.AddrFrom4(octets), ones))
	}
	return networks
}

// resolver renders what Pods without a name service of their own get as resolv.conf. A name server on the loopback,
// such as Docker's on networks of one's own, is none in a Pod: CoreDNS, at the node's address, asks it for them.
func resolver(host string, node netip.Addr) string {
	var lines []string
	moved := false
	for _, line := range strings.Split(strings.TrimRight(host, "\n"), "\n") {
		words := strings.Fields(line)
		if len(words) > 1 && words[0] == "nameserver" {
			if address, err := netip.ParseAddr(words[1]); err == nil && address.IsLoopback() {
				if moved {
					continue
				}
				line, moved = "nameserver "+node.String(), true
			}
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n") + "\n"
}
