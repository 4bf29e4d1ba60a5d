{{/* The variables that the release and the chart set; takes the same arguments as the pod. */}}
{{- define "model-service.ownVariables" -}}
{{- $values := .root.Values }}
- {name: CANARIO_SERVICE, value: {{ $values.name | quote }}}
- {name: CANARIO_VERSION, value: {{ .version | quote }}}
- {name: CANARIO_PEERS, value: "{{ $values.name }}-peers:{{ include "model-service.port" . }}"}
# So that the judge can attribute a label to the weight that was set when its answer was given.
- {name: CANARIO_LABEL_SLOT_SECONDS, value: {{ maxf 0.5 $values.rollout.interval_seconds | quote }}}
{{- if .copies }}
- {name: CANARIO_SHADOW_URL, value: {{ .copies | quote }}}
{{- with $values.rollout.label_maturity_minutes }}
- {name: CANARIO_SHADOW_MATURE_SECONDS, value: {{ mulf . 60 | quote }}}
{{- end }}
{{- with $values.rollout.shadow }}
- {name: CANARIO_SHADOW_RATIO, value: {{ .ratio | quote }}}
- {name: CANARIO_SHADOW_SCORE_DIFFERENCE, value: {{ .score_difference | quote }}}
- {name: CANARIO_SHADOW_SLICES, value: {{ join "," .slices | quote }}}
{{- end }}
{{- end }}
{{- if eq $values.rollout.strategy "shadow-then-canary" }}
# A canary takes copies until it answers callers. No route leads to the path at which it takes them.
- {name: CANARIO_SHADOW_FIRST, value: "true"}
{{- end }}
{{- if eq .component "shadow" }}
# Only the candidate lets a header mark a request as a copy, which does not count as a request.
- {name: CANARIO_SHADOW_CANDIDATE, value: "true"}
{{- end }}
- {name: BENTOML_HOME, value: /tmp/bentoml}
{{- range $name, $value := .settings }}
- {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
# After the release's settings, because the last value counts: no release can override these.
{{- with int $values.predictionLog.mib }}
- {name: CANARIO_LOG_DIR, value: /log}
- {name: CANARIO_LOG_FILES, value: "8"}
# There are two logs, of predictions and of feedback.
- {name: CANARIO_LOG_FILE_MIB, value: {{ divf . 16 | quote }}}
{{- end }}
{{- with $values.signing.publicKey }}
- {name: CANARIO_PUBLIC_KEY, value: {{ . | quote }}}
{{- end }}
{{- end }}

{{/*
All variables of the server. What `envFrom` brings has lower rank than what stands here, also where this is empty, which
the server takes for not set. So no ConfigMap or Secret, whose names nobody knows here, fakes a fault or lifts a check.
*/}}
{{- define "model-service.variables" -}}
{{- $own := include "model-service.ownVariables" . }}
{{- $own }}
{{- if .root.Values.envFrom }}
{{- $named := list }}
{{- range fromYamlArray $own }}
{{- $named = append $named .name }}
{{- end }}
{{- range .root.Files.Lines "files/settings.txt" }}
{{- if and . (not (has . $named)) }}
- {name: {{ . }}, value: ""}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
