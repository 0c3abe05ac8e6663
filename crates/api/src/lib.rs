//! HTTP/JSON for people and programs: models, devices, held devices, state.
