//! Which route a path belongs to, for metrics and logs: their labels must be bounded, and a path is not.

use std::collections::BTreeSet;

/// The paths of the document, for example `/v1/devices/{id}`.
#[derive(Debug, Default)]
pub(crate) struct Templates(BTreeSet<&'static str>);

impl Templates {
    /// Of the paths of a document. They stay for as long as the process lives.
    pub(crate) fn new<'a>(paths: impl IntoIterator<Item = &'a String>) -> Self {
        Self(paths.into_iter().map(|path| &*path.clone().leak()).collect())
    }

    /// The template of a path, or "unmatched". Where two fit, the one that names more.
    pub(crate) fn of(&self, path: &str) -> &'static str {
        let fitting = self.0.iter().filter(|template| fits(template, path));
        fitting.min_by_key(|template| template.matches('{').count()).copied().unwrap_or("unmatched")
    }
}

fn fits(template: &str, path: &str) -> bool {
    let (mut wanted, mut given) = (template.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(wanted), Some(given)) if wanted == given => {}
            (Some(wanted), Some(given)) if wanted.starts_with('{') && !given.is_empty() => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_belongs_to_the_template_that_names_more() {
        let paths = ["/v1/devices", "/v1/devices/{id}", "/v1/devices/import", "/v1/devices/{id}/state"];
        let templates = Templates::new(&paths.map(str::to_owned));
        for (path, template) in [
            ("/v1/devices", "/v1/devices"),
            ("/v1/devices/import", "/v1/devices/import"),
            ("/v1/devices/867035046242895", "/v1/devices/{id}"),
            ("/v1/devices/1/state", "/v1/devices/{id}/state"),
            ("/v1/devices/", "unmatched"),
            ("/v1/devices/1/other", "unmatched"),
            ("/", "unmatched"),
        ] {
            assert_eq!(templates.of(path), template, "{path}");
        }
    }
}
