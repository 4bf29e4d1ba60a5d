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
  annotations:
    # The receipt: the package in the image. k8s/configs/admission.yaml refuses a pod without it.
    canario/package: {{ .package | quote }}
    # For the Prometheus that the judge reads; the operator's, with its ServiceMonitor, is another.
    prometheus.io/scrape: "true"
    prometheus.io/port: {{ $port | quote }}
    prometheus.io/path: /metrics
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
  {{- with $values.pool }}
  nodeSelector:
    canario/pool: {{ . | quote }}
  {{- end }}
  {{- if gt (int $values.gpus) 0 }}
  tolerations:
    - {key: nvidia.com/gpu, operator: Exists, effect: NoSchedule}
  {{- end }}
  topologySpreadConstraints:
    {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
    - maxSkew: 1
      topologyKey: {{ . }}
      whenUnsatisfiable: ScheduleAnyway
      # An expression, because Flagger makes it the champion's only there.
      labelSelector:
        matchExpressions:
          - {key: app, operator: In, values: [{{ $.app }}]}
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
        - {name: CANARIO_SERVICE, value: {{ $values.name | quote }}}
        - {name: CANARIO_VERSION, value: {{ .version | quote }}}
        - {name: CANARIO_PEERS, value: "{{ $values.name }}-peers:{{ $port }}"}
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
