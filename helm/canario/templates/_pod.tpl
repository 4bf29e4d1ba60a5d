{{/* Metadata of every pod, in the template of its owner; (dict "root" $ "component" NAME "annotations" OWN). */}}
{{- define "canario.podMetadata" -}}
labels:
  {{- include "canario.labels" . | nindent 2 }}
  {{- with .root.Values.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with merge (dict) (.annotations | default dict) (.root.Values.podAnnotations | default dict) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The start of every pod's spec: who pulls its images, on which nodes it may be, and what yields to it. */}}
{{- define "canario.podSpec" -}}
securityContext:
  {{- include "canario.podSecurity" . | nindent 2 }}
{{- with pick .Values "imagePullSecrets" "nodeSelector" "tolerations" "affinity" "priorityClassName" }}
{{- range $key, $value := . }}
{{- if $value }}
{{ toYaml (dict $key $value) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* Rules with a sentence; those for a single key are in values.schema.json. */}}
{{- define "canario.validate" -}}
{{- if not .Values.enabled }}
{{- fail "enabled: false is for the condition of a parent chart, and no condition asked for it; name it in the parent's Chart.yaml as <chart or alias>.enabled, or uninstall the release" }}
{{- end }}
{{- range $name, $_ := .Values.podAnnotations }}
{{- if regexMatch "^(canario|prometheus\\.io|helm\\.sh|checksum)/" $name }}
{{- fail (printf "podAnnotations: %s is the chart's to set, because scrapes and restarts go by it; remove it" $name) }}
{{- end }}
{{- end }}
{{- range $name, $_ := .Values.podLabels }}
{{- if regexMatch "^(canario|app\\.kubernetes\\.io|helm\\.sh)/" $name }}
{{- fail (printf "podLabels: %s is the chart's to set, because Services and network policies go by it; remove it" $name) }}
{{- end }}
{{- end }}
{{- end }}
