{{/* Names and labels */}}

{{- define "relay.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{- /* Every manifest asks for it first, so a wrong value is refused before anything else fails. */}}
{{- define "relay.fullname" -}}
{{- include "relay.validate" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "relay.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "relay.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- define "relay.selectorLabels" -}}
app.kubernetes.io/name: {{ include "relay.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "relay.labels" -}}
{{ include "relay.selectorLabels" . }}
app.kubernetes.io/part-of: relay
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "relay.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/* Secrets: the keys are the names of the variables. */}}

{{- define "relay.secretName" -}}
{{- .Values.existingSecret | default (include "relay.fullname" .) -}}
{{- end }}

{{- define "relay.secretVariable" -}}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: {{ include "relay.secretName" .root }}
      key: {{ .name }}
      {{- if .optional }}
      optional: true
      {{- end }}
{{- end }}

{{- define "relay.databaseVariable" -}}
- name: RELAY_DATABASE_URL
  valueFrom:
    secretKeyRef:
      name: {{ .Values.database.existingSecret | default (include "relay.secretName" .) }}
      key: {{ .Values.database.key }}
{{- end }}

{{/* The environment of web and worker: settings that are no secrets. */}}

{{- define "relay.settings" -}}
- name: RELAY_MAPPING
  value: {{ printf "/etc/relay/%s" .Values.mapping.key }}
{{- range $name, $value := .Values.settings }}
- name: {{ $name }}
  {{- /* A number of a YAML file is a float here: 7e+07 without the conversion. */}}
  value: {{ ternary (printf "%v" $value) (printf "%d" (int64 $value)) (or (kindIs "string" $value) (kindIs "bool" $value)) | quote }}
{{- end }}
{{- with (include "relay.dashboardUrl" .) }}
- name: RELAY_URL
  value: {{ . }}
{{- end }}
{{- end }}

{{- define "relay.dashboardUrl" -}}
{{- if and .Values.dashboard.enabled .Values.dashboard.ingress.enabled (not .Values.settings.RELAY_URL) -}}
https://{{ .Values.dashboard.ingress.host }}
{{- end -}}
{{- end }}

{{/* What every pod has: restricted pod security, and no credentials of Kubernetes. */}}

{{- define "relay.podSpec" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.serviceAccountName }}
serviceAccountName: {{ . }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
automountServiceAccountToken: false
{{- /* Otherwise a Service named "relay" puts RELAY_PORT and the like into the environment. */}}
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- with .Values.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "relay.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end }}

{{- define "relay.spread" -}}
{{- with .root.Values.topologySpread.topologyKeys }}
topologySpreadConstraints:
  {{- range . }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: {{ $.root.Values.topologySpread.whenUnsatisfiable }}
    labelSelector:
      matchLabels: {{ include "relay.selectorLabels" $ | nindent 8 }}
    matchLabelKeys: [pod-template-hash]
  {{- end }}
{{- end }}
{{- end }}

{{- define "relay.podMetadata" -}}
metadata:
  labels:
    {{- include "relay.labels" . | nindent 4 }}
    {{- with .root.Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- /* A changed mapping restarts nothing: the processes read it again by themselves. */}}
  {{- if or (not .root.Values.existingSecret) .root.Values.podAnnotations }}
  annotations:
    {{- if not .root.Values.existingSecret }}
    checksum/secret: {{ toJson .root.Values.secret | sha256sum }}
    {{- end }}
    {{- with .root.Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- end }}
{{- end }}

{{- define "relay.mappingVolume" -}}
- name: mapping
  configMap:
    name: {{ .Values.mapping.existingConfigMap | default (printf "%s-mapping" (include "relay.fullname" .)) }}
{{- end }}

{{- /* A folder, without subPath: a file mounted alone does not follow changes of its ConfigMap. */}}
{{- define "relay.mappingMount" -}}
- name: mapping
  mountPath: /etc/relay
  readOnly: true
{{- end }}

{{- define "relay.webBackend" -}}
service:
  name: {{ include "relay.fullname" . }}-web
  port: {name: http}
{{- end }}

{{/* Network policies: an empty list of peers means any. */}}

{{- define "relay.egressTo" -}}
- ports:
    {{- range .ports }}
    - {{ toJson . }}
    {{- end }}
  {{- with .to }}
  to: {{ toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{- define "relay.egressToDatabase" -}}
{{- include "relay.egressTo" (dict "to" .Values.networkPolicy.dnsTo "ports" (list (dict "port" 53 "protocol" "UDP") (dict "port" 53 "protocol" "TCP"))) }}
{{ include "relay.egressTo" (dict "to" .Values.networkPolicy.databaseTo "ports" (list (dict "port" (int .Values.networkPolicy.databasePort) "protocol" "TCP"))) }}
{{- end }}

{{/* A file of the chart that is a link in Git, which some tools leave out. */}}

{{- define "relay.file" -}}
{{- $content := .root.Files.Get .path -}}
{{- if not $content -}}
{{- fail (printf "%s is not in this copy of the chart: it is a symbolic link, which the tool that fetched the chart did not follow. Use the packaged chart, or `helm package` on a Git checkout" .path) -}}
{{- end -}}
{{- $content -}}
{{- end }}
