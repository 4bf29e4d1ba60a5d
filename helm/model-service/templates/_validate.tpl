{{/* Rules between two keys, each with its message. Rules for a single key are in values.schema.json. */}}
{{- define "model-service.validate" -}}
{{- with .Values }}
{{- if not .enabled }}
{{- fail "enabled: false is for the condition of a parent chart, and no condition asked for it; name it in the parent's Chart.yaml as <chart or alias>.enabled, or uninstall the release" }}
{{- end }}
{{- include "model-service.validatePods" . }}
{{- if gt (int .scale.min) (int .scale.max) }}
{{- fail (printf "scale: min %v is above max %v; swap them" .scale.min .scale.max) }}
{{- end }}
{{- if gt (int .rollout.step_weight) (int .rollout.max_weight) }}
{{- fail (printf "rollout: step_weight %v is above max_weight %v; the first step would be too large" .rollout.step_weight .rollout.max_weight) }}
{{- end }}
{{- if and (include "model-service.hasCanary" $) (not .route.host) }}
{{- fail (printf "rollout: strategy %s needs a route, because weights are set there; set route.host, or choose strategy basic" .rollout.strategy) }}
{{- end }}
{{- if and (include "model-service.hasCanary" $) (lt (int .scale.min) 2) }}
{{- fail (printf "scale: min %v with strategy %s would leave callers without a replica when one goes; set scale.min to 2 or more" .scale.min .rollout.strategy) }}
{{- end }}
{{- range $place, $settings := dict "settings" .settings "candidate.settings" (default dict .candidate).settings }}
{{- range $name, $_ := $settings }}
{{- if and (hasPrefix "CANARIO_FAULT_" $name) (ne $.Values.faults "allowed") }}
{{- fail (printf "%s: %s fakes a fault, which this environment refuses; remove it, or set faults to allowed where nobody relies on the answers" $place $name) }}
{{- end }}
{{- end }}
{{- end }}
{{- if and .candidate (ne .rollout.strategy "shadow") }}
{{- fail (printf "candidate: strategy %s has no candidate; remove it, or choose strategy shadow" .rollout.strategy) }}
{{- end }}
{{- if eq .rollout.strategy "shadow-then-canary" }}
{{- if and (not .rollout.harm.score_shift) (not .rollout.harm.label_loss) }}
{{- fail "rollout: strategy shadow-then-canary judges scores and labels in the shadow; give harm.score_shift or harm.label_loss a margin, or choose strategy canary" }}
{{- end }}
{{- end }}
{{- if and (gt (int .gpus) 0) (not .pool) }}
{{- fail (printf "gpus: %v GPUs need a node pool that has them; set pool, such as gpu" .gpus) }}
{{- end }}
{{- if and (eq .autoscaler "keda") (not .keda.prometheus) }}
{{- fail "autoscaler: keda counts requests in Prometheus; set keda.prometheus, such as http://prometheus.monitoring:9090" }}
{{- end }}
{{- range $place, $image := dict "image" .image "candidate.image" (default dict .candidate).image }}
{{- if and $image (not $image.tag) (not $image.digest) }}
{{- fail (printf "%s: %s needs a tag or a digest" $place $image.repository) }}
{{- end }}
{{- if and $image (eq (default "" $image.tag) "latest") (not $image.digest) }}
{{- fail (printf "%s: tag latest names no image in particular; give a tag that never moves, or a digest" $place) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* What people add to the pods must not be what the chart, the judge or Flagger go by; takes the values. */}}
{{- define "model-service.validatePods" -}}
{{- range $name, $_ := .podAnnotations }}
{{- if regexMatch "^(canario|prometheus\\.io|helm\\.sh)/" $name }}
{{- fail (printf "podAnnotations: %s is the chart's to set, because admission, scrapes and Helm go by it; remove it" $name) }}
{{- end }}
{{- end }}
{{- range $name, $_ := .podLabels }}
{{- if or (eq $name "app") (regexMatch "^(canario|app\\.kubernetes\\.io|helm\\.sh)/" $name) }}
{{- fail (printf "podLabels: %s is the chart's to set, because Services, Flagger and network policies go by it; remove it" $name) }}
{{- end }}
{{- end }}
{{- if hasKey (default dict .nodeSelector) "canario/pool" }}
{{- fail "nodeSelector: canario/pool is set by pool; set that instead" }}
{{- end }}
{{- range .envFrom }}
{{- if eq (empty .configMapRef) (empty .secretRef) }}
{{- fail "envFrom: each entry names either a configMapRef or a secretRef; give one of the two" }}
{{- end }}
{{- if hasPrefix "CANARIO_" (default "" .prefix) }}
{{- fail (printf "envFrom: prefix %s is that of the server's settings, which envFrom does not change; use settings" .prefix) }}
{{- end }}
{{- end }}
{{- end }}
