{{/* What a schema cannot say, or cannot say clearly. It renders nothing. */}}
{{- define "relay.validate" -}}
{{- $problems := list }}
{{- if contains "/OWNER/" .Values.image.repository }}
{{- $problems = append $problems "image.repository: replace OWNER by the owner of your copy of relay, or name your own image" }}
{{- end }}
{{- $required := list "DBT_CLOUD_WEBHOOK_SECRETS" "DBT_CLOUD_TOKEN" "CENSUS_API_KEY" }}
{{- if and (eq .Values.image.tag "latest") (not .Values.image.digest) }}
{{- $problems = append $problems "image.tag: name a version, not latest: a restarted pod would run another one than its neighbor" }}
{{- end }}
{{- if and .Values.existingSecret .Values.secret }}
{{- $problems = append $problems "existingSecret and secret: give only one of them" }}
{{- end }}
{{- if not (or .Values.existingSecret .Values.secret) }}
{{- $problems = append $problems "existingSecret: name a Secret with the keys DBT_CLOUD_WEBHOOK_SECRETS, DBT_CLOUD_TOKEN, CENSUS_API_KEY and RELAY_DATABASE_URL (for a trial, set them in secret)" }}
{{- end }}
{{- if .Values.secret }}
{{- range $required }}
{{- if not (get $.Values.secret .) }}
{{- $problems = append $problems (printf "secret.%s is not set: %s are required" . (join ", " $required)) }}
{{- end }}
{{- end }}
{{- if not (or .Values.secret.RELAY_DATABASE_URL .Values.database.existingSecret) }}
{{- $problems = append $problems "secret.RELAY_DATABASE_URL is not set: this chart needs an external PostgreSQL, since its pods share no disk (or name its Secret in database.existingSecret)" }}
{{- end }}
{{- range .Values.extraSecretKeys }}
{{- if not (get $.Values.secret .) }}
{{- $problems = append $problems (printf "extraSecretKeys: %s is not in secret" .) }}
{{- end }}
{{- end }}
{{- if and .Values.dashboard.enabled (not .Values.secret.RELAY_ADMIN_TOKEN) }}
{{- $problems = append $problems "dashboard.enabled: secret.RELAY_ADMIN_TOKEN is not set (`openssl rand -hex 32` makes one)" }}
{{- end }}
{{- if and .Values.metrics.authorization (not .Values.secret.RELAY_METRICS_TOKEN) }}
{{- $problems = append $problems "metrics.authorization: secret.RELAY_METRICS_TOKEN is not set" }}
{{- end }}
{{- end }}
{{- range list "DBT_CLOUD_URL" "DBT_CLOUD_ACCOUNT_ID" }}
{{- if not (get (default dict $.Values.settings) .) }}
{{- $problems = append $problems (printf "settings.%s is not set" .) }}
{{- end }}
{{- end }}
{{- if and .Values.mapping.content .Values.mapping.existingConfigMap }}
{{- $problems = append $problems "mapping.content and mapping.existingConfigMap: give only one of them" }}
{{- end }}
{{- if not (or .Values.mapping.content .Values.mapping.existingConfigMap) }}
{{- $problems = append $problems "mapping: give the mapping file (`--set-file mapping.content=syncs.yml`), or name a ConfigMap in mapping.existingConfigMap" }}
{{- end }}
{{- if .Values.mapping.content }}
{{- $parsed := fromYaml .Values.mapping.content }}
{{- if hasKey $parsed "Error" }}
{{- $problems = append $problems (printf "mapping.content is not a mapping file: %s" $parsed.Error) }}
{{- else if not (hasKey $parsed "syncs") }}
{{- $problems = append $problems "mapping.content has no `syncs`: is it a mapping file? `relay check FILE` says" }}
{{- end }}
{{- end }}
{{- if and .Values.ingress.enabled (not .Values.ingress.host) }}
{{- $problems = append $problems "ingress.host is not set: the host to which dbt Cloud sends webhooks" }}
{{- end }}
{{- if .Values.dashboard.ingress.enabled }}
{{- if not .Values.dashboard.enabled }}
{{- $problems = append $problems "dashboard.ingress.enabled: the dashboard is off; set dashboard.enabled too" }}
{{- end }}
{{- if not .Values.dashboard.ingress.host }}
{{- $problems = append $problems "dashboard.ingress.host is not set: the host at which people reach the dashboard" }}
{{- end }}
{{- if eq .Values.dashboard.ingress.host .Values.ingress.host }}
{{- $problems = append $problems "dashboard.ingress.host is the webhook's host: give the dashboard one of its own, which need not be public" }}
{{- end }}
{{- end }}
{{- if .Values.networkPolicy.enabled }}
{{- if not .Values.networkPolicy.webFrom }}
{{- $problems = append $problems "networkPolicy.webFrom: say who may reach web, such as [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ingress-nginx}}}]" }}
{{- end }}
{{- if and .Values.metrics.serviceMonitor.enabled (not .Values.networkPolicy.metricsFrom) }}
{{- $problems = append $problems "networkPolicy.metricsFrom: say where Prometheus is, such as [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]" }}
{{- end }}
{{- end }}
{{- if and .Values.web.autoscaling.enabled (gt (int .Values.web.autoscaling.minReplicas) (int .Values.web.autoscaling.maxReplicas)) }}
{{- $problems = append $problems "web.autoscaling: minReplicas is larger than maxReplicas" }}
{{- end }}
{{- if $problems }}
{{- fail (printf "\n  %s" (join "\n  " $problems)) }}
{{- end }}
{{- end }}
