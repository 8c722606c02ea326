control try-restart cri-docker.service
control try-restart kubelet.service # it has a drop-in here
