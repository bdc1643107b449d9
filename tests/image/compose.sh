#!/usr/bin/env bash
# Starts the profiles of deploy/compose.yaml with Docker, and waits until all are healthy. For CI: it
# writes deploy/.env, and leaves no container and no volume. The image of check.py is used.
set -euo pipefail
cd "$(dirname "$0")/../../deploy"
[ ! -e .env ] || { echo "deploy/.env exists: not overwritten" >&2; exit 1; }
docker tag relay-image-test relay:local
trap 'docker compose logs --no-color --tail 50 || true; docker compose down --volumes; rm -f .env' EXIT

for profiles in separate,monitoring all-in-one; do
  sed -e "s/^COMPOSE_PROFILES=.*/COMPOSE_PROFILES=$profiles/" \
      -e "s/^POSTGRES_PASSWORD=.*/POSTGRES_PASSWORD=$(openssl rand -hex 16)/" \
      -e "s/^#GRAFANA_ADMIN_PASSWORD=.*/GRAFANA_ADMIN_PASSWORD=$(openssl rand -hex 16)/" \
      -e "s/^#RELAY_METRICS_TOKEN=.*/RELAY_METRICS_TOKEN=$(openssl rand -hex 32)/" \
      -e "s|^DBT_CLOUD_URL=.*|DBT_CLOUD_URL=http://127.0.0.1:9|" \
      -e "s/^DBT_CLOUD_ACCOUNT_ID=.*/DBT_CLOUD_ACCOUNT_ID=66847/" \
      -e "s/=replace-me$/=of-the-compose-test/" compose.env.example > .env
  docker compose up --detach --no-build --wait --wait-timeout 180
  curl --fail --silent --show-error --retry 10 --retry-all-errors http://127.0.0.1:8080/readyz
  case $profiles in *monitoring*)
    up='http://127.0.0.1:9090/api/v1/query?query=min(up%7Bjob=%22relay%22%7D)'
    for _ in $(seq 30); do
      answer=$(docker compose exec -T prometheus wget -q -O - "$up")
      case $answer in *'"1"]'*) break ;; esac
      sleep 3
    done
    case $answer in *'"1"]'*) ;; *) echo "Prometheus does not reach web: $answer" >&2; exit 1 ;; esac
  esac
  docker compose down --volumes
  rm .env
done
trap - EXIT
echo "2 passed, 0 failed"
