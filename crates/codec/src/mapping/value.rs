//! Values of a payload as what a rule takes them for. A reason for refusing one is a half sentence about it.

use std::borrow::Cow;

use super::rule::Rule;
use super::settings::{Meant, ValueType};
use super::target::Holds;
use crate::json::Scalar;

/// What a value was taken for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'a> {
    Bool(bool),
    Number(f64),
    Whole(u64),
    Text(Cow<'a, str>),
    /// Unix milliseconds.
    Time(i64),
}

/// Why a value does not fit: a half sentence about it.
pub(super) type Misfit = &'static str;

const NOT_LISTED: Misfit = "it is none of the listed values";

/// The largest whole number up to which every whole number is an exact `f64`.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

/// A value as its rule's target holds it: converted, scaled, and within its range.
pub(super) fn read<'a>(rule: &'a Rule, scalar: &Scalar<'a>) -> Result<Value<'a>, Misfit> {
    if !rule.values.is_empty() {
        return listed(rule, scalar);
    }
    match rule.target.holds() {
        Holds::Bool => bool(scalar).map(Value::Bool),
        Holds::Text => Ok(Value::Text(text(scalar))),
        Holds::Number if rule.target.is_whole() && !rule.is_scaled() => whole(rule, scalar).map(Value::Whole),
        Holds::Number => number(rule, scalar).map(Value::Number),
        Holds::FixType => match scalar {
            Scalar::Bool(on) => Ok(Value::Bool(*on)),
            other => Ok(Value::Text(text(other))),
        },
        Holds::Any | Holds::Own => any(rule, scalar),
    }
}

/// What the rule's list says of a value.
fn listed<'a>(rule: &'a Rule, scalar: &Scalar<'_>) -> Result<Value<'a>, Misfit> {
    let text = text(scalar);
    let meant = rule.values.get(&*text).ok_or(NOT_LISTED)?;
    Ok(match meant {
        Meant::Bool(on) => Value::Bool(*on),
        Meant::Number(number) => Value::Number(*number),
        Meant::Text(text) => Value::Text(Cow::Borrowed(text)),
    })
}

/// A value for an attribute with a name of its own.
fn any<'a>(rule: &Rule, scalar: &Scalar<'a>) -> Result<Value<'a>, Misfit> {
    if rule.is_scaled() {
        return number(rule, scalar).map(Value::Number);
    }
    match (rule.kind, scalar) {
        (Some(ValueType::Bool), _) | (None, Scalar::Bool(_)) => bool(scalar).map(Value::Bool),
        (Some(ValueType::Text), _) | (None, Scalar::Text(_)) => Ok(Value::Text(text(scalar))),
        (Some(ValueType::Number), _) => number(rule, scalar).map(Value::Number),
        (Some(ValueType::Hex), _) => whole(rule, scalar).map(Value::Whole),
        (Some(ValueType::Integer) | None, _) => whole(rule, scalar).map_or_else(
            |misfit| match number(rule, scalar) {
                Ok(number) if rule.kind.is_none() || is_whole(number) => Ok(Value::Number(number)),
                _ => Err(misfit),
            },
            |whole| Ok(Value::Whole(whole)),
        ),
    }
}

fn bool(scalar: &Scalar<'_>) -> Result<bool, Misfit> {
    let text = match scalar {
        Scalar::Bool(on) => return Ok(*on),
        Scalar::Number(text) => text,
        Scalar::Text(text) => text.trim(),
    };
    let is = |word: &str| text.eq_ignore_ascii_case(word);
    match text {
        _ if is("1") || is("true") => Ok(true),
        _ if is("0") || is("false") => Ok(false),
        _ => Err("it is neither true nor false, nor 1 or 0"),
    }
}

/// A value as text: numbers as they are written.
pub(super) fn text<'a>(scalar: &Scalar<'a>) -> Cow<'a, str> {
    match scalar {
        Scalar::Bool(true) => "true".into(),
        Scalar::Bool(false) => "false".into(),
        Scalar::Number(digits) => Cow::Borrowed(digits),
        Scalar::Text(text) => text.clone(),
    }
}

fn digits<'a>(scalar: &'a Scalar<'_>) -> Result<&'a str, Misfit> {
    match scalar {
        Scalar::Bool(_) => Err("it is no number"),
        Scalar::Number(digits) => Ok(digits),
        Scalar::Text(text) => Ok(text.trim()),
    }
}

/// A decimal number, which is finite.
pub(super) fn decimal(text: &str) -> Option<f64> {
    // `f64` also has names for numbers that are none.
    let starts = text.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '-' | '+' | '.'));
    let number: f64 = starts.then(|| text.parse().ok()).flatten()?;
    number.is_finite().then_some(number)
}

/// Digits of base 16, with `0x` in front or without.
fn hexadecimal(text: &str) -> Result<u64, Misfit> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = is_hex.then(|| u64::from_str_radix(digits, 16).ok()).flatten();
    number.ok_or("it is no hexadecimal number of up to 16 digits")
}

/// A number in the contract's unit and range.
fn number(rule: &Rule, scalar: &Scalar<'_>) -> Result<f64, Misfit> {
    let text = digits(scalar)?;
    let raw = match rule.kind {
        #[expect(clippy::cast_precision_loss, reason = "as any JSON number")]
        Some(ValueType::Hex) => hexadecimal(text)? as f64,
        _ => decimal(text).ok_or("it is no number")?,
    };
    if rule.kind == Some(ValueType::Integer) && !is_whole(raw) {
        return Err("it is no whole number");
    }
    let scaled = raw * rule.scale + rule.offset;
    let number = rule.unit.map_or(scaled, |unit| unit.convert(scaled));
    rule.target.range().contains(&number).then_some(number).ok_or("it is out of range")
}

/// A number that counts.
fn whole(rule: &Rule, scalar: &Scalar<'_>) -> Result<u64, Misfit> {
    let text = digits(scalar)?;
    if rule.kind == Some(ValueType::Hex) {
        return hexadecimal(text);
    }
    text.parse().or_else(|_| {
        let number = decimal(text).ok_or("it is no number")?;
        as_whole(number)
    })
}

/// A number as a count, if it is one.
pub(super) fn as_whole(number: f64) -> Result<u64, Misfit> {
    if !(is_whole(number) && number >= 0.0) {
        return Err("it is no whole number from 0");
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole, and within bounds")]
    Ok(number as u64)
}

fn is_whole(number: f64) -> bool {
    number.abs() <= MAX_EXACT && number.fract() == 0.0
}
