control try-restart cri-docker.service
