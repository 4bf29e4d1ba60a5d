{{/* The port on which a replica listens; its Services and routes have 80. */}}
{{- define "model-service.port" -}}3000{{- end }}

{{/* The paths open to callers from outside; /metrics is not one of them. */}}
{{- define "model-service.paths" -}}
exact: [/predict, /feedback, /schema, /openapi.json, /readyz, /healthz]
prefix: [/docs]
{{- end }}

{{/* The Gateway to which the route is attached, at one listener or at each. */}}
{{- define "model-service.gateway" -}}
{{- with .Values.route.gateway -}}
{name: {{ .name }}, namespace: {{ .namespace }}{{ with .listener }}, sectionName: {{ . }}{{ end }}}
{{- end }}
{{- end }}

{{/* Labels of an object; dict "root" $ and "component" server|shadow. */}}
{{- define "model-service.labels" -}}
{{ include "model-service.selector" . }}
app.kubernetes.io/part-of: canario
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: model-service-{{ .root.Chart.Version }}
{{- end }}

{{/* Labels that both versions' pods carry, and that never change: Flagger copies them to the champion's. */}}
{{- define "model-service.selector" -}}
{{ include "model-service.instance" .root }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* Labels of everything of one service. No .Chart.Name: below a parent chart that is the alias. */}}
{{- define "model-service.instance" -}}
app.kubernetes.io/name: model-service
app.kubernetes.io/instance: {{ .Values.name }}
{{- end }}

{{/* The image by its digest if it has one, else by its tag; takes an `image`. */}}
{{- define "model-service.image" -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag }}{{ end }}
{{- end }}

{{/* "true" if Flagger moves weights; otherwise empty. */}}
{{- define "model-service.hasCanary" -}}
{{ if has .Values.rollout.strategy (list "canary" "shadow-then-canary") }}true{{ end }}
{{- end }}

{{/* The Deployment that serves callers: under a canary, the copy that Flagger makes of ours. */}}
{{- define "model-service.champion" -}}
{{ .Values.name }}{{ if include "model-service.hasCanary" . }}-primary{{ end }}
{{- end }}

{{/* Flagger looks at most every ten seconds. */}}
{{- define "model-service.interval" -}}
{{ max 10 (ceil .Values.rollout.interval_seconds | int) }}
{{- end }}

{{/* The same weights as in the twin: k8s/twin/rollout.py, weight_steps. */}}
{{- define "model-service.stepWeights" -}}
{{- $weights := list }}
{{- with .Values.rollout }}
{{- range untilStep (int .step_weight) (int .max_weight) (int .step_weight) }}
{{- $weights = append $weights . }}
{{- end }}
{{- toJson (append $weights (int .max_weight)) }}
{{- end }}
{{- end }}

{{/* The spec's rollout as JSON. Helm drops null keys, so what has no margin would get the default margin. */}}
{{- define "model-service.rollout" -}}
{{- $rollout := deepCopy .Values.rollout }}
{{- range list "error_ratio" "slow_ratio" "score_shift" "label_loss" }}
{{- if not (hasKey $rollout.harm .) }}
{{- $_ := set $rollout.harm . nil }}
{{- end }}
{{- end }}
{{- if and $rollout.shadow (not (hasKey $rollout.shadow "different_ratio")) }}
{{- $_ := set $rollout.shadow "different_ratio" nil }}
{{- end }}
{{- toJson $rollout }}
{{- end }}
