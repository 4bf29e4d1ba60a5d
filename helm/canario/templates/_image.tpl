{{/*
The reference of a part's image; (dict "root" $ "part" NAME). The digest wins. Without one, the version of this chart is
the tag of an image that was built on this machine and never pushed: in a registry the tag tells the image's content.
*/}}
{{- define "canario.image" -}}
{{- $image := (get .root.Values .part).image }}
{{- $name := $image.repository }}
{{- if not $name }}
{{- $registry := .root.Values.registry }}
{{- if not $registry }}
{{- fail (printf "registry: is empty, and no public registry has the image of %s; build, push and sign it by `make platform-images publish ENV=env`, and set registry to the host/folder where it is" .part) }}
{{- end }}
{{- $name = printf "%s/%s" $registry .part }}
{{- end }}
{{- $built := hasPrefix "registry.local/" $name }}
{{- if $image.digest }}{{ $name }}@{{ $image.digest }}
{{- else if and $image.tag (or $built (ne $image.tag .root.Chart.Version)) }}{{ $name }}:{{ $image.tag }}
{{- else if $built }}{{ $name }}:{{ .root.Chart.Version }}
{{- else }}
{{- fail (printf "%s.image: %s has no digest, and no tag by which a registry has it; `make publish ENV=env PART=%s` prints its digest, and writes it into the images.yaml of an environment that names this registry" .part $name .part) }}
{{- end }}
{{- end }}
