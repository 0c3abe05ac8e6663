{{/* Which tables of the shared `config` each service has. */}}
{{- define "fleetwire.config.tables" -}}
{{- get (dict
  "frontend" "process kafka telemetry public accounts models"
  "decoder" "process kafka telemetry models"
  "command-gateway" "process kafka telemetry models"
  "api" "process kafka telemetry public accounts models"
  "gaps" "process kafka"
) . -}}
{{- end -}}

{{/* Kafka properties as they are used: those of the values, and those that TLS adds. dict root, service */}}
{{- define "fleetwire.kafka.properties" -}}
{{- $values := .root.Values -}}
{{- $properties := deepCopy ($values.config.kafka.properties | default dict) -}}
{{- with $values.kafkaTls }}
{{- if .enabled }}
  {{- $_ := set $properties "security.protocol" (ternary "SASL_SSL" "SSL" (or (hasKey $properties "sasl.mechanism") (hasKey $properties "sasl.mechanisms"))) }}
  {{- if .ca }}{{ $_ := set $properties "ssl.ca.location" "/run/secrets/kafka/ca.crt" }}{{ end }}
  {{- if include "fleetwire.kafka.clientSecret" $ }}
    {{- $_ := set $properties "ssl.certificate.location" "/run/secrets/kafka/client.crt" }}
    {{- $_ := set $properties "ssl.key.location" "/run/secrets/kafka/client.key" }}
  {{- end }}
{{- end }}
{{- end }}
{{- toJson $properties -}}
{{- end -}}

{{/* The secret with a service's certificate for Kafka, or nothing. dict root, service */}}
{{- define "fleetwire.kafka.clientSecret" -}}
{{- with .root.Values }}
{{- if .kafkaTls.clientSecret }}{{ .kafkaTls.clientSecret }}
{{- else if .strimzi.users.enabled }}{{ include "fleetwire.fullname" $.root }}-{{ regexReplaceAll "^(topics|test.*)$" $.service "tools" }}
{{- end }}
{{- end -}}
{{- end -}}

{{/* What the chart itself sets in a frontend's file. */}}
{{- define "fleetwire.config.frontend" -}}
{{- $f := .Values.frontend -}}
{{- $listen := dict -}}
{{- range $name, $listener := $f.listeners }}
{{- if $listener.enabled }}{{ $_ := set $listen $name (printf "%s:%d" $.Values.bindAddress (int $listener.port)) }}{{ end }}
{{- end }}
{{- $frontend := dict "listen" (get $listen "mqtt" | default "127.0.0.1:1883") -}}
{{- if or $listen.mqtts $listen.wss }}
  {{- $tls := dict "certificate" "/run/secrets/tls/tls.crt" "key" "/run/secrets/tls/tls.key" }}
  {{- if $listen.mqtts }}{{ $_ := set $tls "listen" $listen.mqtts }}{{ end }}
  {{- if $f.tls.clientCa }}
    {{- $_ := set $tls "client_ca" "/run/secrets/client-ca/ca.crt" }}
    {{- $_ := set $tls "client_certificates" $f.tls.clientCertificates }}
  {{- end }}
  {{- $_ := set $frontend "tls" $tls }}
{{- end }}
{{- $websocket := dict }}
{{- if $listen.ws }}{{ $_ := set $websocket "listen" $listen.ws }}{{ end }}
{{- if $listen.wss }}{{ $_ := set $websocket "tls_listen" $listen.wss }}{{ end }}
{{- if $websocket }}{{ $_ := set $frontend "websocket" $websocket }}{{ end }}
{{- if $f.proxyProtocol.enabled }}{{ $_ := set $frontend "proxy_protocol" (dict "from" $f.proxyProtocol.from) }}{{ end }}
{{- $downlink := dict "enabled" .Values.commandGateway.enabled "listen" (printf "%s:9465" .Values.bindAddress) }}
{{- if .Values.downlinkTls.enabled }}
  {{- $tls := dict "certificate" "/run/secrets/downlink/tls.crt" "key" "/run/secrets/downlink/tls.key" }}
  {{- if .Values.downlinkTls.clientAuth }}{{ $_ := set $tls "client_ca" "/run/secrets/downlink/ca.crt" }}{{ end }}
  {{- $_ := set $downlink "tls" $tls }}
{{- end }}
{{- toJson (dict "frontend" $frontend "downlink" $downlink) -}}
{{- end -}}

{{/* What the chart itself sets in a gateway's file. */}}
{{- define "fleetwire.config.command-gateway" -}}
{{- $config := dict -}}
{{- with .Values.downlinkTls }}
{{- if .enabled }}
  {{- $tls := dict "ca" "/run/secrets/downlink/ca.crt" "server_name" .serverName }}
  {{- if .clientAuth }}
    {{- $_ := set $tls "certificate" "/run/secrets/downlink/tls.crt" }}
    {{- $_ := set $tls "key" "/run/secrets/downlink/tls.key" }}
  {{- end }}
  {{- $_ := set $config "command_gateway" (dict "downlink" (dict "tls" $tls)) }}
{{- end }}
{{- end }}
{{- toJson $config -}}
{{- end -}}

{{- define "fleetwire.config.api" -}}
{{- toJson (dict "api" (dict "listen" (printf "%s:8080" .Values.bindAddress))) -}}
{{- end -}}

{{/* The whole configuration of a service as JSON: dict root, service */}}
{{- define "fleetwire.config" -}}
{{- $root := .root -}}
{{- $values := get $root.Values (include "fleetwire.valuesKey" .service) -}}
{{- $config := dict -}}
{{- range $table := splitList " " (include "fleetwire.config.tables" .service) }}
  {{- with get $root.Values.config $table }}{{ $_ := set $config $table (deepCopy .) }}{{ end }}
{{- end }}
{{- $config = mergeOverwrite $config (deepCopy $values.config) }}
{{- $own := dict "process" (dict "admin" (printf "%s:9464" $root.Values.bindAddress) "grace" (printf "%ds" (int $values.drain.graceSeconds))) }}
{{- $own = mergeOverwrite $own (dict "kafka" (dict "properties" (include "fleetwire.kafka.properties" . | fromJson))) }}
{{- if has .service (list "frontend" "command-gateway" "api") }}
  {{- $own = mergeOverwrite $own (include (printf "fleetwire.config.%s" .service) $root | fromJson) }}
{{- end }}
{{- $config = mergeOverwrite $config $own }}
{{- /* Kafka properties are texts, and values may have numbers. */}}
{{- range $key, $value := $config.kafka.properties }}
  {{- $_ := set $config.kafka.properties $key (ternary (printf "%s" (include "fleetwire.toml.value" $value)) $value (not (kindIs "string" $value))) }}
{{- end }}
{{- toJson $config -}}
{{- end -}}

{{/* The same as TOML. */}}
{{- define "fleetwire.config.toml" -}}
# Rendered by the chart {{ .root.Chart.Name }} {{ .root.Chart.Version }}; deploy/config/{{ .service }}.toml has every key.
{{- include "fleetwire.toml" (dict "path" "" "table" (include "fleetwire.config" . | fromJson)) }}
{{- end -}}

{{/* Partitions of a topic: dict root, topic (without prefix), default */}}
{{- define "fleetwire.partitions" -}}
{{- $topics := .root.Values.config.kafka.topics | default dict -}}
{{- get ($topics.partitions | default dict) .topic | default .default -}}
{{- end -}}

{{/* Flags of the tools that reach Kafka. dict root, service */}}
{{- define "fleetwire.kafka.flags" -}}
- --kafka={{ .root.Values.config.kafka.brokers }}
- --topic-prefix={{ .root.Values.config.kafka.topic_prefix }}
{{- range $key, $value := include "fleetwire.kafka.properties" . | fromJson }}
- {{ printf "--kafka-property=%s=%s" $key (ternary $value (include "fleetwire.toml.value" $value) (kindIs "string" $value)) | quote }}
{{- end }}
{{- end -}}
