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

# Healthy is a web that can reach its database, whatever else /readyz finds: a broken mapping or
# a missing worker is not mended by a restart. A worker alone listens nowhere: run it with
# --no-healthcheck.
HEALTHCHECK --interval=10s --timeout=9s --start-period=60s --retries=3 \
  CMD ["python", "-c", "import http.client as h, json, os, sys; c = h.HTTPConnection('127.0.0.1', int(os.environ.get('PORT') or 8080), timeout=8); c.request('GET', '/readyz'); sys.exit(json.load(c.getresponse())['checks']['database'] != 'ok')"]

# `relay up` needs up to 27 seconds after it: give the container 30 (docker stop gives 10).
STOPSIGNAL SIGTERM

CMD ["relay", "up"]
