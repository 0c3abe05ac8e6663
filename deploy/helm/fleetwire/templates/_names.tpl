{{- define "fleetwire.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "fleetwire.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "fleetwire.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "fleetwire.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Labels by which things are found; never change, since selectors of workloads cannot. */}}
{{- define "fleetwire.selectorLabels" -}}
app.kubernetes.io/name: {{ include "fleetwire.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "fleetwire.labels" -}}
{{ include "fleetwire.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: fleetwire
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Labels of pods: without the chart's version, so that a chart that renders the same pods replaces none. */}}
{{- define "fleetwire.podLabels" -}}
{{ include "fleetwire.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: fleetwire
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Metadata of a resource: dict root, suffix, component, and optionally labels, annotations, namespace. */}}
{{- define "fleetwire.metadata" -}}
{{- $root := .root -}}
name: {{ include "fleetwire.fullname" $root }}{{ with .suffix }}-{{ . }}{{ end }}
namespace: {{ .namespace | default $root.Release.Namespace }}
labels:
  {{- include "fleetwire.labels" $root | nindent 2 }}
  {{- with .component }}
  app.kubernetes.io/component: {{ . }}
  {{- end }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with merge (deepCopy (.annotations | default dict)) $root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "fleetwire.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "fleetwire.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "fleetwire.image" -}}
{{- $registry := default .Values.image.registry .Values.global.imageRegistry -}}
{{- with $registry }}{{ . }}/{{ end }}{{ .Values.image.repository }}
{{- if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ default .Chart.AppVersion .Values.image.tag }}{{ end -}}
{{- end -}}

{{- define "fleetwire.pullSecrets" -}}
{{- with concat .Values.global.imagePullSecrets .Values.imagePullSecrets | uniq }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* The values of a service, by its name on the command line. */}}
{{- define "fleetwire.valuesKey" -}}
{{- if eq . "command-gateway" }}commandGateway{{ else }}{{ . }}{{ end -}}
{{- end -}}

{{- define "fleetwire.services" -}}
{{- $on := list -}}
{{- range list "frontend" "decoder" "command-gateway" "api" "gaps" -}}
{{- if (get $.Values (include "fleetwire.valuesKey" .)).enabled }}{{ $on = append $on . }}{{ end -}}
{{- end -}}
{{- toJson $on -}}
{{- end -}}
