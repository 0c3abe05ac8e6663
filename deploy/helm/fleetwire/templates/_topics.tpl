{{/* The topics as `fleetwire topics apply` makes them; a check compares the list with crates/model. */}}
{{- define "fleetwire.topics" -}}
- {name: raw.v1, partitions: 24, days: 7}
- {name: held.v1, partitions: 24, days: 7, bytes: 268435456}
- {name: positions.v1, partitions: 24, days: 7}
- {name: device-events.v1, partitions: 24, days: 7}
- {name: dead-letters.v1, partitions: 6, days: 30}
- {name: devices.v1, partitions: 24, compact: true}
- {name: gaps.v1, partitions: 24, days: 30}
- {name: gap-state.v1, partitions: 24, compact: true}
- {name: audit.v1, partitions: 6, days: 365}
- {name: knocks.v1, partitions: 24, compact: true}
- {name: sessions.v1, partitions: 24, compact: true}
- {name: device-state.v1, partitions: 24, compact: true}
- {name: commands.v1, partitions: 24, days: 7}
- {name: commands.json.v1, partitions: 24, days: 7}
- {name: command-status.v1, partitions: 24, days: 30}
- {name: command-state.v1, partitions: 24, compact: true}
- {name: trace.v1, partitions: 6, hours: 1, bytes: 67108864}
{{- end -}}

{{/* What each service reads, writes and coordinates by. Groups and transactional ids are prefixes. */}}
{{- define "fleetwire.users" -}}
frontend:
  read: [devices, sessions]
  write: [raw, held, sessions, trace]
decoder:
  read: [raw, devices]
  write: [positions, device-events, dead-letters, trace]
  groups: [decoder]
  transactions: [-decoder]
command-gateway:
  read: [commands, commands.json, command-status, command-state, sessions, positions, device-state, devices]
  write: [commands, command-status, command-state, dead-letters, trace]
  groups: [command-gateway]
  transactions: [-command-gateway]
api:
  read: [devices, held, knocks, sessions, positions, device-state, command-status, audit, trace]
  write: [devices, audit, commands, raw, knocks, device-state, trace]
  groups: [held, state]
  transactions: [.registry, -held]
gaps:
  read: [positions, gap-state]
  write: [gaps, gap-state]
  groups: [gaps]
tools:
  read: [devices, positions]
  write: [devices, audit]
  transactions: [.registry]
{{- end -}}
