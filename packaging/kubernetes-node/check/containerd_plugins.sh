# ── Plugins ──────────────────────────────────────────────────────────────────────────────────

# The plugins that containerd has on Linux, by their types: of 1.6.20 and 1.7.28, or of 2.0.7, 2.1.5 and 2.3.6. Each line
# is a type below io.containerd. and the names. Source: their Registration in the source, and ctr plugins ls of 1.6.20 and 2.3.6.
containerd_plugins() { # MAJOR
    cat <<'END'
content.v1 content
event.v1 exchange
gc.v1 scheduler
grpc.v1 containers content cri diff events healthcheck images introspection leases namespaces
grpc.v1 sandbox-controllers sandboxes snapshots streaming tasks transfer version
internal.v1 opt tracing
lease.v1 manager
metadata.v1 bolt
nri.v1 nri
runtime.v2 task
sandbox.store.v1 local
service.v1 containers-service content-service diff-service images-service introspection-service
service.v1 namespaces-service snapshots-service tasks-service
snapshotter.v1 blockfile btrfs devmapper native overlayfs zfs
streaming.v1 manager
tracing.processor.v1 otlp
transfer.v1 local
warning.v1 deprecations
differ.v1 walking
END
    if [ "$1" = 1 ]; then
        cat <<'END'
internal.v1 restart
monitor.v1 cgroups
runtime.v1 linux
runtime.v2 shim
sandbox.controller.v1 local
service.v1 leases-service
snapshotter.v1 aufs
END
    else
        cat <<'END'
cri.v1 images runtime
differ.v1 erofs
grpc.v1 mounts
http.v1 pprof
image-verifier.v1 bindir
metrics.v1 grpc-otel grpc-prometheus
monitor.container.v1 restart
monitor.task.v1 cgroups
mount-handler.v1 erofs
mount-manager.v1 bolt
podsandbox.controller.v1 podsandbox
sandbox.controller.v1 shim
server.v1 debug grpc grpc-tcp metrics ttrpc
shim.v1 manager
snapshotter.v1 erofs
ttrpc.v1 otelttrpc
END
    fi
}
