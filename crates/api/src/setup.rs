//! What a person types into a device's own configuration.

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use fleetwire_codec::Protocol;
use fleetwire_registry::account::{AccountSettings, ClientIds, PasswordRule, password_variable};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::Shared;
use crate::devices::{DeviceParams, DevicePath, account_of};
use crate::problem::{Code, Refusal};
use crate::public::Public;
use crate::query::Query;

/// What to set in a device, or in the cloud of its vendor.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Setup {
    /// The device.
    #[schema(example = "867035046242895")]
    id: String,
    /// Its model.
    #[schema(example = "xirgo-fms500-light-iotm")]
    model: String,
    /// Region of this deployment; empty if it has none.
    #[schema(example = "eu")]
    region: String,
    /// Public MQTT host name; absent if none is configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "mqtt.example.org")]
    host: Option<String>,
    /// Port of plain MQTT.
    #[schema(example = 1883)]
    port: u16,
    /// Port of MQTT over TLS, if it is served.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 8883)]
    tls_port: Option<u16>,
    /// MQTT client id; absent where it is not the device that connects, and any will do.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "867035046242895")]
    client_id: Option<String>,
    /// MQTT user name.
    #[schema(example = "bce_device")]
    user: String,
    /// Which password it is; never the password itself.
    password_hint: String,
    /// Topics that it may publish to.
    #[schema(example = json!(["BCE/D", "BCE/E", "BCE/F", "BCE/R"]))]
    publish_topics: Vec<String>,
    /// Topics that it may subscribe to.
    #[schema(example = json!(["867035046242895/OUTC"]))]
    subscribe_topics: Vec<String>,
    /// What to do, step by step, for people.
    steps: Vec<String>,
}

/// Show what to type into a device's own configuration.
#[utoipa::path(
    get, path = "/v1/devices/{id}/setup", tag = "devices", operation_id = "getDeviceSetup",
    params(DeviceParams),
    responses(
        (status = 200, description = "What to set", body = Setup),
        (status = 404, description = "No such device is registered"),
    )
)]
pub(crate) async fn get(
    State(app): State<Shared>,
    DevicePath(id): DevicePath,
    uri: Uri,
) -> Result<Json<Setup>, Refusal> {
    Query::read(&uri, &[])?;
    let record = app.record(&id)?;
    let user = account_of(&record, app.needs.catalogue).to_owned();
    let account = app.needs.accounts.get(&user).ok_or_else(|| {
        let detail = format!("the account `{user}` of device {id} is not configured where this API runs");
        Refusal::new(Code::NotFound, detail)
    })?;
    let protocol = app.needs.catalogue.get(&record.model).map(fleetwire_registry::Model::protocol);
    let subject = Subject {
        id: id.as_str(),
        user: &user,
        account,
        public: &app.needs.public,
        password: password(&user, account, !record.password_hash.is_empty()),
    };
    let steps = subject.steps(protocol);
    let Public { region, host, port, tls_port } = app.needs.public.clone();
    Ok(Json(Setup {
        region,
        host: (!host.is_empty()).then_some(host),
        port,
        tls_port,
        client_id: subject.client_id(),
        password_hint: subject.password.clone(),
        publish_topics: subject.topics(&account.publish),
        subscribe_topics: subject.topics(&account.subscribe),
        steps,
        id: id.to_string(),
        model: record.model,
        user,
    }))
}

/// Which password opens a device.
fn password(user: &str, account: &AccountSettings, has_own: bool) -> String {
    if has_own {
        return "the device's own password, which was shown when it was made; PATCH with `generate_password` \
                makes a new one"
            .to_owned();
    }
    match account.password {
        PasswordRule::Required => format!(
            "the password that devices of account {user} share; the frontends have it in {}",
            password_variable(user)
        ),
        PasswordRule::Own => {
            "it has none yet and cannot come in: PATCH with `generate_password` makes one, and \
                              shows it once"
                .to_owned()
        }
        PasswordRule::Certificate => "none: a client certificate stands in its place".to_owned(),
    }
}

/// What the steps are made of.
struct Subject<'a> {
    id: &'a str,
    user: &'a str,
    account: &'a AccountSettings,
    public: &'a Public,
    password: String,
}

impl Subject<'_> {
    fn client_id(&self) -> Option<String> {
        (self.account.client_ids != ClientIds::Any).then(|| self.id.to_owned())
    }

    fn topics(&self, patterns: &[String]) -> Vec<String> {
        let own = self.account.client_ids != ClientIds::Any;
        let fill = |pattern: &String| if own { pattern.replace("%c", self.id) } else { pattern.clone() };
        patterns.iter().map(fill).collect()
    }

    fn steps(&self, protocol: Option<Protocol>) -> Vec<String> {
        let mut steps = Vec::new();
        if self.public.host.is_empty() {
            steps.push(
                "No public host name is configured, so it is not known here where devices connect: set `host` \
                 in `[public]`, or FLEETWIRE_PUBLIC_HOST, and ask again."
                    .to_owned(),
            );
        }
        match protocol {
            Some(Protocol::Iotm) => self.iotm(&mut steps),
            Some(Protocol::GlobalMatix) => self.globalmatix(&mut steps),
            Some(Protocol::Ngp) => self.ngp(&mut steps),
            Some(Protocol::Dt7 | Protocol::Json) | None => self.other(&mut steps),
        }
        steps
    }

    /// Where to connect, in words.
    fn server(&self) -> String {
        let Public { host, port, tls_port, .. } = self.public;
        let host = if host.is_empty() { "the address of the frontends" } else { host.as_str() };
        let tls = tls_port.map_or_else(String::new, |port| format!(", or port {port} with TLS"));
        format!("host {host}, port {port}{tls}")
    }

    fn iotm(&self, steps: &mut Vec<String>) {
        let id = self.id;
        steps.push("In FMSET, or in the template of XDM, choose protocol MQTT with payload IOTM.".to_owned());
        steps.push(format!("Server: {}.", self.server()));
        steps.push(format!("Client id: `%IMEI%`; the device puts its own IMEI there, {id}."));
        steps.push(format!("User: `{}`. Password: {}.", self.user, self.password));
        let known = [("BCE/D", "telemetry"), ("BCE/E", "event"), ("BCE/F", "file"), ("BCE/R", "real-time")];
        let topics = self.topics(&self.account.publish);
        let named = |topic: &String| {
            let purpose = known.iter().find(|(known, _)| known == topic);
            purpose.map_or_else(|| format!("`{topic}`"), |(_, purpose)| format!("{purpose} topic `{topic}`"))
        };
        steps.push(format!("Topics: {}.", topics.iter().map(named).collect::<Vec<_>>().join(", ")));
        for pattern in &self.account.subscribe {
            let topic = pattern.replace("%c", "%IMEI%");
            steps.push(format!(
                "Output control topic: `{topic}`. Leave a field \"output confirm topic\" empty."
            ));
        }
        steps.push("Write the configuration into the device. It connects by itself.".to_owned());
    }

    fn globalmatix(&self, steps: &mut Vec<String>) {
        steps.push(
            "The device itself is not configured: the vendor's cloud connects for all of its devices. In the \
             GlobalMatiX portal, or through their support, set up an MQTT connection once:"
                .to_owned(),
        );
        steps.push(format!("Server: {}.", self.server()));
        steps.push("Client id: any that no other client uses.".to_owned());
        steps.push(format!("User: `{}`. Password: {}.", self.user, self.password));
        steps.push(format!("Topic: {}.", self.quoted(&self.account.publish)));
        steps.push(format!(
            "Let the cloud send the data of device {} there, with its IMEI in each record.",
            self.id
        ));
    }

    fn ngp(&self, steps: &mut Vec<String>) {
        steps
            .push("Let the device, or what speaks for it, connect by MQTT and send NGP messages.".to_owned());
        self.connection(steps);
        steps.push(format!("`device_id` in each message must be `{}`.", self.id));
    }

    fn other(&self, steps: &mut Vec<String>) {
        steps.push("Let the device connect by MQTT.".to_owned());
        self.connection(steps);
    }

    fn connection(&self, steps: &mut Vec<String>) {
        steps.push(format!("Server: {}.", self.server()));
        let any = || "any that no other client uses".to_owned();
        steps.push(format!("Client id: {}.", self.client_id().map_or_else(any, |id| format!("`{id}`"))));
        steps.push(format!("User: `{}`. Password: {}.", self.user, self.password));
        steps.push(format!("Publish to: {}.", self.quoted(&self.account.publish)));
        if !self.account.subscribe.is_empty() {
            steps.push(format!("Subscribe to: {}.", self.quoted(&self.account.subscribe)));
        }
    }

    fn quoted(&self, patterns: &[String]) -> String {
        let topics = self.topics(patterns);
        topics.iter().map(|topic| format!("`{topic}`")).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use fleetwire_registry::account::with_built_in;

    use super::*;

    fn steps(user: &str, protocol: Protocol, host: &str) -> String {
        let accounts = with_built_in(&BTreeMap::new());
        let public = Public { host: host.to_owned(), tls_port: Some(8883), ..Public::default() };
        let account = &accounts[user];
        let password = password(user, account, false);
        let subject = Subject { id: "867035046242895", user, account, public: &public, password };
        subject.steps(Some(protocol)).join("\n")
    }

    #[test]
    fn the_steps_name_every_field_of_the_device() {
        let iotm = steps("bce_device", Protocol::Iotm, "mqtt.example.org");
        for part in [
            "host mqtt.example.org, port 1883, or port 8883 with TLS",
            "`%IMEI%`",
            "`bce_device`",
            "FLEETWIRE_ACCOUNT_BCE_DEVICE_PASSWORD",
            "telemetry topic `BCE/D`, event topic `BCE/E`, file topic `BCE/F`, real-time topic `BCE/R`",
            "`%IMEI%/OUTC`",
        ] {
            assert!(iotm.contains(part), "{part} is not in {iotm}");
        }
        let ngp = steps("ngp_device", Protocol::Ngp, "h");
        assert!(ngp.contains("`ngp/867035046242895`") && ngp.contains("cannot come in"), "{ngp}");
        let cloud = steps("globalmatix_device", Protocol::GlobalMatix, "h");
        assert!(cloud.contains("vendor's cloud") && cloud.contains("`globalmatix/in`"), "{cloud}");
    }

    #[test]
    fn without_a_public_host_the_first_step_is_to_set_one() {
        assert!(steps("bce_device", Protocol::Iotm, "").starts_with("No public host name"));
    }
}
