//! The model catalogue: how each model connects and how its payloads are read.
//!
//! A process makes it once, from what is built in and what its settings add; it lives as long as the process, so
//! that every device of the registry is a reference to its model and no more.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

use fleetwire_codec::{Codec, Protocol};

use crate::model_settings::{CatalogueError, CodecSettings, ModelSettings, is_model_id};
use crate::outputs::{Capability, OutputProfile};

/// A device model.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// Key of the catalogue, for example "xirgo-fms500-light-iotm".
    pub id: &'static str,
    /// Name for people.
    pub name: &'static str,
    /// Account under which it connects.
    pub account: &'static str,
    /// How its payloads are read.
    pub codec: Codec,
    /// Its outputs.
    pub outputs: OutputProfile,
}

impl Model {
    /// What it can do, besides telling where it is.
    pub fn capabilities(&self) -> Vec<Capability> {
        let has_events = matches!(self.protocol(), Protocol::Iotm | Protocol::Ngp | Protocol::Dt7);
        let events = has_events.then_some(Capability::DeviceEvents);
        let shared = (self.protocol() == Protocol::GlobalMatix).then_some(Capability::SharedConnection);
        events.into_iter().chain(self.outputs.capabilities()).chain(shared).collect()
    }

    /// The protocol of its payloads.
    pub const fn protocol(&self) -> Protocol {
        self.codec.protocol()
    }
}

/// What is built in of a model.
struct BuiltIn {
    id: &'static str,
    name: &'static str,
    account: &'static str,
    protocol: Protocol,
}

/// The models that the platform's setup pages list; the names are the vendors'.
const BUILT_IN: &[BuiltIn] = &[
    iotm("xirgo-fms500-light-iotm", "Xirgo Global (BCE) FMS500 Light IOTM"),
    iotm("xirgo-fms500-light-plus-iotm", "Xirgo Global (BCE) FMS500 Light+ IOTM"),
    iotm("xirgo-fms500-stcan-iotm", "Xirgo Global (BCE) FMS500 StCAN MQTT"),
    iotm("xirgo-lx41", "Xirgo Global LX41"),
    iotm("xirgo-lx42", "Xirgo Global LX42"),
    iotm("xirgo-xg37", "Xirgo Global XG37"),
    iotm("xirgo-xg40", "Xirgo Global XG40"),
    iotm("xirgo-gx47", "Xirgo Global GX47"),
    BuiltIn {
        id: "globalmatix-xtcu",
        name: "GlobalMatiX xTCU, through the vendor's cloud",
        account: "globalmatix_device",
        protocol: Protocol::GlobalMatix,
    },
    BuiltIn {
        id: "ngp-generic",
        name: "Any device that speaks the Navixy Generic Protocol",
        account: "ngp_device",
        protocol: Protocol::Ngp,
    },
];

const fn iotm(id: &'static str, name: &'static str) -> BuiltIn {
    BuiltIn { id, name, account: "bce_device", protocol: Protocol::Iotm }
}

/// All models of a process.
#[derive(Debug, Clone, Copy)]
pub struct Catalogue(&'static [Model]);

impl Catalogue {
    /// Models at most.
    pub const MAX: usize = 1024;
    /// The model of devices that no person gave one, in simulations and demonstrations.
    pub const DEFAULT: &'static str = "xirgo-fms500-light-iotm";

    /// What is built in, read as the defaults of the protocols say.
    pub fn built_in() -> Self {
        static MODELS: OnceLock<Catalogue> = OnceLock::new();
        // Nothing of what is built in can be unusable; a test holds that.
        *MODELS.get_or_init(|| {
            Self::load(&BTreeMap::new(), &CodecSettings::default(), Path::new("")).unwrap_or(Self(&[]))
        })
    }

    /// The built-in models, with those of the settings beside or over them. Paths in the settings begin at `folder`.
    /// What it makes stays for as long as the process lives.
    pub fn load(
        models: &BTreeMap<String, ModelSettings>,
        defaults: &CodecSettings,
        folder: &Path,
    ) -> Result<Self, CatalogueError> {
        let built_in = BUILT_IN.iter().map(|model| (model.id, Some(model)));
        let mut all: BTreeMap<&str, Option<&BuiltIn>> = built_in.collect();
        for id in models.keys() {
            all.entry(id).or_insert(None);
        }
        if all.len() > Self::MAX {
            return Err(CatalogueError::TooMany(all.len()));
        }
        let none = ModelSettings::default();
        let models = all
            .into_iter()
            .map(|(id, built_in)| model(id, built_in, models.get(id).unwrap_or(&none), defaults, folder));
        Ok(Self(models.collect::<Result<Vec<_>, _>>()?.leak()))
    }

    /// The model with this key.
    pub fn get(self, id: &str) -> Option<&'static Model> {
        let place = self.0.binary_search_by(|model| model.id.cmp(id)).ok()?;
        self.0.get(place)
    }

    /// Every model, in the order of their keys.
    pub fn all(self) -> &'static [Model] {
        self.0
    }

    /// How the payloads of an account are read whose sessions speak for many devices: as all of its models say. `None`
    /// if it has none, or if they do not agree.
    pub fn codec_of_account(self, account: &str) -> Option<&'static Codec> {
        let mut codecs = self.0.iter().filter(|model| model.account == account).map(|model| &model.codec);
        let first = codecs.next()?;
        codecs.all(|other| other == first).then_some(first)
    }
}

fn model(
    id: &str,
    built_in: Option<&BuiltIn>,
    settings: &ModelSettings,
    defaults: &CodecSettings,
    folder: &Path,
) -> Result<Model, CatalogueError> {
    if built_in.is_none() && !is_model_id(id) {
        return Err(CatalogueError::Id(id.to_owned()));
    }
    let missing = |key| CatalogueError::Missing { model: id.to_owned(), key };
    let text = |own: &str, built_in: Option<&'static str>| {
        if own.is_empty() { built_in } else { Some(&*own.to_owned().leak()) }
    };
    let protocol = settings.protocol.or(built_in.map(|model| model.protocol));
    let protocol = protocol.ok_or_else(|| missing("protocol"))?;
    let codec = settings.codec(id, protocol, defaults, folder)?;
    let key = built_in.map_or_else(|| &*id.to_owned().leak(), |model| model.id);
    Ok(Model {
        id: key,
        name: text(&settings.name, built_in.map(|model| model.name)).unwrap_or(key),
        account: text(&settings.account, built_in.map(|model| model.account))
            .ok_or_else(|| missing("account"))?,
        codec,
        outputs: settings.outputs(id, protocol)?,
    })
}

#[cfg(test)]
mod tests {
    use fleetwire_codec::iotm;
    use fleetwire_codec::iotm::output::Polarity;

    use super::*;

    fn load(text: &str) -> Result<Catalogue, CatalogueError> {
        Catalogue::load(&toml::from_str(text).unwrap(), &CodecSettings::default(), Path::new("/nowhere"))
    }

    #[test]
    fn every_model_is_found_by_its_key_and_keys_are_unique() {
        let catalogue = Catalogue::built_in();
        assert_eq!(catalogue.all().len(), BUILT_IN.len());
        for model in catalogue.all() {
            assert_eq!(catalogue.get(model.id), Some(model));
        }
        assert!(catalogue.get(Catalogue::DEFAULT).is_some());
        assert!(catalogue.get("toaster").is_none());
    }

    #[test]
    fn a_model_of_json_is_read_as_its_file_says() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("own.toml"), fleetwire_codec::mapping::GLOBALMATIX).unwrap();
        let models = "[own]\naccount = 'x'\nprotocol = 'json'\nmapping = 'own.toml'";
        let models = toml::from_str(models).unwrap();
        let catalogue = Catalogue::load(&models, &CodecSettings::default(), folder.path()).unwrap();
        assert_eq!(catalogue.get("own").unwrap().protocol(), Protocol::Json);
        std::fs::write(folder.path().join("own.toml"), "time = 1").unwrap();
        let error = Catalogue::load(&models, &CodecSettings::default(), folder.path()).unwrap_err();
        assert!(error.to_string().contains("own.toml") && error.to_string().contains("line 1"), "{error}");
    }

    #[test]
    fn settings_add_a_model_and_change_a_built_in_one() {
        let catalogue = load(
            "[acme-t1]\nname = 'Acme T1'\naccount = 'acme'\nprotocol = 'iotm'\n\
             [xirgo-lx41.iotm]\nprofile = 'j1939'",
        )
        .unwrap();
        let added = catalogue.get("acme-t1").unwrap();
        assert_eq!((added.name, added.account, added.protocol()), ("Acme T1", "acme", Protocol::Iotm));
        let changed = catalogue.get("xirgo-lx41").unwrap();
        assert_eq!((changed.name, changed.account), ("Xirgo Global LX41", "bce_device"));
        let options = iotm::Options { profile: iotm::Profile::J1939, ..iotm::Options::default() };
        assert_eq!(changed.codec, Codec::Iotm(options));
        let other = catalogue.get("xirgo-lx42").unwrap();
        assert_eq!(other.codec, Codec::Iotm(iotm::Options::default()));
    }

    #[test]
    fn a_model_that_is_not_usable_is_refused_with_what_is_missing() {
        for (text, part) in [
            ("['a b']\nprotocol = 'iotm'\naccount = 'x'", "`a b`"),
            ("[new]\naccount = 'x'", "protocol"),
            ("[new]\nprotocol = 'iotm'", "account"),
            ("[new]\naccount = 'x'\nprotocol = 'json'", "`mapping`"),
            ("[new]\naccount = 'x'\nprotocol = 'json'\nmapping = 'my.toml'", "/nowhere/my.toml"),
            ("[xirgo-lx41]\nmapping = 'my.toml'", "no effect"),
            ("[ngp-generic]\niotm = {}", "no effect"),
            ("[ngp-generic]\noutput_polarity = 'zero_is_on'", "no effect"),
            ("[ngp-generic]\noutputs = [{ number = 1, id = 'out1' }]", "no output control"),
            ("[xirgo-lx41]\noutputs = [{ number = 0, id = 'out1' }]", "1 to 255"),
        ] {
            let error = load(text).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn more_models_than_there_is_room_for_are_refused() {
        let many: Vec<_> = (0..2000).map(|n| format!("[m{n}]\naccount = 'x'\nprotocol = 'iotm'\n")).collect();
        assert!(load(&many.concat()).unwrap_err().to_string().contains("1024"));
    }

    #[test]
    fn the_outputs_of_a_model_are_those_of_its_protocol_until_settings_say_otherwise() {
        let built_in = Catalogue::built_in().get("xirgo-lx41").unwrap();
        assert_eq!(built_in.outputs.outputs.len(), 5);
        assert!(built_in.capabilities().contains(&Capability::ConfirmedOutputs));
        let changed = "[xirgo-lx41]\noutput_polarity = 'zero_is_on'\n\
                       outputs = [{ number = 1, name = 'starter', id = 's1', confirmed_by = 2 }]";
        let catalogue = load(changed).unwrap();
        let outputs = &catalogue.get("xirgo-lx41").unwrap().outputs;
        assert_eq!((outputs.outputs.len(), outputs.polarity), (1, Polarity::ZeroIsOn));
        assert_eq!(outputs.get(1).unwrap().confirmed_by, Some(2));
        assert!(Catalogue::built_in().get("globalmatix-xtcu").unwrap().outputs.outputs.is_empty());
    }

    #[test]
    fn an_account_of_many_devices_is_read_as_all_of_its_models_are() {
        let catalogue = load("[xirgo-lx41]\naccount = 'own'\n[xirgo-lx42]\naccount = 'own'").unwrap();
        assert!(catalogue.codec_of_account("own").is_some());
        assert!(catalogue.codec_of_account("nobody").is_none());
        let differ =
            "[xirgo-lx41]\naccount = 'own'\niotm = { profile = 'j1939' }\n[xirgo-lx42]\naccount = 'own'";
        assert!(load(differ).unwrap().codec_of_account("own").is_none());
    }
}
