# kubewright as an image: `docker build --tag kubewright .` in the checkout; docs/releasing.md says how it is run.

# Debian's own Python and nothing else of a base: its apt is what images and bundles are resolved with.
ARG BASE=debian:12-slim

FROM $BASE AS made
RUN apt-get update && apt-get install --yes --no-install-recommends python3-venv
COPY . /source
RUN python3 -m venv /opt/kubewright && /opt/kubewright/bin/pip install --no-cache-dir /source

FROM $BASE
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates python3 \
    && rm -rf /var/lib/apt/lists/*
COPY --from=made /opt/kubewright /opt/kubewright
ENV PATH=/opt/kubewright/bin:$PATH HOME=/work
# The folder that is mounted: dist/, site/, kubewright.toml, and below .cache and .local what lasts.
WORKDIR /work
ENTRYPOINT ["kubewright"]
CMD ["--help"]
