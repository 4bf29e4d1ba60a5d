{{/*
The groups of rules: one text for an operator's Prometheus (a PrometheusRule) and for the platform's own (a ConfigMap).
Each alert says of which service in which namespace it is, what its runbook means, and where the runbook is.
*/}}
{{- define "model-service.ruleGroups" -}}
groups:
  - name: {{ .Values.name }}
    rules:
      {{- range $path, $_ := .Files.Glob "alerts/*.yaml" }}
      {{- $rule := tpl ($.Files.Get $path) $ | fromYaml }}
      {{- if $rule }}
      {{- $page := printf "runbooks/%s.md" $rule.alert }}
      {{- $where := dict "runbook" (printf "helm/model-service/%s in the repository" $page) }}
      {{- with $.Values.monitoring.repository }}
      {{- $where = dict "runbook_url" (printf "%s/helm/model-service/%s" (trimSuffix "/" .) $page) }}
      {{- end }}
      {{- $meaning := regexReplaceAll "(?s).*## Meaning\n\n(.+?)\n\n.*" ($.Files.Get $page) "${1}" | replace "\n" " " }}
      {{- $_ := set $rule "annotations" (merge $rule.annotations $where (dict "description" $meaning)) }}
      {{- $_ := set $rule "labels" (merge $rule.labels (dict "service" $.Values.name "namespace" $.Release.Namespace)) }}
      - {{- toYaml $rule | nindent 8 }}
      {{- end }}
      {{- end }}
{{- end }}
