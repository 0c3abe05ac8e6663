{{/* Secrets of a service as a list of dict env, name, key: dict root, service */}}
{{- define "fleetwire.secrets" -}}
{{- $secrets := .root.Values.secrets -}}
{{- $service := .service -}}
{{- $all := list -}}
{{- if has $service (list "frontend" "test-device") }}
  {{- range $account, $passwords := $secrets.accounts }}
    {{- range $i, $ref := $passwords }}
      {{- if or (eq $service "frontend") (and (eq $account "bce_device") (eq $i 0)) }}
        {{- $number := ternary "" (printf "_%d" (int (add1 $i))) (eq $i 0) }}
        {{- $all = append $all (merge (dict "env" (printf "FLEETWIRE_ACCOUNT_%s_PASSWORD%s" (upper $account) $number)) $ref) }}
      {{- end }}
    {{- end }}
  {{- end }}
{{- end }}
{{- if eq $service "frontend" }}
  {{- range $name, $ref := $secrets.subscribers }}
    {{- $all = append $all (merge (dict "env" (printf "FLEETWIRE_SUBSCRIBER_%s_PASSWORD" (upper $name))) $ref) }}
  {{- end }}
  {{- with $secrets.downlinkToken2 }}{{ $all = append $all (merge (dict "env" "FLEETWIRE_DOWNLINK_TOKEN_2") .) }}{{ end }}
{{- end }}
{{- if has $service (list "frontend" "command-gateway") }}
  {{- with $secrets.downlinkToken }}{{ $all = append $all (merge (dict "env" "FLEETWIRE_DOWNLINK_TOKEN") .) }}{{ end }}
{{- end }}
{{- if eq $service "api" }}
  {{- range $name, $ref := $secrets.apiTokens }}
    {{- $all = append $all (merge (dict "env" (printf "FLEETWIRE_API_TOKEN_%s" (upper $name))) $ref) }}
  {{- end }}
{{- end }}
{{- with $secrets.kafka }}
  {{- with .saslPassword }}{{ $all = append $all (merge (dict "env" "FLEETWIRE_KAFKA_SASL_PASSWORD") .) }}{{ end }}
  {{- with .sslKeyPassword }}{{ $all = append $all (merge (dict "env" "FLEETWIRE_KAFKA_SSL_KEY_PASSWORD") .) }}{{ end }}
  {{- with .oauthClientSecret }}{{ $all = append $all (merge (dict "env" "FLEETWIRE_KAFKA_OAUTH_CLIENT_SECRET") .) }}{{ end }}
{{- end }}
{{- toJson $all -}}
{{- end -}}

{{- define "fleetwire.env" -}}
{{- range include "fleetwire.secrets" . | fromJsonArray }}
- name: {{ .env }}_FILE
  value: /run/secrets/fleetwire/{{ .env }}
{{- end }}
{{- end -}}

{{- define "fleetwire.secretMounts" -}}
{{- if include "fleetwire.secrets" . | fromJsonArray }}
- name: secrets
  mountPath: /run/secrets/fleetwire
  readOnly: true
{{- end }}
{{- if and .root.Values.kafkaTls.enabled (or .root.Values.kafkaTls.ca (include "fleetwire.kafka.clientSecret" .)) }}
- name: kafka-tls
  mountPath: /run/secrets/kafka
  readOnly: true
{{- end }}
{{- end -}}

{{- define "fleetwire.secretVolumes" -}}
{{- with include "fleetwire.secrets" . | fromJsonArray }}
- name: secrets
  projected:
    defaultMode: 0440
    sources:
      {{- range . }}
      - secret:
          name: {{ .name }}
          items:
            - key: {{ .key | quote }}
              path: {{ .env }}
      {{- end }}
{{- end }}
{{- $client := include "fleetwire.kafka.clientSecret" . }}
{{- with .root.Values.kafkaTls }}
{{- if and .enabled (or .ca $client) }}
- name: kafka-tls
  projected:
    defaultMode: 0440
    sources:
      {{- with .ca }}
      - secret:
          name: {{ .name }}
          items:
            - {key: {{ .key | quote }}, path: ca.crt}
      {{- end }}
      {{- if $client }}
      - secret:
          name: {{ $client }}
          items:
            - {key: {{ .certKey | quote }}, path: client.crt}
            - {key: {{ .keyKey | quote }}, path: client.key}
      {{- end }}
{{- end }}
{{- end }}
{{- end -}}
