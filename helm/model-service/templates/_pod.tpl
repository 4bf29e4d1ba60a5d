{{/*
The pod of one version. Takes "root", "app" (value of the label `app`), "component", and the version's
"version", "package", "image" and "settings"; "copies" is where it sends copies of requests, if anywhere.
Whatever changes here starts a rollout, so nothing of the chart or of Helm stands in it.
*/}}
{{- define "model-service.pod" -}}
{{- $values := .root.Values }}
{{- $port := include "model-service.port" . }}
metadata:
  labels:
    app: {{ .app }}
    {{- include "model-service.selector" . | nindent 4 }}
    app.kubernetes.io/version: {{ .version | quote }}
    {{- with $values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    # The receipt: the package in the image. k8s/configs/admission.yaml refuses a pod without it.
    canario/package: {{ .package | quote }}
    # For the Prometheus that the judge reads; the operator's, with its ServiceMonitor, is another.
    prometheus.io/scrape: "true"
    prometheus.io/port: {{ $port | quote }}
    prometheus.io/path: /metrics
    {{- with $values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ $values.name }}
  {{- with $values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  automountServiceAccountToken: false
  # A Service named canario would otherwise set variables such as CANARIO_PORT, which the server reads.
  enableServiceLinks: false
  # Time after SIGTERM for the gateway to forget the pod, and then for the longest request to end.
  terminationGracePeriodSeconds: {{ add (include "model-service.forgetSeconds" .) $values.requestSeconds 5 }}
  securityContext:
    runAsNonRoot: true
    runAsUser: {{ $values.runAsUser }}
    runAsGroup: {{ $values.runAsUser }}
    fsGroup: {{ $values.runAsUser }}
    seccompProfile: {type: RuntimeDefault}
  {{- with include "model-service.placement" (dict "values" $values "pool" $values.pool "gpus" $values.gpus) }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- $affinity := dict }}
  {{- range $key, $value := $values.affinity }}
  {{- if $value }}{{ $_ := set $affinity $key $value }}{{ end }}
  {{- end }}
  {{- with $affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- range . }}
    - maxSkew: {{ .maxSkew | default 1 }}
      topologyKey: {{ .topologyKey }}
      whenUnsatisfiable: {{ .whenUnsatisfiable | default "ScheduleAnyway" }}
      # An expression, because Flagger makes it the champion's only there.
      labelSelector:
        matchExpressions:
          - {key: app, operator: In, values: [{{ $.app }}]}
    {{- end }}
  {{- end }}
  containers:
    - name: server
      image: {{ include "model-service.image" .image | quote }}
      imagePullPolicy: IfNotPresent
      # Longer than a gateway keeps an idle connection (Traefik: 90 s). Otherwise the gateway could send a request on a
      # connection that is just being closed, and it does not repeat a POST.
      args: [--timeout-keep-alive, "180"]
      ports:
        - {name: http, containerPort: {{ $port }}}
      env:
        {{- include "model-service.variables" . | nindent 8 }}
      {{- with $values.envFrom }}
      envFrom:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      startupProbe:
        httpGet: {path: /readyz, port: http}
        periodSeconds: 1
        timeoutSeconds: 2
        failureThreshold: {{ $values.startupSeconds }}
      readinessProbe:
        httpGet: {path: /readyz, port: http}
        periodSeconds: 5
        timeoutSeconds: 3
        failureThreshold: 2
      livenessProbe:
        httpGet: {path: /healthz, port: http}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      lifecycle:
        preStop: {sleep: {seconds: {{ include "model-service.forgetSeconds" . }}}}
      # No limit on CPU: throttling would show as slow requests. Memory's limit equals its request.
      resources:
        requests:
          cpu: {{ $values.resources.cpu }}
          memory: {{ $values.resources.memory }}
        limits:
          memory: {{ $values.resources.memory }}
          {{- if gt (int $values.gpus) 0 }}
          nvidia.com/gpu: {{ $values.gpus }}
          {{- end }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: {drop: [ALL]}
      volumeMounts:
        - {name: tmp, mountPath: /tmp}
        {{- if int $values.predictionLog.mib }}
        - {name: log, mountPath: /log}
        {{- end }}
  volumes:
    - name: tmp
      emptyDir: {sizeLimit: 256Mi}
    {{- with int $values.predictionLog.mib }}
    # Twice the size of the files, because each worker writes its own file and a pod beyond its limit is evicted.
    - name: log
      emptyDir: {sizeLimit: {{ add . . 64 }}Mi}
    {{- end }}
{{- end }}

{{/* On which nodes a pod may be, and before whom; takes "values", and the "pool" and "gpus" of a replica. */}}
{{- define "model-service.placement" -}}
{{- $selector := deepCopy (.values.nodeSelector | default dict) }}
{{- with .pool }}{{ $_ := set $selector "canario/pool" . }}{{ end }}
{{- with $selector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- $tolerations := .values.tolerations | default list }}
{{- if int .gpus }}
{{- $tolerations = prepend $tolerations (dict "key" "nvidia.com/gpu" "operator" "Exists" "effect" "NoSchedule") }}
{{- end }}
{{- with $tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{/* Seconds until no gateway sends requests to a terminating pod any more. */}}
{{- define "model-service.forgetSeconds" -}}5{{- end }}

{{/* The rest of a Deployment's spec; takes the same arguments as the pod. */}}
{{- define "model-service.deployment" -}}
revisionHistoryLimit: 3
# A pod that is not ready after this time fails the rollout.
progressDeadlineSeconds: {{ add .root.Values.startupSeconds 60 }}
strategy:
  type: RollingUpdate
  rollingUpdate: {maxUnavailable: 0, maxSurge: 1}
selector:
  matchLabels:
    # Only this label, because Flagger uses it to tell champion and canary apart.
    app: {{ .app }}
template:
  {{- include "model-service.pod" . | nindent 2 }}
{{- end }}
