{{/* Whether there is somebody to tell; without one an Alertmanager would be of no use. An operator has its own. */}}
{{- define "canario.hasAlertmanager" -}}
{{- with .Values }}
{{- if and (eq .monitoring.alerts "configmap") (or .alertmanager.watchdog (ne .alertmanager.receiver "none")) }}yes{{ end }}
{{- end }}
{{- end }}

{{/* Rules between the receiver's keys, each with its message. */}}
{{- define "canario.checkReceiver" -}}
{{- $of := dict "slack" (list "channel") "email" (list "to" "sender" "smarthost") }}
{{- range get $of .receiver | default list }}
{{- if not (get $ .) }}
{{- fail (printf "alertmanager: receiver %s needs %s; helm/canario/README.md says what it is" $.receiver .) }}
{{- end }}
{{- end }}
{{- if and (or .watchdog (ne .receiver "none")) (not .secret) }}
{{- fail (printf "alertmanager: receiver %s, watchdog %v: secret must name the secret that holds their addresses" .receiver .watchdog) }}
{{- end }}
{{- end }}

{{/* Where a key of the receivers' secret is a file. */}}
{{- define "canario.secretFile" -}}
/etc/alertmanager/secret/{{ . }}
{{- end }}
