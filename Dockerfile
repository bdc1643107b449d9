# One image for `relay up` (database, web and worker), for web alone and for a worker alone.
#
#   docker build -t relay .
#   docker run --env-file relay.env -p 8080:8080 -v relay-data:/data --stop-timeout 30 relay
#
# docs/deploy.md says what it needs if its root is read-only, and how to run web and worker apart.

FROM python:3.13-slim AS build
WORKDIR /build

COPY requirements/ requirements/
RUN python -m venv /opt/relay \
 && /opt/relay/bin/pip install --no-cache-dir --require-hashes -r requirements/run.txt

# relay itself, built by the setuptools that development locks.
RUN sed -n '/^setuptools==/,/[^\\]$/p' requirements/dev.txt > build.txt \
 && pip install --no-cache-dir --require-hashes -r build.txt
COPY pyproject.toml README.md LICENSE ./
COPY relay/ relay/
RUN pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
 && /opt/relay/bin/pip install --no-cache-dir --no-deps dist/relay-*.whl


FROM python:3.13-slim

# A user with an entry in /etc/passwd: PostgreSQL does not start for a number without a name.
RUN groupadd --system --gid 10001 relay \
 && useradd --system --uid 10001 --gid relay --home-dir /app --shell /usr/sbin/nologin relay \
 && install -d -o relay -g relay -m 0700 /data

COPY --from=build /opt/relay /opt/relay
WORKDIR /app
COPY Procfile ./
COPY config/ config/

ENV PATH=/opt/relay/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    RELAY_DATA_DIR=/data \
    RELAY_LOG_FORMAT=json

USER 10001:10001

# relay's own PostgreSQL, unless RELAY_DATABASE_URL names another.
VOLUME /data

EXPOSE 8080

# A worker alone listens nowhere: run it with --no-healthcheck.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f'http://127.0.0.1:{os.environ.get(\"PORT\") or 8080}/healthz', timeout=4)"]

# `relay up` needs up to 27 seconds after it: give the container 30 (docker stop gives 10).
STOPSIGNAL SIGTERM

CMD ["relay", "up"]
