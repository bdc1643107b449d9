# One image for `relay up` (database, web and worker), for web alone and for a worker alone.
#
#   docker build -t relay .
#   docker run --env-file relay.env -p 8080:8080 -v relay-data:/data --stop-timeout 30 relay
#
# docs/deploy.md says what it needs if its root is read-only, and how to run web and worker apart.
# `make image-test` builds it and runs it.

# The digest is that of the index of all platforms; .github/dependabot.yml updates tag and digest.
FROM python:3.13.16-slim-trixie@sha256:70729b46c69b4f1e97c4822c1af3df53a1476cf5ddc6c087c0c10bc3a5678c2f AS base


FROM base AS build
WORKDIR /build

# pip stays in an environment of its own, which does not get into the image.
COPY requirements/ requirements/
RUN python -m venv tools \
 && python -m venv --without-pip /opt/relay \
 && tools/bin/pip --python /opt/relay/bin/python install --no-cache-dir --no-compile \
      --require-hashes -r requirements/run.txt

# relay itself, built by the setuptools that development locks.
RUN sed -n '/^setuptools==/,/[^\\]$/p' requirements/dev.txt > build.txt \
 && tools/bin/pip install --no-cache-dir --require-hashes -r build.txt
COPY pyproject.toml README.md LICENSE ./
COPY relay/ relay/
RUN tools/bin/pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
 && tools/bin/pip --python /opt/relay/bin/python install --no-cache-dir --no-compile \
      --no-deps dist/relay-*.whl


FROM base AS root

# A user with an entry in /etc/passwd: PostgreSQL does not start for a number without a name.
RUN groupadd --system --gid 10001 relay \
 && useradd --system --uid 10001 --gid relay --home-dir /app --shell /usr/sbin/nologin relay \
 && install -d -o relay -g relay -m 0700 /data

COPY --from=build /opt/relay /opt/relay
COPY deploy/image/slim.sh deploy/image/bytecode.py /build/
RUN /build/slim.sh && /opt/relay/bin/python -P /build/bytecode.py && rm -r /build
COPY deploy/image/healthcheck.py /opt/relay/
WORKDIR /app
COPY Procfile LICENSE ./
COPY config/ config/


# One layer: what was removed of the base is really gone.
FROM scratch
# hadolint ignore=DL3067
COPY --from=root / /

ARG VERSION=unknown
ARG REVISION=unknown
ARG SOURCE=https://github.com/OWNER/relay
LABEL org.opencontainers.image.title="relay" \
      org.opencontainers.image.description="Triggers the Census syncs whose dbt models a dbt Cloud run really rebuilt, once each, and says why." \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.source="$SOURCE" \
      org.opencontainers.image.documentation="$SOURCE/blob/main/docs/deploy.md" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"

ENV PATH=/opt/relay/bin:/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    RELAY_DATA_DIR=/data \
    RELAY_LOG_FORMAT=json \
    RELAY_WORKER_ALIVE_FILE=/tmp/relay-worker

WORKDIR /app
USER 10001:10001

# relay's own PostgreSQL, unless RELAY_DATABASE_URL names another.
VOLUME /data

EXPOSE 8080

# It looks at what process 1 runs: web, a worker, or both. A broken mapping is no reason to be
# unhealthy, because a restart does not mend it.
HEALTHCHECK --interval=10s --timeout=9s --start-period=60s --retries=3 \
  CMD ["python", "-I", "-S", "/opt/relay/healthcheck.py"]

# `relay up` needs up to 27 seconds after it: give the container 30 (docker stop gives 10).
STOPSIGNAL SIGTERM

CMD ["relay", "up"]
