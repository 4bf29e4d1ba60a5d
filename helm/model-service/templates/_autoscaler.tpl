{{/* Scales one Deployment on its own load; takes "root", "name", "component" and "pods", a regular expression of its pods' names. */}}
{{- define "model-service.autoscaler" -}}
{{- $values := .root.Values }}
{{- if eq $values.autoscaler "hpa" }}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ .name }}
  labels:
    {{- include "model-service.labels" . | nindent 4 }}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{ .name }}}
  minReplicas: {{ $values.scale.min }}
  maxReplicas: {{ $values.scale.max }}
  metrics:
    - type: Resource
      resource:
        name: cpu
        target: {type: Utilization, averageUtilization: {{ $values.scale.cpu_percent }}}
  behavior:
    scaleDown: {stabilizationWindowSeconds: {{ $values.scaleDownSeconds }}}
{{- else if eq $values.autoscaler "keda" }}
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  name: {{ .name }}
  labels:
    {{- include "model-service.labels" . | nindent 4 }}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{ .name }}}
  minReplicaCount: {{ $values.scale.min }}
  maxReplicaCount: {{ $values.scale.max }}
  cooldownPeriod: {{ $values.scaleDownSeconds }}
  advanced:
    horizontalPodAutoscalerConfig:
      behavior:
        scaleDown: {stabilizationWindowSeconds: {{ $values.scaleDownSeconds }}}
  triggers:
    - name: requests
      type: prometheus
      metadata:
        serverAddress: {{ $values.keda.prometheus }}
        threshold: {{ $values.keda.requestsPerSecond | quote }}
        query: {{ include "model-service.requestRate" . | quote }}
    - name: cpu
      type: cpu
      metricType: Utilization
      metadata: {value: {{ $values.scale.cpu_percent | quote }}}
{{- end }}
{{- end }}

{{/* Requests a second of the pods whose names match "pods". */}}
{{- define "model-service.requestRate" -}}
sum(rate(canario_requests_total{namespace="{{ .root.Release.Namespace }}",service="{{ .root.Values.name }}",pod=~"{{ .pods }}"}[1m]))
{{- end }}

{{/* The names of a Deployment's pods; those of <name>-primary do not match <name>. */}}
{{- define "model-service.podNames" -}}
{{ . }}-[a-z0-9]+-[a-z0-9]{5}
{{- end }}
