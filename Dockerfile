# syntax=docker/dockerfile:1

# The compiler of rust-toolchain.toml, on the Debian that the libraries of the image come from. This variant has Python, which lists
# the licences.
FROM rust:1.95.0-bookworm AS build
WORKDIR /source
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/source/target \
    cargo build --profile dist --locked && \
    packages/share target/dist/rollbook /made && \
    packages/image target/dist/rollbook /made /image

# No shell, no package manager, nothing that is not needed to run.
FROM scratch
LABEL org.opencontainers.image.title="rollbook" \
      org.opencontainers.image.description="Export every VideoSDK meeting session to Parquet, with proof that none was missed" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="MIT"
COPY --from=build /image/root /
# A volume that is new takes its owner from this folder.
COPY --from=build --chown=65532:65532 /image/data /data
# Settings say where the dataset is; without any, here: /data/rollbook-data.
ENV HOME=/data
WORKDIR /data
# A number, so that Kubernetes can see that it is not root.
USER 65532:65532
# A run that is told to stop leaves the dataset whole, and ends with 143.
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/bin/rollbook"]
CMD ["--help"]
