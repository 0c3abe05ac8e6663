//! Settings to a mapping that can be used: every rule is checked, and the pointers become trees.

use super::clock::Clock;
use super::field::FixField;
use super::paths::Paths;
use super::rule::Rule;
use super::settings::{self, Bounds, Settings};
use super::target::Target;
use super::{Mapping, MappingError};

/// Bounds of the bounds.
const MAX_ATTRIBUTES: usize = 1000;
const MAX_NAME: usize = 200;
const MAX_BYTES: usize = 1 << 20;

impl Mapping {
    /// Checks settings and makes them ready for use. An error names the key that it is about.
    pub fn new(settings: Settings) -> Result<Self, MappingError> {
        compile(settings).map_err(MappingError)
    }
}

fn compile(settings: Settings) -> Result<Mapping, String> {
    let Settings { guess, records, device, time, fix_time, attributes, .. } = &settings;
    if records.from_root {
        return Err("records: begins at the root of the payload without a `$`".to_owned());
    }
    if device.at.is_empty() && device.required {
        return Err(
            "device.at: needs a JSON pointer to the device id; with `required = false` a record without \
                    one is of the device that connected"
                .to_owned(),
        );
    }
    if time.at.is_empty() {
        return Err("time.at: needs a JSON pointer to the time of a record".to_owned());
    }
    check_bounds(attributes)?;
    let fix_clock = fix_time.as_ref().map(|fix_time| Clock::new("fix_time", fix_time)).transpose()?;
    let (is_guess, records, id_kind, id_required) = (*guess, records.clone(), device.kind, device.required);
    let (clock, bounds, none) = (Clock::new("time", time)?, attributes.clone(), settings.event.none.clone());
    let rules = rules(settings)?;
    let (mut in_record, mut in_payload) = (Paths::default(), Paths::default());
    for (index, rule) in rules.iter().enumerate() {
        for (rank, pointer) in rule.at.iter().enumerate() {
            let paths = if pointer.from_root { &mut in_payload } else { &mut in_record };
            paths.insert(pointer, index, rank);
        }
    }
    Ok(Mapping {
        is_guess,
        records,
        id_kind,
        id_required,
        clock: clock.clone(),
        fix_clock: fix_clock.unwrap_or(clock),
        rules,
        in_record,
        in_payload,
        none,
        bounds,
    })
}

/// The rules of all fields, in the order of [`Mapping::DEVICE`], [`Mapping::TIME`], [`Mapping::FIX_TIME`] and the
/// others.
fn rules(settings: Settings) -> Result<Vec<Rule>, String> {
    let has = |field| settings.fix.contains_key(&field);
    if has(FixField::Latitude) != has(FixField::Longitude) {
        return Err("fix: latitude and longitude need each other".to_owned());
    }
    let settings::Event { code, function, text, none } = settings.event;
    if code.is_none() && function.is_none() && text.is_none() && !none.is_empty() {
        return Err("event.none: without code, function or text there is no event".to_owned());
    }
    let fix_time = settings.fix_time.map(|fix_time| fix_time.at).unwrap_or_default();
    let mut rules = vec![
        Rule::plain(Target::Device, settings.device.at),
        Rule::plain(Target::Time, settings.time.at),
        Rule::plain(Target::FixTime, fix_time),
    ];
    let number = |settings::Number(number): settings::Number| number;
    let fields = (settings.fix.into_iter().map(|(field, rule)| (Target::Fix(field), rule)))
        .chain(settings.vehicle.into_iter().map(|(field, rule)| (Target::Vehicle(field), rule)))
        .chain(settings.power.into_iter().map(|(field, rule)| (Target::Power(field), rule)))
        .chain(settings.engine.into_iter().map(|(field, rule)| (Target::Engine(field), rule)))
        .chain(settings.fuel.into_iter().map(|(field, rule)| (Target::Fuel(field), rule)))
        .chain(settings.cell.into_iter().map(|(field, rule)| (Target::Cell(field), rule)))
        .chain(settings.inputs.into_iter().map(|(line, rule)| (Target::Input(line), rule)))
        .chain(settings.outputs.into_iter().map(|(line, rule)| (Target::Output(line), rule)))
        .chain(
            settings
                .analog_inputs
                .into_iter()
                .map(|(input, rule)| (Target::AnalogInput(number(input)), rule)),
        )
        .chain(settings.temperatures.into_iter().map(|(of, rule)| (Target::Temperature(number(of)), rule)))
        .chain(code.map(|rule| (Target::EventCode, rule)))
        .chain(function.map(|rule| (Target::EventFunction, rule)))
        .chain(text.map(|rule| (Target::EventText, rule)));
    for (target, rule) in fields {
        rules.push(Rule::new(target, rule)?);
    }
    for (name, rule) in settings.named {
        check_name(&name)?;
        rules.push(Rule::new(Target::Named(name.into()), rule)?);
    }
    Ok(rules)
}

fn check_name(name: &str) -> Result<(), String> {
    let allowed =
        |character: char| character.is_ascii_lowercase() || character.is_ascii_digit() || character == '_';
    let begins_well = name.starts_with(|first: char| first.is_ascii_lowercase());
    if begins_well && name.len() <= 64 && name.chars().all(allowed) {
        return Ok(());
    }
    Err(format!("named.{name}: a name has up to 64 characters a-z, 0-9 and _, and begins with a letter"))
}

fn check_bounds(bounds: &Bounds) -> Result<(), String> {
    let Bounds { prefix, max, max_depth, max_name_bytes, max_bytes } = bounds;
    let allowed = |character: char| character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-');
    if prefix.len() > 32 || !prefix.chars().all(allowed) {
        return Err(format!(
            "attributes.prefix: {prefix:?} has more than 32 characters, or others than A-Z a-z 0-9 . _ -"
        ));
    }
    let depth_limit = crate::json::MAX_DEPTH;
    for (key, value, limit) in [
        ("max", *max, MAX_ATTRIBUTES),
        ("max_depth", *max_depth, depth_limit),
        ("max_name_bytes", *max_name_bytes, MAX_NAME),
        ("max_bytes", *max_bytes, MAX_BYTES),
    ] {
        if value > limit {
            return Err(format!("attributes.{key}: {value} is more than {limit}"));
        }
    }
    Ok(())
}
