{{/* The recommended labels; (dict "root" $ "component" NAME). */}}
{{- define "canario.labels" -}}
{{ include "canario.selector" . }}
app.kubernetes.io/part-of: canario
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: canario-{{ .root.Chart.Version }}
{{- end }}

{{/* The labels that select a component's pods. */}}
{{- define "canario.selector" -}}
app.kubernetes.io/name: {{ .component }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- end }}

{{/* Restricted Pod Security: of a pod, and of a container. */}}
{{- define "canario.podSecurity" -}}
runAsNonRoot: true
runAsUser: 1034
runAsGroup: 1034
fsGroup: 1034
seccompProfile: {type: RuntimeDefault}
{{- end }}
{{- define "canario.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "canario.resources" -}}
requests: {cpu: {{ .cpu }}, memory: {{ .memory }}}
limits: {memory: {{ .memoryLimit }}}
{{- end }}

{{/* Egress to the cluster's DNS. */}}
{{- define "canario.dns" -}}
- to:
    - namespaceSelector:
        matchLabels: {kubernetes.io/metadata.name: kube-system}
  ports:
    - {protocol: UDP, port: 53}
    - {protocol: TCP, port: 53}
{{- end }}
