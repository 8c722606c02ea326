package cluster

import "testing"

func TestAVolumeIsOnlyForTheClusterInIt(t *testing.T) {
	chosen, err := parse([]string{"--name", "dev"})
	if err != nil {
		t.Fatal(err)
	}
	other, err := parse([]string{"--name", "another"})
	if err != nil {
		t.Fatal(err)
	}
	moved, err := parse([]string{"--name", "dev", "--service-subnet", "10.97.0.0/16"})
	if err != nil {
		t.Fatal(err)
	}
	before := chosen.kept("v1.36.3")
	for name, now := range map[string]string{
		"the same": before, "a patch up": chosen.kept("v1.36.9"), "a patch down": chosen.kept("v1.36.0"), "a minor up": chosen.kept("v1.37.0"),
		"an unknown version": chosen.kept("(devel)"),
	} {
		says(t, name, anotherCluster(before, now))
	}
	says(t, "an empty volume", anotherCluster("", before))
	says(t, "another name", anotherCluster(before, other.kept("v1.36.3")), "--name dev", "--name another")
	says(t, "other Services", anotherCluster(before, moved.kept("v1.36.3")), "--service-subnet 10.96.0.0/16", "--service-subnet 10.97.0.0/16")
	says(t, "two minors up", anotherCluster(before, chosen.kept("v1.38.0")), "of Kubernetes v1.36.3, which v1.38.0 cannot run")
	says(t, "a minor down", anotherCluster(before, chosen.kept("v1.35.9")), "never down")
}
