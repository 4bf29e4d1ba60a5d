{{/* A store's StatefulSet without its containers; (dict "root" $ "component" NAME). */}}
{{- define "canario.storeSet" -}}
replicas: 1
serviceName: {{ .component }}
selector:
  matchLabels:
    {{- include "canario.selector" . | nindent 4 }}
{{- with .root.Values.stores }}
{{- if .size }}
volumeClaimTemplates:
  - metadata: {name: data}
    spec:
      accessModes: [ReadWriteOnce]
      {{- with .storageClass }}
      storageClassName: {{ . }}
      {{- end }}
      resources:
        requests: {storage: {{ .size }}}
{{- end }}
{{- end }}
{{- end }}

{{/* A store's pod without its containers. */}}
{{- define "canario.storePod" -}}
automountServiceAccountToken: false
{{ include "canario.podSpec" . }}
volumes:
  - name: tmp
    emptyDir: {sizeLimit: 1Gi}
  {{- if not .Values.stores.size }}
  - name: data
    emptyDir: {}
  {{- end }}
{{- end }}

{{/* The settings of every container of a store. */}}
{{- define "canario.storeContainer" -}}
image: {{ include "canario.image" (dict "root" . "part" "stores") }}
resources:
  {{- include "canario.resources" .Values.stores.resources | nindent 2 }}
securityContext:
  {{- include "canario.containerSecurity" . | nindent 2 }}
volumeMounts:
  - {name: data, mountPath: /data}
  - {name: tmp, mountPath: /tmp}
{{- end }}
