//! Query parameters: unknown ones, and those that come twice, are refused with their names.

use std::fmt::Display;
use std::str::FromStr;

use axum::http::Uri;

use crate::problem::{Code, Refusal};

/// Whether a parameter may come more than once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Times {
    Once,
    Many,
}

/// The parameters of a request.
#[derive(Debug)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads them; `known` are those that the path has.
    pub(crate) fn read(uri: &Uri, known: &[(&str, Times)]) -> Result<Self, Refusal> {
        let pairs = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        let pairs: Vec<(String, String)> = pairs.into_owned().collect();
        for (place, (name, _)) in pairs.iter().enumerate() {
            let Some((_, times)) = known.iter().find(|(known, _)| known == name) else {
                let names: Vec<&str> = known.iter().map(|(known, _)| *known).collect();
                let has = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
                return Err(bad(format!("there is no query parameter `{name}`; this path has {has}")));
            };
            if *times == Times::Once && pairs.iter().take(place).any(|(earlier, _)| earlier == name) {
                return Err(bad(format!("the query parameter `{name}` comes twice")));
            }
        }
        Ok(Self(pairs))
    }

    /// The value of a parameter.
    pub(crate) fn one(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// The values of a parameter.
    pub(crate) fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The value of a parameter, read.
    pub(crate) fn parsed<T: FromStr<Err: Display>>(&self, name: &str) -> Result<Option<T>, Refusal> {
        let value = self.one(name);
        value.map(str::parse).transpose().map_err(|err| bad(format!("query parameter `{name}`: {err}")))
    }
}

/// A request that is refused for what its line or its headers say.
pub(crate) fn bad(detail: impl Into<String>) -> Refusal {
    Refusal::new(Code::InvalidRequest, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &'static str) -> Result<Query, Refusal> {
        Query::read(&Uri::from_static(text), &[("limit", Times::Once), ("label", Times::Many)])
    }

    #[test]
    fn unknown_and_repeated_parameters_are_refused_with_their_names() {
        assert!(read("/?limt=1").unwrap_err().detail().contains("`limt`; this path has limit, label"));
        assert!(read("/?limit=1&limit=2").unwrap_err().detail().contains("`limit` comes twice"));
        let query = read("/?label=a:1&label=b%20c:2&limit=7").unwrap();
        assert_eq!(query.all("label").collect::<Vec<_>>(), ["a:1", "b c:2"]);
        assert_eq!(query.parsed::<u16>("limit").unwrap(), Some(7));
        assert!(read("/?limit=x").unwrap().parsed::<u16>("limit").unwrap_err().detail().contains("limit"));
        assert_eq!(read("/").unwrap().one("limit"), None);
    }
}
