package cluster

import (
	"net/netip"
	"reflect"
	"testing"
)

func TestMountsAreReadWithTheOptionsOfBothKinds(t *testing.T) {
	found := mounts("36 35 98:0 /mnt1 /mnt2 ro,noatime master:1 - ext3 /dev/root rw,errors=continue\n" +
		"28 25 0:25 /a /sys/fs/cgroup/memory ro,nosuid - cgroup cgroup rw,memory\nnothing of a mount\n")
	wanted := []mount{
		{"/mnt1", "/mnt2", "ext3", []string{"ro", "noatime", "rw", "errors=continue"}},
		{"/a", "/sys/fs/cgroup/memory", "cgroup", []string{"ro", "nosuid", "rw", "memory"}},
	}
	if !reflect.DeepEqual(found, wanted) {
		t.Errorf("%+v", found)
	}
}

func TestTheContainersGroupIsFoundHoweverGroupsAreMounted(t *testing.T) {
	first := func(root string) mount {
		return mount{root, "/sys/fs/cgroup/memory", "cgroup", []string{"rw", "memory"}}
	}
	processor := mount{"/", "/sys/fs/cgroup/cpu", "cgroup", []string{"rw", "cpu"}}
	second := func(root string) mount { return mount{root, "/sys/fs/cgroup", "cgroup2", []string{"rw"}} }
	for name, given := range map[string]struct {
		table  string
		mounts []mount
		wanted string
	}{
		"version 1, the group itself is mounted":  {"4:memory:/docker/ab\n0::/\n", []mount{processor, first("/docker/ab")}, "/"},
		"version 1, all groups are mounted":       {"5:cpu:/x\n4:memory:/docker/ab\n", []mount{first("/")}, "/docker/ab"},
		"version 1, a namespace of its own":       {"4:memory:/\n", []mount{first("/")}, "/"},
		"version 1, mounted from another group":   {"4:memory:/docker/ab\n", []mount{first("/lxc/cd")}, "/"},
		"version 1, controllers mounted together": {"4:cpu,memory:/a/b\n", []mount{first("/a")}, "/b"},
		"version 2, a namespace of its own":       {"0::/\n", []mount{second("/")}, "/"},
		"version 2, the machine's namespace":      {"0::/system.slice/docker-ab.scope\n", []mount{second("/")}, "/system.slice/docker-ab.scope"},
		"version 2, processes already moved":      {"0::/cluster\n", []mount{second("/")}, "/"},
		"version 2, nothing mounted":              {"0::/a\n", nil, "/a"},
	} {
		if found := groupBelow(given.table, given.mounts); found != given.wanted {
			t.Errorf("%s: %s", name, found)
		}
	}
}

const routes = `Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth1	00000000	0100A8C0	0003	0	0	100	00000000	0	0	0
eth0	00000000	010011AC	0003	0	0	0	00000000	0	0	0
eth0	000011AC	00000000	0001	0	0	0	0000FFFF	0	0	0
eth1	0000A8C0	00000000	0001	0	0	0	00FFFFFF	0	0	0
`

func TestTheDeviceIsThatOfTheDefaultRouteWithTheLowestMetric(t *testing.T) {
	if found := defaultDevice(routes); found != "eth0" {
		t.Errorf("found %s", found)
	}
	if found := defaultDevice("Iface\tDestination\n"); found != "" {
		t.Errorf("found %s without a route", found)
	}
}

func TestReachableNetworksAreThoseOfTheRoutes(t *testing.T) {
	wanted := []netip.Prefix{netip.MustParsePrefix("172.17.0.0/16"), netip.MustParsePrefix("192.168.0.0/24")}
	if found := reachable(routes); !reflect.DeepEqual(found, wanted) {
		t.Errorf("%v", found)
	}
}

func TestANameServerAtTheLoopbackBecomesTheNodes(t *testing.T) {
	node := netip.MustParseAddr("172.17.0.2")
	for host, wanted := range map[string]string{
		"nameserver 8.8.8.8\n":                                 "nameserver 8.8.8.8\n",
		"search a.b\nnameserver 127.0.0.11\noptions ndots:0\n": "search a.b\nnameserver 172.17.0.2\noptions ndots:0\n",
		"nameserver 127.0.0.1\nnameserver ::1":                 "nameserver 172.17.0.2\n",
		"nameserver ::1\nnameserver 10.0.0.1\n":                "nameserver 172.17.0.2\nnameserver 10.0.0.1\n",
		"# nameserver 127.0.0.1\nnameserver":                   "# nameserver 127.0.0.1\nnameserver\n",
	} {
		if found := resolver(host, node); found != wanted {
			t.Errorf("%q: %q", host, found)
		}
	}
}
