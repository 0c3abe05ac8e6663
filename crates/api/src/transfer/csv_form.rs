//! CSV, a line at a time: no value of a device can have a line break.

use fleetwire_model::pb;
use fleetwire_registry::Catalogue;

use crate::devices::{Status, account_of};
use crate::transfer::labels;
use crate::transfer::row::Row;

/// Columns of an export; an import may have fewer, and `password`.
pub(crate) const HEADER: &str = "id,model,name,group,labels,account,status\n";

/// What is in a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Id,
    Model,
    Name,
    Group,
    Labels,
    Account,
    Status,
    Password,
}

impl Column {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "id" => Self::Id,
            "model" => Self::Model,
            "name" => Self::Name,
            "group" => Self::Group,
            "labels" => Self::Labels,
            "account" => Self::Account,
            "status" => Self::Status,
            "password" => Self::Password,
            _ => return None,
        })
    }
}

/// The columns of an import.
#[derive(Debug)]
pub(crate) struct Columns(Vec<Column>);

impl Columns {
    /// Of a header line.
    pub(crate) fn read(line: &[u8]) -> Result<Self, String> {
        let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        let mut columns: Vec<Column> = Vec::new();
        for name in &values(line)? {
            let name = name.trim();
            let column = Column::of(name).ok_or_else(|| {
                format!("there is no column `{name}`; those that there are: {},password", HEADER.trim_end())
            })?;
            if columns.contains(&column) {
                return Err(format!("the column `{name}` comes twice"));
            }
            columns.push(column);
        }
        if columns.contains(&Column::Id) && columns.contains(&Column::Model) {
            Ok(Self(columns))
        } else {
            Err("the first line must name the columns, `id` and `model` among them".to_owned())
        }
    }

    /// What a line says. An empty value says nothing.
    pub(crate) fn row(&self, line: &[u8]) -> Result<Row, String> {
        let values = values(line)?;
        if values.len() != self.0.len() {
            let (found, wanted) = (values.len(), self.0.len());
            return Err(format!("the line has {found} values, and the header {wanted} columns"));
        }
        let mut row = Row::default();
        for (column, value) in self.0.iter().zip(&values).filter(|(_, value)| !value.is_empty()) {
            let text = || Some(value.to_owned());
            match column {
                Column::Id => value.clone_into(&mut row.id),
                Column::Model => value.clone_into(&mut row.model),
                Column::Name => row.name = text(),
                Column::Group => row.group = text(),
                Column::Labels => {
                    row.labels = Some(labels::read(value).map_err(|err| format!("`labels`: {err}"))?);
                }
                Column::Account => row.account = text(),
                Column::Status => {
                    row.status = Some(value.parse().map_err(|err| format!("`status`: {err}"))?);
                }
                Column::Password => row.password = text(),
            }
        }
        Ok(row)
    }
}

/// The values of a line.
fn values(line: &[u8]) -> Result<csv::StringRecord, String> {
    // The reader takes a quote that nothing closes for closed at the end.
    if line.split(|&byte| byte == b'"').count() % 2 == 0 {
        return Err("a quote is not closed in the line; values have no line breaks".to_owned());
    }
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .buffer_capacity(line.len().max(1))
        .from_reader(line);
    let mut record = csv::StringRecord::new();
    match reader.read_record(&mut record) {
        Ok(true) => Ok(record),
        Ok(false) => Err("the line has no values".to_owned()),
        Err(_) => Err("the line is not UTF-8".to_owned()),
    }
}

/// A device as a line, with its line break.
pub(crate) fn write(record: &pb::Device, catalogue: Catalogue) -> Result<Vec<u8>, csv::Error> {
    let mut labels: Vec<_> = record.labels.iter().collect();
    labels.sort_unstable();
    let labels = labels::write(labels);
    let status = Status::of(record.status()).word();
    let account = account_of(record, catalogue);
    let values = [&record.device_id, &record.model, &record.name, &record.group, &labels, account, status];
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(values)?;
    writer.into_inner().map_err(|err| csv::Error::from(err.into_error()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_survives_the_way_through_a_line() {
        let record = pb::Device {
            device_id: "867035046242895".into(),
            model: "xirgo-lx41".into(),
            name: "a \"quoted\", name".into(),
            labels: [("vehicle".to_owned(), "truck; old".to_owned())].into(),
            ..pb::Device::default()
        };
        let line = write(&record, Catalogue::built_in()).unwrap();
        let columns = Columns::read(HEADER.trim_end().as_bytes()).unwrap();
        let row = columns.row(line.trim_ascii_end()).unwrap();
        assert_eq!((row.id, row.name), (record.device_id, Some(record.name)));
        assert_eq!(row.labels.unwrap()["vehicle"], "truck; old");
        assert_eq!((row.group, row.account.as_deref()), (None, Some("bce_device")));
        assert_eq!(row.status, Some(Status::Disabled));
    }

    #[test]
    fn a_header_and_a_line_that_cannot_be_meant_are_refused_with_the_reason() {
        for (header, part) in [
            ("id", "`model`"),
            ("id,model,nam", "`nam`"),
            ("id,model,id", "twice"),
            ("867035046242895,xirgo-lx41", "no column `867035046242895`"),
        ] {
            let error = Columns::read(header.as_bytes()).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
        let columns = Columns::read(b"\xef\xbb\xbfid, model ,labels,status").unwrap();
        for (line, part) in [
            ("1,m", "2 values"),
            ("1,m,a,active", "key=value"),
            ("1,m,,on", "active or disabled"),
            ("1,\"m,,", "quote"),
        ] {
            let error = columns.row(line.as_bytes()).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
        assert!(columns.row(b"1,\xff,,").unwrap_err().contains("UTF-8"));
    }
}
