FROM rust:1.95.0-bookworm AS build
WORKDIR /src
# Builds the dependencies in a separate layer, which changes to the sources do not invalidate.
COPY Cargo.toml Cargo.lock ./
RUN mkdir src \
    && echo 'fn main() {}' > src/main.rs \
    && touch src/lib.rs \
    && cargo build --profile dist --locked --bin gatepass
COPY src src
COPY static static
COPY templates templates
# Cargo rebuilds files by modification time: the sources must be newer than the empty files above.
RUN touch src/main.rs src/lib.rs && cargo build --profile dist --locked --bin gatepass

# An empty directory for database and keys: a new volume gets the owner of the directory that it is mounted on.
RUN mkdir -p /empty

# Distroless has no version tags. To pin it, add the digest that `docker buildx imagetools inspect` prints.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /src/target/dist/gatepass /usr/local/bin/gatepass
COPY --from=build --chown=65532:65532 /empty /var/lib/gatepass
# By default, database and keys are in the working directory.
WORKDIR /var/lib/gatepass
VOLUME /var/lib/gatepass
# The tutorial profile refuses this address, unless GATEPASS_EXPOSE_TUTORIAL=true is set. The secure profile refuses it
# without TLS and without a trusted proxy, unless GATEPASS_INSECURE_HTTP=true is set.
ENV GATEPASS_BIND=0.0.0.0:8000
EXPOSE 8000
HEALTHCHECK --interval=5s --timeout=4s --start-period=2s CMD ["/usr/local/bin/gatepass", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/gatepass"]
