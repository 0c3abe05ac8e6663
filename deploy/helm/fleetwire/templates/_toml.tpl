{{/* TOML, since toToml of Helm writes whole numbers as floats. */}}
{{- define "fleetwire.toml.key" -}}
{{- if regexMatch "^[A-Za-z0-9_-]+$" . }}{{ . }}{{ else }}{{ toJson . }}{{ end -}}
{{- end -}}

{{- define "fleetwire.toml.value" -}}
{{- if kindIs "string" . }}{{ toJson . }}
{{- else if kindIs "bool" . }}{{ . }}
{{- else if kindIs "slice" . }}
  {{- $items := list -}}
  {{- range . }}{{ $items = append $items (include "fleetwire.toml.value" .) }}{{ end -}}
  [{{ join ", " $items }}]
{{- else if kindIs "map" . }}
  {{- $items := list -}}
  {{- range $key, $value := . }}
    {{- if not (kindIs "invalid" $value) }}
      {{- $items = append $items (printf "%s = %s" (include "fleetwire.toml.key" $key) (include "fleetwire.toml.value" $value)) }}
    {{- end }}
  {{- end -}}
  { {{- join ", " $items -}} }
{{- else if kindIs "float64" . }}
  {{- if eq . (floor .) }}{{ printf "%d" (int64 .) }}{{ else }}{{ printf "%v" . }}{{ end }}
{{- else }}{{ printf "%v" . }}
{{- end -}}
{{- end -}}

{{/* A table and those in it: dict path (of the header, or ""), table. */}}
{{- define "fleetwire.toml" -}}
{{- $path := .path -}}
{{- range $key, $value := .table }}
{{- if not (or (kindIs "map" $value) (kindIs "invalid" $value)) }}
{{ include "fleetwire.toml.key" $key }} = {{ include "fleetwire.toml.value" $value }}
{{- end }}
{{- end }}
{{- range $key, $value := .table }}
{{- if kindIs "map" $value }}
{{- $header := include "fleetwire.toml.key" $key }}
{{- if $path }}{{ $header = printf "%s.%s" $path $header }}{{ end }}

[{{ $header }}]
{{- include "fleetwire.toml" (dict "path" $header "table" $value) }}
{{- end }}
{{- end }}
{{- end -}}
