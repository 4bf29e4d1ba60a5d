{{/*
The group of rules: one text for an operator's Prometheus (a PrometheusRule) and for the platform's own (a ConfigMap).
An alert of one service says of which, and in which namespace; the others are of the platform's.
*/}}
{{- define "canario.ruleGroups" -}}
groups:
  - name: canario
    rules:
      {{- range $path, $_ := .Files.Glob "alerts/*.yaml" }}
      {{- $rule := tpl ($.Files.Get $path) $ | fromYaml }}
      {{- /* One without an expression has nothing to watch in an installation like this. */}}
      {{- if $rule.expr }}
      {{- $page := printf "runbooks/%s.md" $rule.alert }}
      {{- $where := dict "runbook" (printf "helm/canario/%s in the repository" $page) }}
      {{- with $.Values.monitoring.repository }}
      {{- $where = dict "runbook_url" (printf "%s/helm/canario/%s" (trimSuffix "/" .) $page) }}
      {{- end }}
      {{- $meaning := regexReplaceAll "(?s).*## Meaning\n\n(.+?)\n\n.*" ($.Files.Get $page) "${1}" | replace "\n" " " }}
      {{- $_ := set $rule "annotations" (merge $rule.annotations $where (dict "description" $meaning)) }}
      {{- $_ := set $rule "labels" (merge $rule.labels (dict "namespace" $.Release.Namespace)) }}
      - {{- toYaml $rule | nindent 8 }}
      {{- end }}
      {{- end }}
{{- end }}
