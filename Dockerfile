FROM rust:1-bookworm AS build
WORKDIR /src
# The dependencies are a layer of their own: a change of the sources does not build them again.
COPY Cargo.toml Cargo.lock ./
RUN mkdir src examples \
    && for bench in figures scaling soak storm; do \
        mkdir -p benches/$bench && echo 'fn main() {}' > benches/$bench/main.rs; \
    done \
    && echo 'fn main() {}' | tee src/main.rs examples/resource_server.rs examples/sqlx_sqlite.rs > /dev/null \
    && touch src/lib.rs \
    && cargo build --profile dist --locked --bin gatepass
COPY src src
COPY static static
# Newer than the empty ones that were built above.
RUN touch src/main.rs src/lib.rs && cargo build --profile dist --locked --bin gatepass

# An empty folder for the keys: a volume that is mounted there belongs to whom the folder belongs to.
RUN mkdir -p /empty

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /src/target/dist/gatepass /usr/local/bin/gatepass
COPY --from=build --chown=65532:65532 /empty /var/lib/gatepass
# The tutorial profile refuses this address unless GATEPASS_EXPOSE_TUTORIAL=true.
ENV GATEPASS_BIND=0.0.0.0:8000
EXPOSE 8000
HEALTHCHECK --interval=5s --timeout=4s --start-period=2s CMD ["/usr/local/bin/gatepass", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/gatepass"]
