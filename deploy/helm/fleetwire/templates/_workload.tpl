{{/* Seconds from the pod's end being asked for to its kill: preStop, then the process's grace, then a margin. */}}
{{- define "fleetwire.terminationSeconds" -}}
{{- $needed := int (add .drain.preStopSeconds .drain.graceSeconds) -}}
{{- .terminationGracePeriodSeconds | default (add $needed 5) -}}
{{- end -}}

{{- define "fleetwire.ports" -}}
- {name: admin, containerPort: 9464}
{{- if eq .service "frontend" }}
{{- range $name, $listener := .root.Values.frontend.listeners }}
{{- if $listener.enabled }}
- {name: {{ $name }}, containerPort: {{ $listener.port }}}
{{- end }}
{{- end }}
- {name: downlink, containerPort: 9465}
{{- else if eq .service "api" }}
- {name: http, containerPort: 8080}
{{- end }}
{{- end -}}

{{/* Secrets with files that only one service has: a list of dict volume, secret, items */}}
{{- define "fleetwire.files" -}}
{{- $values := .root.Values -}}
{{- $name := include "fleetwire.fullname" .root -}}
{{- $files := list -}}
{{- $both := list "tls.crt" "tls.key" -}}
{{- if eq .service "frontend" }}
  {{- with $values.frontend }}
    {{- if or .listeners.mqtts.enabled .listeners.wss.enabled }}
      {{- $files = append $files (dict "volume" "tls" "secret" (default (printf "%s-mqtt-tls" $name) .tls.existingSecret) "keys" $both) }}
      {{- with .tls.clientCa }}
        {{- $files = append $files (dict "volume" "client-ca" "secret" .name "keys" (list .key) "path" "ca.crt") }}
      {{- end }}
    {{- end }}
  {{- end }}
  {{- with $values.downlinkTls }}
    {{- if and .enabled $values.commandGateway.enabled }}
      {{- $files = append $files (dict "volume" "downlink" "secret" (default (printf "%s-downlink-frontend" $name) .existingSecret) "keys" (append $both "ca.crt")) }}
    {{- end }}
  {{- end }}
{{- else if eq .service "command-gateway" }}
  {{- with $values.downlinkTls }}
    {{- if .enabled }}
      {{- $files = append $files (dict "volume" "downlink" "secret" (default (printf "%s-downlink-gateway" $name) .gatewaySecret) "keys" (ternary (append $both "ca.crt") (list "ca.crt") .clientAuth)) }}
    {{- end }}
  {{- end }}
{{- end }}
{{- toJson $files -}}
{{- end -}}

{{/* The pod of a service: dict root, service, values */}}
{{- define "fleetwire.pod" -}}
{{- $root := .root -}}
{{- $values := .values -}}
{{- $files := include "fleetwire.files" . | fromJsonArray -}}
metadata:
  labels:
    {{- include "fleetwire.podLabels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .service }}
    {{- with $values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    checksum/config: {{ printf "%s%s" (include "fleetwire.config" .) (toJson $root.Values.configFiles) | sha256sum }}
    {{- with merge (deepCopy $values.podAnnotations) $root.Values.commonAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "fleetwire.serviceAccountName" $root }}
  automountServiceAccountToken: {{ $root.Values.serviceAccount.automount }}
  enableServiceLinks: false
  {{- with include "fleetwire.pullSecrets" $root }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with $values.priorityClassName | default (ternary (include "fleetwire.priorityClass" $root) $root.Values.priorityClass.name $root.Values.priorityClass.create) }}
  priorityClassName: {{ . }}
  {{- end }}
  securityContext:
    {{- toYaml $root.Values.podSecurityContext | nindent 4 }}
  terminationGracePeriodSeconds: {{ include "fleetwire.terminationSeconds" $values }}
  containers:
    - name: {{ .service }}
      image: {{ include "fleetwire.image" $root | quote }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      args: [{{ .service }}, --config=/etc/fleetwire/{{ .service }}.toml]
      securityContext:
        {{- toYaml $root.Values.securityContext | nindent 8 }}
      {{- with printf "%s\n%s" (include "fleetwire.env" .) (empty $values.extraEnv | ternary "" (toYaml $values.extraEnv)) | trim }}
      env:
        {{- . | nindent 8 }}
      {{- end }}
      {{- with $values.extraEnvFrom }}
      envFrom:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      ports:
        {{- include "fleetwire.ports" . | nindent 8 }}
      {{- range $probe := list "startupProbe" "livenessProbe" "readinessProbe" }}
      {{- with get $values $probe }}
      {{ $probe }}:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- end }}
      {{- if $values.lifecycle }}
      lifecycle:
        {{- toYaml $values.lifecycle | nindent 8 }}
      {{- else if gt (int $values.drain.preStopSeconds) 0 }}
      lifecycle:
        preStop:
          sleep:
            seconds: {{ $values.drain.preStopSeconds }}
      {{- end }}
      resources:
        {{- toYaml $values.resources | nindent 8 }}
      volumeMounts:
        - name: config
          mountPath: /etc/fleetwire
          readOnly: true
        {{- with include "fleetwire.secretMounts" . | trim }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- range $files }}
        - name: {{ .volume }}
          mountPath: /run/secrets/{{ .volume }}
          readOnly: true
        {{- end }}
        {{- with $values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    - name: config
      configMap:
        name: {{ $values.existingConfigmap | default (printf "%s-%s" (include "fleetwire.fullname" $root) .service) }}
    {{- with include "fleetwire.secretVolumes" . | trim }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- range $file := $files }}
    - name: {{ .volume }}
      secret:
        secretName: {{ .secret }}
        defaultMode: 0440
        items:
          {{- range .keys }}
          - {key: {{ . | quote }}, path: {{ $file.path | default . | quote }}}
          {{- end }}
    {{- end }}
    {{- with $values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with $values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  topologySpreadConstraints:
    {{- if $values.topologySpreadConstraints }}
    {{- toYaml $values.topologySpreadConstraints | nindent 4 }}
    {{- else }}
    {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
    - topologyKey: {{ . }}
      maxSkew: 1
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "fleetwire.selectorLabels" $root | nindent 10 }}
          app.kubernetes.io/component: {{ $.service }}
      {{- if eq $.kind "Deployment" }}
      matchLabelKeys: [pod-template-hash]
      {{- end }}
    {{- end }}
    {{- end }}
{{- end -}}

{{- define "fleetwire.priorityClass" -}}
{{- default (include "fleetwire.fullname" .) .Values.priorityClass.name -}}
{{- end -}}

{{/* Deployment or StatefulSet of a service; docs/decisions/0012-kubernetes.md says which has which, and why. */}}
{{- define "fleetwire.kind" -}}
{{- $decoder := .root.Values.decoder.config.decoder | default dict -}}
{{- if or (eq .service "command-gateway") (and (eq .service "decoder") $decoder.exactly_once) }}StatefulSet{{ else }}Deployment{{ end -}}
{{- end -}}

{{- define "fleetwire.scaled" -}}
{{- $keda := .keda | default dict }}{{ $hpa := .autoscaling | default dict -}}
{{- if or $keda.enabled $hpa.enabled }}yes{{ end -}}
{{- end -}}
